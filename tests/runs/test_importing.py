"""Data sets of other tools as labelled images: what is read, and what a foreign file cannot do."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as codec

from radseg.datasets.foreign.coco import decompressed
from radseg.errors import InputError, MissingFileError, RadsegError
from radseg.io import read_label_map
from radseg.runs.importing import ImportReport, ImportRequest, import_set

HEIGHT, WIDTH = 12, 16
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
BOX = [2, 3, 10, 3, 10, 9, 2, 9]
"""A polygon of 8 × 6 pixels from column 2 and row 3."""


def photo(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


def coco(folder: Path, *annotations: Any, name: str = "a.png", **more: Any) -> Path:
    photo(folder / "images/a.png")
    content = {
        "categories": [{"id": 7, "name": "cat"}, {"id": 3, "name": "dog, small"}],
        "images": [{"id": 1, "file_name": name, "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 7, **one} for n, one in enumerate(annotations)
        ],
        **more,
    }
    (folder / "annotations").mkdir()
    (folder / "annotations/instances_val.json").write_text(json.dumps(content))
    return folder


def imported(form: str, source: Path, **more: Any) -> ImportReport:
    return import_set(ImportRequest(source, form, source.parent / "out", **more))


def labels_in(source: Path, name: str = "a") -> np.ndarray:
    return read_label_map(source.parent / f"out/annotations/{name}.png")


def box_of(value: int) -> np.ndarray:
    expected = np.full((HEIGHT, WIDTH), 255, np.uint8)
    expected[3:9, 2:10] = value
    return expected


def rle(compressed: bool) -> dict[str, Any]:
    runs = codec.frPyObjects([BOX], HEIGHT, WIDTH)[0]
    if compressed:
        return {"size": [HEIGHT, WIDTH], "counts": runs["counts"].decode()}
    flat = codec.decode(runs).T.ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff(edges, prepend=0, append=flat.size).tolist()}


@pytest.mark.parametrize("segmentation", [[BOX], rle(True), rle(False)], ids=["polygon", "rle", "runs"])
def test_cocos_masks_become_labels_in_the_order_of_the_ids(segmentation: Any, tmp_path: Path) -> None:
    source = coco(tmp_path / "set", {"segmentation": segmentation})
    assert imported("coco", source).names == ("dog, small", "cat")
    assert np.array_equal(labels_in(source), box_of(1))


def test_the_smaller_of_two_masks_lies_on_top(tmp_path: Path) -> None:
    whole = [0, 0, WIDTH, 0, WIDTH, HEIGHT, 0, HEIGHT]
    source = coco(tmp_path / "set", {"segmentation": [BOX]}, {"segmentation": [whole], "category_id": 3})
    imported("coco", source)
    assert np.array_equal(labels_in(source), np.where(box_of(1) == 1, 1, 0))


def test_compressed_runs_are_decoded_as_pycocotools_does() -> None:
    rng = np.random.default_rng(3)
    for shape in ((1, 1), (7, 300), (120, 90)):
        mask = np.asfortranarray((rng.random(shape) < 0.3).astype(np.uint8))
        counts = decompressed(codec.encode(mask)["counts"].decode())
        assert np.array_equal(np.repeat(np.arange(len(counts)) % 2, counts), mask.T.ravel())


def test_boxes_without_masks_are_counted(tmp_path: Path) -> None:
    source = coco(tmp_path / "set", {"segmentation": [BOX]}, {"bbox": [0, 0, 3, 3]})
    assert imported("coco", source).left_out == {"box": 1}


def test_a_path_of_another_machine_is_found_by_its_last_part(tmp_path: Path) -> None:
    for number, name in enumerate(("/data/job 4/a.png", "..\\up\\a.png", "../../a.png")):
        source = coco(tmp_path / f"{number}/set", {"segmentation": [BOX]}, name=name)
        assert imported("coco", source).images == 1
        assert np.array_equal(labels_in(source), box_of(1))


HUGE = {"size": [HEIGHT, WIDTH], "counts": [10**15]}
BROKEN: dict[str, Any] = {
    "run lengths beyond the image": HUGE,
    "negative run lengths": {"size": [HEIGHT, WIDTH], "counts": [-5, HEIGHT * WIDTH + 5]},
    "run lengths of another size": {"size": [WIDTH, HEIGHT], "counts": [HEIGHT * WIDTH]},
    "run lengths of text": {"size": [HEIGHT, WIDTH], "counts": ["a"]},
    "letters that are none": {"size": [HEIGHT, WIDTH], "counts": "\u00ff\u0000"},
    "a number without end": {"size": [HEIGHT, WIDTH], "counts": "o" * 10_000},
    "a corner at infinity": [[0, 0, 1e300, 0, 5, 5]],
    "a corner far away": [[0, 0, 10**9, 0, 5, 5]],
    "two corners": [[0, 0, 5, 5]],
    "no number": [[0, 0, "x", 0, 5, 5]],
    "a number": 5,
    "nothing in a list": [[]],
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_mask_costs_its_image_and_no_more(what: str, tmp_path: Path) -> None:
    source = coco(tmp_path / "set", {"segmentation": [BOX]}, {"segmentation": BROKEN[what]})
    with pytest.raises(InputError, match="a.png holds"):
        imported("coco", source)
    assert not (tmp_path / "out").exists()


def test_the_other_images_are_imported(tmp_path: Path) -> None:
    entries = [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in (1, 2, 3)]
    for n in (1, 2):
        photo(tmp_path / f"set/images/{n}.png")
    source = coco(tmp_path / "set", {"segmentation": HUGE}, images=entries)
    report = imported("coco", source)
    assert report.images == 1
    assert set(report.failed) == {"1.png", "3.png"}
    assert "--images" in report.failed["3.png"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[]", "no JSON of COCO"),
        ('{"categories": [], "images": [], "annotations": []}', "0 classes"),
        ('{"categories": [{"id": 1, "name": 5}], "images": [], "annotations": []}', "a name is text"),
        (
            '{"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "images": []}',
            "more than once",
        ),
        ('{"categories": [{"id": 1, "name": "a"}], "images": [], "annotations": []}', "names no image"),
        ('{"categories": [{"id": 1, "name": "a\\u0000"}], "images": [], "annotations": []}', "U.0000"),
        ('{"categories": [{"id": 1e999, "name": "a"}], "images": [], "annotations": []}', "no JSON of COCO"),
    ],
)
def test_a_document_that_is_none_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(RadsegError, match=message):
        imported("coco", tmp_path / "a.json")


def test_links_among_the_images_are_not_followed(tmp_path: Path) -> None:
    photo(tmp_path / "secret.png")
    source = coco(tmp_path / "set", {"segmentation": [BOX]}, name="b.png")
    (source / "images/b.png").symlink_to("../../secret.png")
    with pytest.raises(InputError, match="is a link"):
        imported("coco", source)


def test_a_document_that_hangs_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(RadsegError, match="a.json"):
        imported("coco", tmp_path / "a.json")


def test_several_documents_are_listed(tmp_path: Path) -> None:
    source = coco(tmp_path / "set", {"segmentation": [BOX]})
    (source / "annotations/instances_train.json").write_text("{}")
    with pytest.raises(InputError, match="instances_train.json, annotations/instances_val.json"):
        imported("coco", source)


CVAT = """<?xml version="1.0"?>{doctype}
<annotations><meta><task><labels><label><name>cat</name></label><label><name>dog</name></label></labels></task>
</meta><image id="0" name="a.png" width="16" height="12">{shapes}</image></annotations>"""
POLYGON = '<polygon label="dog" points="2.0,3.0;10.0,3.0;10.0,9.0;2.0,9.0" z_order="{z}"/>'
PIXEL = '<mask label="cat" rle="0, 1" left="4" top="5" width="1" height="1" z_order="{z}"/>'


def cvat(folder: Path, shapes: str, doctype: str = "") -> Path:
    photo(folder / "images/a.png")
    (folder / "annotations.xml").write_text(CVAT.format(shapes=shapes, doctype=doctype))
    return folder


def test_cvats_upper_shape_counts(tmp_path: Path) -> None:
    shapes = PIXEL.format(z=1) + POLYGON.format(z=0) + '<box label="cat" xtl="0" ytl="0" xbr="1" ybr="1"/>'
    source = cvat(tmp_path / "set", shapes)
    assert imported("cvat", source).left_out == {"box": 1}
    expected = box_of(1)
    expected[5, 4] = 0
    assert np.array_equal(labels_in(source), expected)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (PIXEL.format(z=0).replace('left="4"', 'left="16"'), "beyond the image"),
        (PIXEL.format(z=0).replace('width="1"', 'width="99999999999"'), "beyond the image"),
        (PIXEL.format(z=0).replace("0, 1", "0, 99999999999"), "run lengths"),
        (PIXEL.format(z=0).replace("cat", "cow"), "does not name"),
        (POLYGON.format(z=0).replace("2.0,3.0;", "nan,3.0;"), "far outside"),
    ],
)
def test_cvats_broken_shapes_are_named(shapes: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        imported("cvat", cvat(tmp_path / "set", shapes))


def test_entities_are_refused(tmp_path: Path) -> None:
    grown = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with pytest.raises(InputError, match="document type declaration"):
        imported("cvat", cvat(tmp_path / "set", POLYGON.format(z=0), grown))


def yolo(folder: Path, lines: str, names: str = "names: {0: cat, 1: dog}") -> Path:
    photo(folder / "train/images/a.png")
    (folder / "train/labels").mkdir()
    (folder / "train/labels/a.txt").write_text(lines)
    (folder / "data.yaml").write_text(names)
    return folder


def test_yolos_polygons_are_filled_with_their_outline(tmp_path: Path) -> None:
    corners = [number / (WIDTH, HEIGHT)[place % 2] for place, number in enumerate([2, 3, 9, 3, 9, 8, 2, 8])]
    source = yolo(
        tmp_path / "set", f"1 {' '.join(f'{number + 1e-6:.6f}' for number in corners)}\n0 .5 .5 .1 .1\n"
    )
    assert imported("yolo", source).left_out == {"box": 1}
    assert np.array_equal(labels_in(source, "train/a"), box_of(1))


@pytest.mark.parametrize("lines", ["9 0 0 1 0 1 1", "x 0 0 1 0 1 1", "0 0 0 1 0 1 1e9", "0 0 0 1 0 1 nan"])
def test_yolos_broken_lines_are_named(lines: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train/a.png holds"):
        imported("yolo", yolo(tmp_path / "set", lines))


@pytest.mark.parametrize(
    "names", ["- a", "names: 5", "names: {1: a}", "names: !!python/object/apply:os.getcwd []", "{a: " * 500]
)
def test_a_data_yaml_without_names_is_named(names: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data.yaml"):
        imported("yolo", yolo(tmp_path / "set", "", names))


def test_voc_without_a_table_has_its_20_classes(tmp_path: Path) -> None:
    photo(tmp_path / "set/JPEGImages/a.jpg")
    values = np.full((HEIGHT, WIDTH), 255, np.uint8)
    values[0], values[1] = 0, 20
    (tmp_path / "set/SegmentationClass").mkdir()
    Image.fromarray(values).save(tmp_path / "set/SegmentationClass/a.png")
    report = imported("voc", tmp_path / "set")
    assert (len(report.names), report.names[19]) == (20, "tvmonitor")
    assert np.unique(labels_in(tmp_path / "set")).tolist() == [19, 255]


def test_labels_of_another_size_are_named(tmp_path: Path) -> None:
    source = cvat(tmp_path / "set", POLYGON.format(z=0))
    photo(source / "images/a.png", (WIDTH + 1, HEIGHT))
    with pytest.raises(InputError, match="the image has 12×17"):
        imported("cvat", source)


def test_more_than_254_classes_take_16_bits(tmp_path: Path) -> None:
    categories = [{"id": number, "name": f"class {number}"} for number in range(300)]
    source = coco(tmp_path / "set", {"segmentation": [BOX], "category_id": 299}, categories=categories)
    imported("coco", source)
    assert np.unique(labels_in(source)).tolist() == [299, 65535]


def test_unknown_formats_and_absent_sources_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="coco, yolo, cvat, voc"):
        imported("labelme", tmp_path)
    for form in ("coco", "yolo", "cvat", "voc"):
        with pytest.raises(MissingFileError):
            imported(form, tmp_path / "nowhere")
