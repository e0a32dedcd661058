"""`radseg export`, `--save` with formats, and `radseg import`: from photos to another tool and back."""

import json
from pathlib import Path

import numpy as np
import pytest
import supervision
from cli_builders import Command, paint
from PIL import Image

from radseg.io import label_png_bytes, read_label_map
from radseg.io.formats.catalog import FORMATS
from radseg.jobs.manifest import ManifestWriter, Record
from radseg.jobs.plan import deciding
from radseg.runs.outputs import place_of, write_classes

PROMPTS = ("-p", "red, blue")
HALVES = np.repeat(np.array([[1, 2]], np.uint8), 48, axis=1).repeat(64, axis=0)


@pytest.fixture
def run(photos: Path) -> Path:
    """A run that stored the labels of a.jpg, b.png and deep/a.jpg: left the first class, right the second."""
    return stored(photos, "red", "blue")


def stored(photos: Path, *names: str, labels: np.ndarray = HALVES) -> Path:
    """Return a folder as `radseg segment` leaves it, made without a model: every photo has these labels."""
    folder = Path("out")
    folder.mkdir()
    write_classes(folder, names, {}, {})
    with ManifestWriter(folder / "manifest.jsonl", {}, None) as manifest:
        for photo in sorted(path for path in photos.rglob("*.*g") if path.is_file()):
            source = photo.relative_to(photos)
            name = source.with_suffix("").as_posix()
            place = place_of("labels", name)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(label_png_bytes(labels, names))
            size = photo.stat().st_size
            manifest.add(Record(source.as_posix(), name, size, 0, "done", (place,), 0.0, deciding({})))
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_export_with_images_is_a_whole_data_set(radseg: Command, run: Path, photos: Path) -> None:
    result = radseg("export", run, "--to", "yolo", "--images", photos, "-o", "set")
    assert result.exit_code == 0, result.output
    assert "3 images, 6 masks of 2 classes → set" in result.stdout
    stems = ["a", "b", "deep/a"]
    images = ["images/a.jpg", "images/b.png", "images/deep/a.jpg"]
    assert files(Path("set")) == sorted(
        [".radseg-dataset", "data.yaml", *images, *(f"labels/{stem}.txt" for stem in stems)]
    )
    assert Path("set/images/b.png").read_bytes() == (photos / "b.png").read_bytes()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written_from_a_run(form: str, radseg: Command, run: Path) -> None:
    result = radseg("export", run, "--to", form, "-o", "sets/one")
    assert result.exit_code == 0, result.output
    assert len(files(Path("sets/one"))) > 1
    assert files(Path("sets"))[0].startswith("one/")


def test_57_files_in_folders_are_found_again_by_supervision(radseg: Command) -> None:
    """The case of the report: 9 of 54 were, because the folders were lost, and names come again in them."""
    for number in range(57):
        paint(Path(f"photos/day {number % 6}/{'night/' * (number % 2)}{number // 6}.png"))
    radseg("export", stored(Path("photos"), "red", "blue"), "--to", "supervision", "-o", "set")
    dataset = supervision.DetectionDataset.from_coco("photos", "set/_annotations.coco.json", force_masks=True)
    photos = Path("photos").resolve()
    found = {Path(path).resolve().relative_to(photos).as_posix(): one for path, _, one in dataset}
    assert set(found) == set(files(Path("photos")))
    assert len(found) == 57
    assert all(
        [dataset.classes[index] for index in one.class_id] == ["red", "blue"] for one in found.values()
    )


def test_an_export_keeps_the_objects_and_scores_of_a_run(toy: Command, radseg: Command, photo: Path) -> None:
    toy(photo, *PROMPTS, "-o", "out", "--objects", "--stuff", "blue")
    assert radseg("export", "out", "--to", "coco", "-o", "set").exit_code == 0
    annotations = json.loads(Path("set/annotations/instances_default.json").read_bytes())["annotations"]
    objects = json.loads(Path("out/objects/photo.json").read_bytes())["objects"]
    assert [(one["segmentation"], one["score"]) for one in annotations] == [
        (one["segmentation"], one["score"]) for one in objects
    ]


def test_small_masks_are_left_out_where_that_is_wanted(radseg: Command, run: Path) -> None:
    labels = np.zeros((64, 96), np.uint8)
    labels[:32] = 1
    labels[40, :5] = 1
    labels[50:, 50:] = 2
    Image.fromarray(labels).save(run / "masks/b.png")
    whole = radseg("export", run, "--to", "coco", "-o", "whole")
    assert "7 masks" in whole.stdout
    assert "1 masks have fewer than 100 pixels; --min-area 100 leaves them out." in whole.stdout
    assert "6 masks" in radseg("export", run, "--to", "coco", "-o", "less", "--min-area", "6").stdout


def test_speckles_of_stuff_are_left_out_too(radseg: Command) -> None:
    paint(Path("photos/a.png"))
    labels = np.zeros((64, 96), np.uint8)
    labels[:32] = labels[40, 3] = 1
    run = stored(Path("photos"), "red wall", "blue", labels=labels)
    radseg("export", run, "--to", "coco", "-o", "set", "--min-area", "2")
    (wall,) = json.loads(Path("set/annotations/instances_default.json").read_bytes())["annotations"]
    assert wall["area"] == 32 * 96


def test_images_that_would_share_a_label_file_are_told_before_the_run(toy: Command) -> None:
    for ending in ("png", "jpg"):
        paint(Path(f"photos/a.{ending}"))
    result = toy("photos", *PROMPTS, "-o", "out", "--save", "yolo")
    assert result.exit_code == 2
    assert "the same name in the data set: a.jpg, a.png" in result.output
    assert not Path("out/manifest.jsonl").exists()


