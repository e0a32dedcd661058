"""docs/results.md is executed as it stands."""

import re
import warnings
from pathlib import Path

import pytest


def test_the_examples_in_the_results_page_run(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (repository / "docs/results.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # supervision recommends OpenCV
        exec("\n".join(blocks), {"__name__": "results"})
    printed = capsys.readouterr().out.strip()
    assert f"print(result)  # {printed}\n" in page
    written = {path.name for path in tmp_path.iterdir()}
    assert {
        "overlay.png",
        "plot.png",
        "green.png",
        "street.png",
        "street.classes.json",
        "street.npz",
    } <= written
