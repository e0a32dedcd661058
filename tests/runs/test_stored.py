"""A run's folder read back: names, files of each image, and what is wrong with a folder that is none."""

import json
from pathlib import Path

import pytest

from radseg.errors import InputError, MissingFileError
from radseg.jobs.manifest import ManifestWriter, Record
from radseg.runs.outputs import write_classes
from radseg.runs.stored import read_run

IMAGE = Record("deep/a.jpg", "deep/a", 1, 1, "done", ("masks/deep/a.png",), 0.1, "")
FAILED = Record("b.jpg", "b", 1, 1, "failed", (), 0.1, "", "not an image")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two images, one of which failed."""
    with ManifestWriter(tmp_path / "manifest.jsonl", {"mode": "assign"}, None) as manifest:
        manifest.add(IMAGE)
        manifest.add(FAILED)
    write_classes(tmp_path, ["sky", "a, b"], {}, {})
    return tmp_path


def test_a_run_is_read_back(folder: Path) -> None:
    run = read_run(folder)
    assert (run.names, run.parameters, run.roots) == (("sky", "a, b"), {"mode": "assign"}, {})
    assert (run.done, run.failed) == ((IMAGE,), (FAILED,))
    assert run.file("labels", IMAGE) == folder / "masks/deep/a.png"


def test_what_was_not_saved_is_named_with_the_way_to_it(folder: Path) -> None:
    run = read_run(folder)
    assert not run.has("npz", IMAGE)
    with pytest.raises(InputError, match=r"has no npz of deep/a\. Add npz to its --save"):
        run.file("npz", IMAGE)


def test_a_folder_without_a_run_or_classes_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run"):
        read_run(tmp_path / "elsewhere")
    (folder / "classes.json").unlink()
    with pytest.raises(MissingFileError, match=r"classes\.json does not exist"):
        read_run(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"classes": 3},
        {"classes": [{"id": 2, "name": "a"}]},
        {"classes": [{"id": 1, "name": 2}]},
        {"roots": ["a"]},
        {"roots": {"a": 1}},
    ],
)
def test_classes_of_another_form_are_refused(folder: Path, change: dict[str, object]) -> None:
    path = folder / "classes.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=r"classes\.json is not one that radseg wrote"):
        read_run(folder)


def test_a_manifest_that_leads_elsewhere_is_refused(folder: Path) -> None:
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text().replace("deep/a", "../a"))
    run = read_run(folder)
    with pytest.raises(InputError, match="would leave the output folder"):
        run.file("labels", run.done[0])