def test_copied_images_that_would_share_a_label_file_get_other_names(toy: Command, radseg: Command) -> None:
    for ending in ("png", "jpg"):
        paint(Path(f"photos/a.{ending}"))
    toy("photos", *PROMPTS, "-o", "out", "--save", "labels")
    assert radseg("export", "out", "--to", "yolo", "-o", "set", "--images", "photos").exit_code == 0
    assert [name for name in files(Path("set")) if "/" in name] == [
        "images/a.jpg.jpg", "images/a.png.png", "labels/a.jpg.txt", "labels/a.png.txt",
    ]  # fmt: skip


def test_files_named_one_by_one_are_found_below_their_folder(toy: Command, radseg: Command) -> None:
    places = [paint(Path(f"photos/{day}/{name}")) for day in "ab" for name in ("1.png", f"{day}.png")]
    toy(*places, *PROMPTS, "-o", "out")
    assert radseg("export", "out", "--to", "coco", "-o", "set", "--images", "photos").exit_code == 0
    assert len(files(Path("set/images"))) == 4


def test_a_format_with_the_run_is_made_again_when_the_run_goes_on(toy: Command, photos: Path) -> None:
    save = (*PROMPTS, "-o", "out", "--save", "cvat")
    assert toy(photos, *save).exit_code == 0
    assert 'name="z.png"' not in Path("out/exports/cvat/annotations.xml").read_text()
    paint(photos / "z.png")
    assert toy(photos, *save, "--resume").exit_code == 0
    assert 'name="z.png"' in Path("out/exports/cvat/annotations.xml").read_text()


def test_a_format_of_an_earlier_part_does_not_outlive_it(toy: Command, photos: Path) -> None:
    toy(photos, *PROMPTS, "-o", "out", "--save", "labels,cvat")
    paint(photos / "z.png")
    toy(photos, *PROMPTS, "-o", "out", "--save", "labels", "--resume")
    assert not Path("out/exports/cvat").exists()


def test_nothing_but_a_data_set_of_radseg_is_replaced(radseg: Command, run: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("all of it")
    for arguments in ((), ("--overwrite",)):
        result = radseg("export", run, "--to", "coco", "-o", "mine", *arguments)
        assert result.exit_code == 2
        assert files(Path("mine")) == ["thesis.txt"]
    assert radseg("export", run, "--to", "coco", "-o", "set").exit_code == 0
    assert "--overwrite" in radseg("export", run, "--to", "cvat", "-o", "set").output
    assert radseg("export", run, "--to", "cvat", "-o", "set", "--overwrite").exit_code == 0
    assert files(Path("set")) == [".radseg-dataset", "annotations.xml"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("out", "--to", "yollo"), "did you mean yolo?"),
        (("photos", "--to", "coco"), "holds no run"),
        (("nowhere", "--to", "coco"), "There is no folder nowhere"),
        (("out", "--to", "coco", "--images", "out"), "3 of 3 images are not below out"),
    ],
)
def test_wrong_use_of_export_says_what_is_right(
    arguments: tuple[str, ...], message: str, radseg: Command, run: Path
) -> None:
    result = radseg("export", *arguments, "-o", "set")
    assert result.exit_code == 2
    assert message in result.output
    assert not Path("set").exists()


def test_a_failed_export_leaves_nothing_behind(radseg: Command, run: Path) -> None:
    (run / "masks/b.png").write_bytes(b"damaged")
    assert (
        "out/masks/b.png is not a label map" in radseg("export", run, "--to", "coco", "-o", "sets/one").output
    )
    assert list(Path("sets").iterdir()) == []


def test_a_manifest_cannot_make_an_export_read_elsewhere(radseg: Command, run: Path) -> None:
    text = (run / "manifest.jsonl").read_text()
    (run / "manifest.jsonl").write_text(
        text.replace('"masks/b.png"', '"masks/../b.png"').replace('"b"', '"../b"')
    )
    result = radseg("export", run, "--to", "coco", "-o", "set")
    assert result.exit_code == 2
    assert "would leave" in result.output


@pytest.mark.parametrize("form", ["coco", "yolo", "cvat", "voc"])
def test_what_was_exported_comes_back_for_eval(form: str, radseg: Command, run: Path, photos: Path) -> None:
    radseg("export", run, "--to", form, "--images", photos, "-o", "set")
    result = radseg("import", "set", "--from", form, "-o", "back")
    assert result.exit_code == 0, result.output
    assert json.loads(Path("back/classes.txt").read_text()) == ["red", "blue"]
    for name in ("a", "b", "deep/a"):
        stored, back = (
            read_label_map(run / f"masks/{name}.png"),
            read_label_map(f"back/annotations/{name}.png"),
        )
        assert np.array_equal(np.where(stored == 0, 255, stored - np.uint8(1)), back)
    judged = radseg("eval", "folder", "--data", "back", "-m", "toy")
    assert judged.exit_code == 0, judged.output


def test_uncovered_pixels_may_become_a_class(radseg: Command, run: Path, photos: Path) -> None:
    Image.fromarray(np.pad(np.ones((32, 96), np.uint8), ((0, 32), (0, 0)))).save(run / "masks/b.png")
    radseg("export", run, "--to", "coco", "--images", photos, "-o", "set")
    radseg("import", "set", "--from", "coco", "-o", "back", "--background", "other")
    assert json.loads(Path("back/classes.txt").read_text()) == ["red", "blue", "other"]
    assert np.unique(read_label_map("back/annotations/b.png")).tolist() == [0, 2]
