from pathlib import Path

from cli_builders import folder_options
from PIL import Image

from radseg.cli.model_options import ModelChoice
from radseg.cli.sheet import _columns
from radseg.errors import MissingExtraError
from radseg.evaluation.images import resizing
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.rooms import Rooms
from radseg.evaluation.paper.protocols import protocol
from radseg.miniature.walk import RoomWalk
from radseg.presets.spec import model_spec
from radseg.types import Size


def test_columns_may_be_the_rows_of_an_ablation(radseg, tmp_path):
    done = radseg(
        "sheet", "miniature", "-m", "miniature", "--sweep", "windows", "--images", 1, "-o", tmp_path / "s"
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    page = (tmp_path / "s/sheet.html").read_text()
    assert "single pass, no SCGA: mIoU" in page
    assert page.count("<img") == 2 + 2 * 3
    assert Image.open(tmp_path / "s/sheet.png").width == 10 + 5 * 310


def test_a_sweep_is_of_one_preset(radseg):
    done = radseg("sheet", "miniature", "-m", "miniature", "-m", "toy", "--sweep", "windows")
    assert done.exit_code == 2
    assert "name one with -m" in done.output


def test_two_checkpoints_of_one_preset_have_a_column_each(tmp_path):
    files = [tmp_path / name for name in ("one/a.safetensors", "two/a.safetensors")]
    for file in files:
        file.parent.mkdir()
        file.touch()
    row = protocol("miniature", "own")
    models = [model_spec("radseg-b"), *map(model_spec, files)]
    columns = _columns([EvalRequest(Rooms(1), row, one, tmp_path) for one in models], None, ModelChoice())
    assert list(columns) == ["radseg-b", "radseg-b (one/a.safetensors)", "radseg-b (two/a.safetensors)"]


def test_a_folder_is_asked_about_as_eval_does(radseg, labelled):
    done = radseg("sheet", "folder", "-m", "toy", *folder_options(labelled), "--images", 2)
    assert done.exit_code == 0, done.output
    # Only with its synonyms, its first label and without the band of 9 are the toy's colours all right.
    page = Path("radseg-sheet/sheet.html").read_text()
    assert page.count("toy: mIoU 100.0 %") == page.count("toy: mIoU") > 1


def test_one_bad_image_is_named_and_of_nothing_but_bad_ones_the_first_reason(radseg, labelled):
    asked = ("sheet", "folder", "-m", "toy", *folder_options(labelled))
    (labelled / "images/1.png").write_bytes(b"no image")
    done = radseg(*asked, "-o", "some")
    assert done.exit_code == 1
    assert "1 could not be shown" in done.output
    assert Path("some/sheet.png").exists()
    for file in (labelled / "images").iterdir():
        file.write_bytes(b"no image")
    done = radseg(*asked, "-o", "none")
    assert done.exit_code == 2
    assert "None of 3 images could be shown; the first: " in done.output
    assert "0.png" in done.output
    assert not Path("none").exists()


def test_missing_opencv_is_told_before_a_model_is_loaded(radseg, monkeypatch, shared):
    def absent(module, extra):
        raise MissingExtraError(f"This needs {module}; pip install 'radseg[{extra}]'")

    monkeypatch.setattr(resizing, "require", absent)
    monkeypatch.setattr("radseg.evaluation.images.model.load_model", None)
    done = radseg("sheet", "ade20k", "--data", shared / "data/ade20k_sample", "--partial", "-m", "toy")
    assert done.exit_code == 3
    assert "radseg[eval]" in done.output


def test_a_set_in_3d_becomes_one_figure_per_scene(radseg, tmp_path, monkeypatch):
    monkeypatch.setattr(RoomWalk.__init__, "__kwdefaults__", {"frames": 2, "size": Size(120, 160)})
    typed = ["sheet", "walks", "-m", "miniature", "-m", "miniature-radio", "--images", 1, "--short-side", 112]
    done = radseg(*typed, "-o", tmp_path / "s")
    assert done.exit_code == 0, done.output
    (figure,) = (tmp_path / "s").iterdir()
    assert figure.name == "910000.png"
    assert Image.open(figure).width == 4 * (480 + 12) + 12
    assert "has no effect on scenes in 3D" in radseg(*typed, "--sweep", "windows").output
