"""The notebook of the examples runs, and what it shows is what the code gives today."""

import ast
import base64
import contextlib
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "examples" / "05_notebook.ipynb"


def outputs_of(cell: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one cell as Jupyter does: what it prints, and how its last expression shows itself."""
    body = ast.parse(cell).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed, outputs = io.StringIO(), list[dict[str, Any]]()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "cell", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_png_"):
            data["image/png"] = base64.b64encode(value._repr_png_()).decode()
        outputs.append({"data": data, "metadata": {}, "output_type": "display_data"})
    return outputs


def test_the_notebook_shows_what_its_cells_give(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [one for one in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if one["cell_type"] == "code"]
    names: dict[str, Any] = {}
    shown = 0
    for cell in cells:
        again = outputs_of("".join(cell["source"]), names)
        assert len(again) == len(cell["outputs"])
        for stored, now in zip(cell["outputs"], again, strict=True):
            assert stored.get("text") == now.get("text")
            data, made = stored.get("data", {}), now.get("data", {})
            assert data.get("text/plain") == made.get("text/plain")
            if "image/png" in made:  # letters are those of the machine's fonts, so only sizes are compared
                pngs = (io.BytesIO(base64.b64decode(one["image/png"])) for one in (data, made))
                sizes = [Image.open(png).width for png in pngs]
                assert sizes[0] == sizes[1]
                shown += 1
    assert shown >= 2
    assert NOTEBOOK.stat().st_size < 400_000
