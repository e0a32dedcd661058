"""`radseg segment` with the toy model: what a person types, sees, and finds in the folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_builders import Command, events, paint
from PIL import Image

from radseg.io import read_label_map
from radseg.presets.choose import default_model
from radseg.result import Segmentation
from radseg.runs.outputs import KINDS
from radseg.weights import installed


def files(folder: Path) -> list[str]:
    """Return the visible files below a folder, sorted."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    )


def test_one_photo_gives_a_table_and_files(toy: Command, photo: Path) -> None:
    result = toy(photo, "-p", "red, blue, green")
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()[1:4]] == [
        ["red", "50.0%", "0.98"],
        ["blue", "50.0%", "0.98"],
        ["green", "0.0%"],
    ]
    assert "Written to radseg-output: masks/photo.png, overlays/photo.jpg, classes.json" in result.stdout
    assert files(Path("radseg-output")) == [
        "classes.json",
        "manifest.jsonl",
        "masks/photo.png",
        "overlays/photo.jpg",
    ]


def test_the_label_map_counts_names_from_one(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "blue, red", "-o", "out")
    labels = read_label_map("out/masks/photo.png")
    assert (labels[:, :40] == 2).all()
    assert (labels[:, 56:] == 1).all()


def test_what_no_name_fits_is_none(toy: Command, photo: Path) -> None:
    result = toy(photo, "-p", "red", "-o", "out")
    assert (read_label_map("out/masks/photo.png")[:, 56:] == 0).all()
    assert "(none of these)" in result.stdout


def test_classes_json_tells_names_colours_and_parameters(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "red, blue", "-o", "out", "--denoise", "0.4")
    classes = json.loads(Path("out/classes.json").read_text())
    assert [(one["id"], one["name"]) for one in classes["classes"]] == [(1, "red"), (2, "blue")]
    assert classes["none"] == 0
    assert classes["run"]["option denoising"] == 0.4


def test_a_second_run_takes_a_new_folder(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "red, blue")
    assert "Written to radseg-output-2" in toy(photo, "-p", "red, blue, green").stdout


def test_a_folder_keeps_its_shape(toy: Command, photos: Path) -> None:
    result = toy(photos, "-p", "red, blue", "-o", "out", "--save", "labels")
    assert result.exit_code == 0
    assert files(Path("out")) == [
        "classes.json",
        "manifest.jsonl",
        "masks/a.png",
        "masks/b.png",
        "masks/deep/a.png",
    ]
    assert "3 done → out" in result.stdout
    assert "Left out 1 file of no image format, such as notes.md." in result.stderr
    assert "[1/3]" in result.stderr


def test_every_kind_of_output_is_stored(toy: Command, photo: Path) -> None:
    result = toy(photo, "-p", "red, sky blue", "-o", "out", "--save", ",".join(KINDS))
    assert result.exit_code == 2  # the toy knows first words only: "sky" is no colour
    result = toy(photo, "-p", "red, blue sky", "-o", "out", "--save", ",".join(KINDS))
    assert result.exit_code == 0, result.output
    assert files(Path("out")) == [
        "classes.json",
        "coco.json",
        "coco/photo.json",
        "heatmaps/photo.001-red.png",
        "heatmaps/photo.002-blue-sky.png",
        "legends/photo.png",
        "manifest.jsonl",
        "masks/photo.png",
        "npz/photo.npz",
        "objects/photo.json",
        "overlays/photo.jpg",
        "pca/photo.png",
    ]
    assert Image.open("out/overlays/photo.jpg").size == Image.open(photo).size


def test_the_stored_result_loads_back(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "red, blue", "-o", "out", "--save", "labels,npz")
    loaded = Segmentation.load("out/npz/photo.npz")
    assert np.array_equal(loaded.labels, read_label_map("out/masks/photo.png"))
    assert loaded.meta["preset"] == "toy"


def test_one_coco_file_holds_all_images_with_their_own_ids(toy: Command, photos: Path) -> None:
    toy(photos, "-p", "red, blue", "-o", "out", "--save", "labels,coco")
    coco = json.loads(Path("out/coco.json").read_text())
    assert [(one["id"], one["label_map"]) for one in coco["images"]] == [
        (1, "masks/a.png"),
        (2, "masks/b.png"),
        (3, "masks/deep/a.png"),
    ]
    listed = [one["file_name"] for one in coco["images"]]
    assert all((photos / name).is_file() for name in listed)
    assert len(set(listed)) == 3
    assert [(one["id"], one["image_id"]) for one in coco["annotations"]] == [
        (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3),
    ]  # fmt: skip


def test_names_come_from_a_class_file_with_synonyms(toy: Command, photo: Path) -> None:
    Path("names.txt").write_text("red, pink\nblue\n")
    result = toy(photo, "--classes", "names.txt", "-o", "out")
    assert result.exit_code == 0
    classes = json.loads(Path("out/classes.json").read_text())
    assert [one["name"] for one in classes["classes"]] == ["red", "blue"]


