"""`radseg ablate` on two rooms: the table, its files, the plot, and going on after a break."""

import csv
import json
import shutil

import pytest
from cli_builders import folder_options
from PIL import Image
from typer.testing import CliRunner

from radseg.cli import ablate
from radseg.cli.app import app
from radseg.datasets.base import IGNORE
from radseg.errors import MissingExtraError
from radseg.evaluation.studies import plots


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablate") / "out"
    arguments = ["ablate", "windows", "--preset", "miniature", "--limit", "2", "-o", str(folder)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder, result


def test_table_files_and_plot_are_written(done):
    folder, result = done
    record = json.loads((folder / "windows.json").read_text())
    assert record["format"] == "radseg-sweep/1"
    assert [row["row"] for row in record["rows"]] == ["windows", "single pass", "single pass, no SCGA"]
    assert record["images"] == 2
    rows = list(csv.DictReader((folder / "windows.csv").read_text().splitlines()))
    assert rows[0]["gain"] == ""
    for row in rows[1:]:
        assert float(row["gain"]) == pytest.approx(float(row["mIoU %"]) - float(rows[0]["mIoU %"]))
        assert float(row["gain low"]) <= float(row["gain high"])
    assert "2 of 2 images" in (folder / "windows.md").read_text()
    assert "| single pass " in result.stdout
    image = Image.open(folder / "windows.png").convert("RGB")
    assert image.width > 900
    assert len(image.getcolors(maxcolors=2**20)) > 50


def test_each_row_ran_with_its_own_options(done):
    folder, _ = done
    options = {
        name: json.loads((folder / name / "result.json").read_text())["options"]
        for name in ("windows", "single-pass", "single-pass-no-scga")
    }
    assert options["windows"]["crop"] == 160
    assert options["single-pass"]["crop"] is None
    assert options["single-pass"]["scga_temperature"] == 10.0
    assert options["single-pass-no-scga"]["scga_temperature"] is None


def test_a_folder_is_asked_about_as_eval_does(radseg, labelled, monkeypatch, tmp_path):
    """Its class file with synonyms, the label that is not judged and the first label reach every row."""
    seen = []
    monkeypatch.setattr(ablate, "_run", lambda chosen, request, **_: seen.append(request))
    done = radseg("ablate", "windows", "--on", "folder", "-m", "miniature", *folder_options(labelled))
    assert done.exit_code == 0, done.output
    assert seen[0].prompts.phrases == (("cyan", "red"), ("orange", "blue"))
    truth = seen[0].images.read("0").truth
    assert (truth[0, 0], truth[63, 0], truth[63, 95]) == (IGNORE, 0, 1)


def test_a_second_run_is_refused_and_a_broken_one_goes_on(done, radseg, tmp_path):
    folder = tmp_path / "again"
    shutil.copytree(done[0], folder)
    arguments = ("ablate", "windows", "--preset", "miniature", "--limit", "2", "-o", folder, "--no-plot")
    assert "earlier evaluation" in radseg(*arguments).output
    shutil.rmtree(folder / "single-pass-no-scga")
    before = (folder / "windows/shards/1-of-1.jsonl").read_bytes()
    goes_on = radseg(*arguments, "--resume")
    assert goes_on.exit_code == 0, goes_on.output
    assert (folder / "windows/shards/1-of-1.jsonl").read_bytes() == before, "done rows are not done again"
    assert (folder / "windows.csv").read_text().count("\n") == 4


def test_the_values_of_an_option_are_its_rows(radseg, tmp_path):
    arguments = ("ablate", "stride=112,80", "-m", "miniature", "--limit", 2, "-o", tmp_path / "out")
    done = radseg(*arguments)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out/stride.json").read_text())
    assert [(row["row"], row["position"]) for row in record["rows"]] == [("112", 112.0), ("80", 80.0)]
    assert json.loads((tmp_path / "out/80/result.json").read_text())["options"]["stride"] == 80
    assert (tmp_path / "out/stride.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("strid=112,80",), "no option 'strid'; did you mean 'stride'?"),
        (("stride=112",), "varies nothing; write an option and its values"),
        (("stride=112,80", "--stride", "64"), "The ablation sets stride itself; leave that out."),
        (("refine=none,regions",), "cannot refine as 'regions'"),
        (("crop=160,0",), "crop is 0; it must be at least 1"),
    ],
)
def test_rows_that_cannot_be_run_are_refused_before_the_first_is(radseg, tmp_path, arguments, message):
    refused = radseg("ablate", *arguments, "-m", "miniature", "--limit", 1, "-o", tmp_path / "out")
    assert (refused.exit_code, message in refused.stderr) == (2, True), refused.output
    assert not (tmp_path / "out").exists()


def test_a_missing_plot_library_is_told_before_the_work(radseg, monkeypatch, tmp_path):
    def absent(module, extra):
        raise MissingExtraError(f"This needs {module}; pip install 'radseg[{extra}]'")

    monkeypatch.setattr(plots, "require", absent)
    refused = radseg("ablate", "windows", "--preset", "miniature", "--limit", "2", "-o", tmp_path / "x")
    assert refused.exit_code == 3
    assert "radseg[plot]" in refused.output
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_run_says_why(radseg):
    refused = radseg("ablate", "adaptors", "--preset", "miniature")
    assert refused.exit_code == 2
    assert "needs published weights" in refused.output
    assert radseg("ablate", "windows", "--resume", "--overwrite").exit_code == 2
