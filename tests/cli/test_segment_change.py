"""`--keep features` and `--change`: what a run that is changed does again, and that it equals a new one."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_builders import Command, events, paint
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from radseg.cli.app import app
from radseg.errors import InputError
from radseg.io import read_label_map
from radseg.runs.outputs import KINDS
from radseg.runs.stored import read_run
from radseg.testing import ColourEncoder

SAVED = "labels,npz"
FIRST = ("-p", "red, blue, green")
CHANGES = {
    "a word": ("-p", "red, blue, yellow"),
    "synonyms": ("--classes", "names.txt"),
    "mode": (*FIRST, "--mode", "assign"),
    "threshold": (*FIRST, "--threshold", "0.99"),
    "temperature": (*FIRST, "-O", "temperature=5"),
    "objects": (*FIRST, "--objects"),
}


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a run but its manifest, which has times."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if path.name not in ("manifest.jsonl", ".radseg-lock")
    }


@pytest.fixture
def never_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the toy model refuse to look at an image."""

    def encode(*_: object) -> None:
        raise AssertionError("an image was encoded")

    monkeypatch.setattr(ColourEncoder, "encode", encode)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, and a run in `out` that kept exact features of them."""
    folder = tmp_path_factory.mktemp("first")
    for name in ("a.png", "b.png", "deep/a.png"):
        paint(folder / "photos" / name)
    where = (str(folder / "photos"), "-o", str(folder / "out"))
    arguments = ("segment", *where, "-m", "toy", *FIRST, "--save", SAVED, "--keep", "features-float32")
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def kept(first: Path) -> Path:
    """The photos of such a run, copied to this place; they are known again."""
    shutil.copytree(first, ".", dirs_exist_ok=True)
    Path("names.txt").write_text("red, pink\nblue\n")
    return Path("photos")


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_run_equals_a_new_one_and_encodes_nothing(
    toy: Command, kept: Path, change: str, request: pytest.FixtureRequest
) -> None:
    arguments = (kept, *CHANGES[change], "--save", SAVED)
    assert toy(*arguments, "-o", "new", "--keep", "features-float32").exit_code == 0
    before = content(Path("out"))
    request.getfixturevalue("never_encoded")
    done = toy(*arguments, "-o", "out", "--change")
    assert done.exit_code == 0, done.output
    assert "3 of 3 images have kept features and are not encoded again." in done.stderr
    assert content(Path("out")) == content(Path("new")) != before
    assert len(read_run(Path("out")).done) == 3


def test_half_precision_gives_the_labels_of_a_new_run(toy: Command, photo: Path) -> None:
    save = ("--save", "labels")
    done = toy(photo, *FIRST, *save, "-o", "out", "--keep", "features")
    assert "Kept features of 1 image: 0.0 MB, 0.02 MB each." in done.stderr
    assert toy(photo, "-p", "red, cyan", *save, "-o", "out", "--change").exit_code == 0
    assert toy(photo, "-p", "red, cyan", *save, "-o", "new").exit_code == 0
    masks = (read_label_map(f"{folder}/masks/photo.png") for folder in ("out", "new"))
    assert np.array_equal(*masks)


def test_a_kind_that_is_left_out_only_goes(
    toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy(photo, *FIRST, "-o", "out", "--save", "labels,coco")
    monkeypatch.setattr("radseg.runs.segmentation._Lazy.load", lambda _: pytest.fail("a model was loaded"))
    assert toy(photo, *FIRST, "-o", "out", "--save", "labels", "--change").exit_code == 0
    assert sorted(content(Path("out"))) == ["classes.json", "masks/photo.png"]


def test_every_kind_is_made_again_or_goes(toy: Command, photo: Path) -> None:
    kinds = ",".join(KINDS)
    toy(photo, *FIRST, "-o", "out", "--save", kinds, "--keep", "features-float32")
    assert toy(photo, "-p", "red", "-o", "out", "--save", kinds, "--change").exit_code == 0
    toy(photo, "-p", "red", "-o", "new", "--save", kinds, "--keep", "features-float32")
    assert content(Path("out")) == content(Path("new"))


def test_without_features_a_further_kind_leaves_the_others_as_they_are(toy: Command, photo: Path) -> None:
    toy(photo, *FIRST, "-o", "out", "--save", "labels")
    os.utime("out/masks/photo.png", (7, 7))
    assert toy(photo, *FIRST, "-o", "out", "--save", "labels,legend", "--change").exit_code == 0
    assert Path("out/masks/photo.png").stat().st_mtime == 7
    assert Path("out/legends/photo.png").is_file()


def test_without_features_other_words_are_looked_for_in_the_images(toy: Command, photo: Path) -> None:
    toy(photo, *FIRST, "-o", "out", "--save", "labels")
    done = toy(photo, "-p", "red", "-o", "out", "--save", "labels", "--change")
    assert "kept features" not in done.stderr
    toy(photo, "-p", "red", "-o", "new", "--save", "labels")
    assert content(Path("out")) == content(Path("new"))


def test_features_stay_until_they_are_taken_away(toy: Command, kept: Path) -> None:
    exact, half = Path("out/features-float32/b.safetensors"), Path("out/features/b.safetensors")
    before, change = exact.read_bytes(), (kept, "-p", "red", "-o", "out", "--save", "labels", "--change")
    toy(*change)
    assert exact.read_bytes() == before
    assert "have kept features" in toy(*change, "--keep", "features").stderr
    assert (exact.exists(), half.is_file()) == (False, True)
    toy(*change, "--keep", "features-float32")
    assert exact.read_bytes() == before
    toy(*change, "--keep", "none")
    assert (exact.exists(), half.exists()) == (False, False)


def test_an_image_that_was_replaced_is_encoded_again(toy: Command, photo: Path) -> None:
    toy(photo, *FIRST, "-o", "out", "--save", "labels", "--keep", "features")
    paint(photo, red_columns=8)
    done = toy(photo, "-p", "red", "-o", "out", "--save", "labels", "--change")
    assert "are not encoded again" not in done.stderr
    assert (read_label_map("out/masks/photo.png") == 1).mean() < 0.2


def test_a_change_that_broke_off_goes_on_where_it_was(
    toy: Command, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (kept, "-p", "red", "-o", "out", "--save", SAVED)
    with monkeypatch.context() as patch:
        done: list[object] = []

        def stop(*_: object) -> None:
            done.append(0)
            if len(done) == 2:
                raise KeyboardInterrupt

        patch.setattr("radseg.cli.reporters.PlainReporter.finished", stop)
        assert toy(*arguments, "--change").exit_code == 130
    with pytest.raises(InputError, match="is being changed, and 1 images are as before"):
        read_run(Path("out"))
    resumed = toy(*arguments, "--change")
    assert "1 done, 2 done before" in resumed.stdout
    toy(kept, "-p", "red", "-o", "new", "--save", SAVED, "--keep", "features-float32")
    assert content(Path("out")) == content(Path("new"))


def other_values(path: Path) -> None:
    """Store other numbers under what the file says of itself."""
    raw = bytearray(path.read_bytes())
    raw[-6] ^= 1
    path.write_bytes(raw)


def not_finite(path: Path) -> None:
    values = load_file(path)["values"]
    save_file({"values": values.log()}, path)


DAMAGES = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "no safetensors": lambda path: path.write_bytes(b"no"),
    "without a description": not_finite,
    "another value": other_values,
    "of another image": lambda path: shutil.copy(path.with_name("deep") / "a.safetensors", path),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a link elsewhere": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_features_that_are_not_those_of_the_run_are_refused_and_made_again(
    toy: Command, kept: Path, damage: str
) -> None:
    DAMAGES[damage](Path("out/features-float32/b.safetensors"))
    arguments = (kept, "-p", "red", "-o", "out", "--save", "labels")
    done = toy(*arguments, "--change")
    if damage in ("a pipe", "a link elsewhere"):  # no file, so none was kept
        assert "2 of 3 images have kept features" in done.stderr
        assert done.exit_code == 0
        return
    assert done.exit_code == 1
    assert "b.safetensors cannot be used" in done.stderr
    assert "2 done, 1 failed" in done.stdout
    assert toy(*arguments, "--resume").exit_code == 0
    assert Path("out/features-float32/b.safetensors").is_file()


REFUSED = {
    "no run": (("-o", "nothing"), "There is no run in nothing to change"),
    "another size": (
        ("-o", "out", "--short-side", "32"),
        "other settings: option short_side.*must stay",
    ),
    "some of the images": (
        ("-o", "out"),
        "1 images of the run in out are not among these sources, such as b",
    ),
    "no folder": ((), "need the folder of the run"),
    "two ways": (("-o", "out", "--resume"), "leave --resume and --overwrite out"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_changed_is_refused_and_the_run_stays(toy: Command, kept: Path, case: str) -> None:
    arguments, message = REFUSED[case]
    if case == "some of the images":
        (kept / "b.png").unlink()
    before = content(Path("out"))
    done = toy(kept, "-p", "red", "--change", *arguments)
    assert done.exit_code == 2
    assert re.search(message, done.stderr), done.stderr
    assert content(Path("out")) == before


def test_what_failed_and_was_removed_is_no_part_of_the_run_any_more(toy: Command, photo: Path) -> None:
    Path("bad.jpg").write_bytes(b"no image")
    toy(photo, "bad.jpg", *FIRST, "-o", "out", "--save", "labels")
    assert toy(photo, "-p", "red", "-o", "out", "--save", "labels", "--change").exit_code == 0
    run = read_run(Path("out"))
    assert ([one.name for one in run.done], run.failed) == (["photo"], ())


def test_a_method_that_reads_the_prompts_first_has_no_features_to_keep(radseg: Command, photo: Path) -> None:
    done = radseg("segment", photo, *FIRST, "-m", "miniature-resradio", "--keep", "features")
    assert done.exit_code == 2
    assert "reads the prompts before it has features: there are none to draw or keep" in done.stderr


def test_a_refined_run_keeps_the_coarse_features_and_refines_again(radseg: Command, photo: Path) -> None:
    model = (photo, "-m", "miniature", "--refine", "despeckle", "--mode", "assign", "--save", "labels,npz")
    keep = ("--keep", "features-float32")
    assert radseg("segment", *model, "-p", "wall, red ball", "-o", "out", *keep).exit_code == 0
    done = radseg("segment", *model, "-p", "wall, blue ball", "-o", "out", "--change")
    assert "1 of 1 images have kept features" in done.stderr
    radseg("segment", *model, "-p", "wall, blue ball", "-o", "new", *keep)
    assert content(Path("out")) == content(Path("new"))


def test_json_lines_tell_what_was_kept(toy: Command, kept: Path) -> None:
    told = events(toy(kept, "-p", "red", "-o", "out", "--change", "--log-format", "json"))
    assert [one["text"].split(":")[0] for one in told if one["event"] == "note"] == [
        "3 of 3 images have kept features and are not encoded again.",
        "Kept features of 3 images",
    ]