def test_prompts_may_be_given_several_times(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "red", "-p", "blue, green", "-o", "out")
    classes = json.loads(Path("out/classes.json").read_text())
    assert [one["name"] for one in classes["classes"]] == ["red", "blue", "green"]


def test_json_lines_tell_the_run(toy: Command, photos: Path) -> None:
    told = events(toy(photos, "-p", "red, blue", "-o", "out", "--log-format", "json"))
    assert [event["event"] for event in told] == [
        "found",
        "loading",
        "started",
        "image",
        "image",
        "image",
        "ended",
    ]
    assert told[3]["outputs"] == ["masks/a.png", "overlays/a.jpg"]
    shares = {one["name"]: one["share"] for one in told[3]["classes"]}
    assert shares["red"] + shares["blue"] + shares[None] == pytest.approx(1)
    assert told[-1]["done"] == 3


def test_independent_shares_may_overlap(toy: Command, photo: Path) -> None:
    told = events(
        toy(photo, "-p", "red, orange, blue", "--mode", "independent", "-o", "out", "--log-format", "json")
    )
    assert told[-2]["event"] == "image"
    assert {one["name"] for one in told[-2]["classes"]} == {"red", "orange", "blue", None}


def test_quiet_prints_nothing(toy: Command, photos: Path) -> None:
    assert toy(photos, "-p", "red, blue", "--quiet").output == ""


def test_one_bad_image_of_many_is_listed_and_gives_exit_code_1(toy: Command, photos: Path) -> None:
    (photos / "b.png").write_bytes(b"not an image")
    result = toy(photos, "-p", "red, blue", "-o", "out")
    assert result.exit_code == 1
    assert "2 done, 1 failed → out" in result.stdout
    assert (
        result.stderr.count("b.png is not an image that can be read") == 2
    )  # when it happens, and at the end
    assert "masks/b.png" not in files(Path("out"))


def test_one_bad_image_alone_is_one_line(toy: Command) -> None:
    Path("photo.jpg").write_bytes(b"not an image")
    result = toy("photo.jpg", "-p", "red, blue")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert "photo.jpg is not an image that can be read" in result.stderr
    assert not Path("radseg-output").exists()


def test_resume_does_the_rest(toy: Command, photos: Path) -> None:
    (photos / "b.png").write_bytes(b"")
    toy(photos, "-p", "red, blue", "-o", "out")
    paint(photos / "b.png")
    result = toy(photos, "-p", "red, blue", "-o", "out", "--resume")
    assert result.exit_code == 0
    assert "1 done, 2 done before → out" in result.stdout
    again = toy(photos, "-p", "red, blue", "-o", "out", "--resume")
    assert (again.exit_code, "3 done before → out" in again.stdout) == (0, True)


def test_resume_with_other_prompts_names_the_change(toy: Command, photos: Path) -> None:
    toy(photos, "-p", "red, blue", "-o", "out")
    result = toy(photos, "-p", "red, green", "-o", "out", "--resume")
    assert result.exit_code == 2
    assert 'prompts was [["red"], ["blue"]], is now [["red"], ["green"]]' in result.stderr


def test_an_earlier_run_is_kept_until_overwritten(toy: Command, photo: Path) -> None:
    toy(photo, "-p", "red, blue", "-o", "out")
    refused = toy(photo, "-p", "red, green", "-o", "out")
    assert refused.exit_code == 2
    assert "Continue it with --resume, start it again with --overwrite" in refused.stderr
    assert toy(photo, "-p", "red, green", "-o", "out", "--overwrite").exit_code == 0


def test_results_beside_the_photo_never_replace_it(toy: Command, photo: Path) -> None:
    Path("masks").mkdir()
    photo = photo.rename("masks/photo.png")
    before = photo.read_bytes()
    result = toy(photo, "-p", "red, blue", "-o", ".", "--overwrite")
    assert result.exit_code == 2
    assert "would replace an input image" in result.stderr
    assert photo.read_bytes() == before


WRONG = {
    "no words": (["{photo}"], "exactly one of -p, --classes, --vocabulary"),
    "two kinds of words": (["{photo}", "-p", "red", "--vocabulary", "x"], "exactly one of"),
    "prompts and classes": (["{photo}", "-p", "red", "--classes", "x"], "Both -p and --classes"),
    "empty prompt": (["{photo}", "-p", " "], "vocabulary is empty"),
    "empty name": (["{photo}", "-p", "red,,blue"], "Name 2 is empty"),
    "repeated name": (["{photo}", "-p", "red, Red"], "given twice"),
    "repeated over two options": (["{photo}", "-p", "red", "-p", "red"], "given twice"),
    "prompt too long": (["{photo}", "-p", "x" * 10_000], "10,000 characters"),
    "nul in a prompt": (["{photo}", "-p", "re\0d"], "control character U+0000"),
    "unknown colour": (["{photo}", "-p", "sheep"], "knows colours only"),
    "missing photo": (["nowhere.jpg", "-p", "red"], "no file or folder nowhere.jpg"),
    "missing class file": (["{photo}", "--classes", "nowhere.txt"], "nowhere.txt does not exist"),
    "missing pack": (["{photo}", "--vocabulary", "no.safetensors"], "no vocabulary pack no.safetensors"),
    "one name in assign": (["{photo}", "-p", "red", "--mode", "assign"], "'background' or 'independent'"),
    "unknown mode": (["{photo}", "-p", "red", "--mode", "some"], "'some' is not one of"),
    "unknown kind": (
        ["{photo}", "-p", "red", "--save", "labels,video"],
        "must name some of: labels, overlay",
    ),
    "short side": (["{photo}", "-p", "red", "--short-side", "big"], "whole number of pixels, or native"),
    "temperature": (["{photo}", "-p", "red", "--scra", "-3"], "number above 0, or off"),
    "memory": (["{photo}", "-p", "red", "--memory-budget", "much"], "such as 1GiB"),
    "threshold": (["{photo}", "-p", "red", "--threshold", "2"], "Invalid value for '--threshold'"),
    "resume without folder": (["{photo}", "-p", "red", "--resume"], "add -o FOLDER"),
    "resume and overwrite": (["{photo}", "-p", "red", "--resume", "--overwrite"], "use one of them"),
    "unknown option": (["{photo}", "-p", "red", "--colour"], "No such option"),
    "templates with a pack": (["{photo}", "--vocabulary", "x", "--templates", "none"], "has no effect"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_explained_with_exit_code_2(toy: Command, photo: Path, case: str) -> None:
    arguments, message = WRONG[case]
    result = toy(*(one.replace("{photo}", str(photo)) for one in arguments))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not Path("radseg-output/manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("radseg-xl", "Did you mean radseg-h or radseg-b or radseg-h+?"),
        ("minature", "Did you mean miniature or miniature+ or miniature-radio?"),
        ("best", "The models are radseg-b, radseg-h, "),
    ],
)
def test_an_unknown_model_names_the_nearest_or_all(
    radseg: Command, photo: Path, typed: str, hint: str
) -> None:
    result = radseg("segment", photo, "-p", "red", "-m", typed)
    assert result.exit_code == 2
    assert f"There is no model {typed!r} and no such file. {hint}" in result.stderr


def test_a_missing_checkpoint_path_is_named(radseg: Command, photo: Path) -> None:
    result = radseg("segment", photo, "-p", "red", "-m", "./weights.pth.tar")
    assert result.exit_code == 2
    assert "There is no checkpoint ./weights.pth.tar" in result.stderr


def test_a_checkpoint_without_a_model_is_used_as_radseg_b(radseg: Command, photo: Path) -> None:
    Path("weights.pth.tar").write_bytes(b"not a checkpoint")
    result = radseg("segment", photo, "-p", "sky", "--checkpoint", "weights.pth.tar")
    assert result.exit_code == 3
    assert "weights.pth.tar" in result.stderr
    assert "miniature" not in result.stderr


def test_a_damaged_checkpoint_is_an_environment_error(radseg: Command, photo: Path) -> None:
    Path("weights.pth.tar").write_bytes(b"not a checkpoint")
    result = radseg("segment", photo, "-p", "red", "-m", "weights.pth.tar")
    assert result.exit_code == 3
    assert "weights.pth.tar" in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_without_images_says_so(toy: Command) -> None:
    Path("empty").mkdir()
    result = toy("empty", "-p", "red")
    assert (result.exit_code, "No image in empty" in result.stderr) == (2, True)


def test_two_thousand_prompts_work(toy: Command, photo: Path) -> None:
    names = "\n".join(f"red {number}" for number in range(2000))
    Path("names.txt").write_text(f"blue\n{names}\n")
    result = toy(photo, "--classes", "names.txt", "-o", "out", "--save", "labels")
    assert result.exit_code == 0
    assert read_label_map("out/masks/photo.png").dtype == np.uint16


def test_right_to_left_names_and_odd_file_names_work(toy: Command) -> None:
    name = "za\x1b[31mż.png"
    paint(Path(name))
    result = toy(name, "-p", "red שמיים, blue", "-o", "out")
    assert result.exit_code == 0
    assert "\x1b[31m" not in result.output
    assert Path("out/masks", name).is_file()


def test_without_weights_the_miniature_answers_and_says_so(radseg: Command, photo: Path) -> None:
    result = radseg("segment", photo, "-p", "red ball, wall", "-o", "out")
    assert result.exit_code == 0
    assert "embedded miniature model: knows small rooms, not photos" in result.stderr
    assert "-m radseg-b" in result.stderr
    assert '"miniature"' in Path("out/manifest.jsonl").read_text()


def test_weights_that_are_here_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "is_cached", lambda row: row.name == "c-radio_v3-h")
    assert default_model() == "radseg-h"
    monkeypatch.setattr(installed, "is_cached", lambda row: row.name.startswith("c-radio_v3-"))
    assert default_model() == "radseg-b"
