"""Data sets of other tools: read back by their libraries where these are light, else by their definition.

`benchmarks/formats.py` does the same with every library on 200 results.
"""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import supervision
import yaml
from dataset_cases import NAMES, PLACES, SHAPE, images, label_maps, written
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image
from pycocotools.coco import COCO

from radseg.errors import InputError
from radseg.io.formats.catalog import FORMATS
from radseg.io.formats.colour_maps import voc_colours
from radseg.io.formats.dataset import LabelledImage, distinct_colours
from radseg.io.formats.label_studio import packed
from radseg.io.formats.yolo import polygons
from radseg.objects import object_of
from radseg.runs.exporting import parts_of

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
MANY = tuple(f"class {number}" for number in range(300))
MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))
Found = dict[str, list[tuple[str, bytes]]]


def found_of(parts: list[tuple[str, np.ndarray]]) -> Counter[tuple[str, bytes]]:
    return Counter((name, np.packbits(mask).tobytes()) for name, mask in parts)


def expected() -> dict[str, Counter[tuple[str, bytes]]]:
    return {image.name: found_of([(one.name, one.mask) for one in image.parts]) for image in images()}


def photos(folder: Path) -> None:
    for place in PLACES:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SHAPE[::-1]).save(folder / place)


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ("coco", "annotations/instances_default.json"),
        ("fiftyone", "labels.json"),
        ("supervision", "_annotations.coco.json"),
    ],
)
def test_pycocotools_reads_every_mask_exactly(form: str, path: str, tmp_path: Path) -> None:
    written(form, tmp_path, images())
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / path))
    read = {
        image["file_name"]: found_of(
            [
                (coco.cats[one["category_id"]]["name"], coco.annToMask(one))
                for one in coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
            ]
        )
        for image in coco.dataset["images"]
    }
    assert read == expected()


def test_supervision_reads_classes_in_order_from_0_and_every_mask(tmp_path: Path) -> None:
    written("supervision", tmp_path, images())
    photos(tmp_path)
    dataset = supervision.DetectionDataset.from_coco(
        str(tmp_path), str(tmp_path / "_annotations.coco.json"), force_masks=True
    )
    assert dataset.classes == list(NAMES)
    read = {}
    for path, _, found in dataset:
        masks = [] if found.mask is None else found.mask
        pairs = [(NAMES[index], mask) for index, mask in zip(found.class_id, masks, strict=True)]
        read[Path(path).relative_to(tmp_path).as_posix()] = found_of(pairs)
    assert read == expected()


def test_supervision_fills_yolos_polygons_to_the_same_pixels(tmp_path: Path) -> None:
    """One folder at a time, as supervision reads YOLO; pieces of one class are put together."""
    written("yolo", tmp_path, images())
    photos(tmp_path / "images")
    for place, labels in zip(PLACES, label_maps(), strict=True):
        folder = Path(place).parent
        dataset = supervision.DetectionDataset.from_yolo(
            str(tmp_path / "images" / folder),
            str(tmp_path / "labels" / folder),
            str(tmp_path / "data.yaml"),
            force_masks=True,
        )
        assert dataset.classes == list(NAMES)
        ((_, _, found),) = [one for one in dataset if Path(one[0]).name == Path(place).name]
        painted = np.zeros(SHAPE, np.uint8)
        for index, mask in zip(found.class_id, () if found.mask is None else found.mask, strict=True):
            painted[mask] = index + 1
        assert np.array_equal(painted, labels), place


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_polygons_filled_with_their_outline_are_the_mask(mask: np.ndarray) -> None:
    filled = np.zeros(mask.shape, np.uint8)
    for ring in polygons(mask):
        assert len(ring) >= 3
        cv2.fillPoly(filled, [ring.astype(np.int32)], 1)
    assert np.array_equal(filled, mask)


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_label_studios_stream_unpacks_to_the_mask(mask: np.ndarray) -> None:
    assert np.array_equal(unpacked(packed(mask)).reshape(*mask.shape, 4)[..., 3], mask * np.uint8(255))


def test_a_run_longer_than_a_length_can_say_is_cut() -> None:
    mask = np.zeros((200, 200), bool)
    mask[150:] = True
    assert np.array_equal(unpacked(packed(mask)), np.repeat(mask.ravel(), 4) * np.uint8(255))


def unpacked(content: bytes) -> np.ndarray:
    """The definition: 32 bits of length, 5 of the width of values, 4 × 4 of those of lengths, then runs."""
    bits = "".join(f"{byte:08b}" for byte in content)
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    length, width, sizes = read(32), read(5) + 1, [read(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < length:
        repeated, count = read(1), read(sizes[read(2)]) + 1
        values += [read(width)] * count if repeated else [read(width) for _ in range(count)]
    return np.array(values, np.uint8)


def test_label_studios_tasks_name_images_and_labels_of_the_interface(tmp_path: Path) -> None:
    written("label-studio", tmp_path, images())
    labels = [one.attrib["value"] for one in ElementTree.parse(tmp_path / "interface.xml").iter("Label")]
    assert labels == list(NAMES)
    tasks = json.loads((tmp_path / "tasks.json").read_bytes())
    assert tasks[2]["data"]["image"] == "/data/local-files/?d=a%2Cb%27s/ring.png"
    results = [one for task in tasks for one in task["predictions"][0]["result"]]
    assert {one["value"]["brushlabels"][0] for one in results} == set(NAMES)


def test_cvats_runs_go_along_the_rows_of_their_box(tmp_path: Path) -> None:
    written("cvat", tmp_path, images())
    root = ElementTree.parse(tmp_path / "annotations.xml").getroot()
    assert [one.text for one in root.iterfind("meta/task/labels/label/name")] == list(NAMES)
    read = {}
    for image in root.iterfind("image"):
        parts = []
        for one in image.iterfind("mask"):
            left, top, width, height = (int(one.attrib[key]) for key in ("left", "top", "width", "height"))
            mask = np.zeros(SHAPE, bool)
            counts = [int(count) for count in one.attrib["rle"].split(",")]
            values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
            mask[top : top + height, left : left + width] = values.reshape(height, width)
            parts.append((one.attrib["label"], mask))
        read[image.attrib["name"]] = found_of(parts)
    assert read == expected()


@pytest.mark.parametrize("form", ["voc", "cvat-masks"])
@pytest.mark.parametrize("names", [NAMES, MANY], ids=["few", "many"])
def test_colours_of_class_maps_are_those_of_the_table(
    form: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    written(form, tmp_path, images(names), names)
    lines = [line.split(":") for line in (tmp_path / "labelmap.txt").read_text().splitlines()[1:]]
    assert [line[0] for line in lines] == ["background", *names]
    colours = [tuple(map(int, line[1].split(","))) for line in lines]
    assert len(set(colours)) == len(names) + 1
    for place, labels in zip(PLACES, label_maps(), strict=True):
        path = (tmp_path / "SegmentationClass" / place).with_suffix(".png")
        shown = np.array(Image.open(path).convert("RGB"))
        assert np.array_equal(shown, np.array(colours, np.uint8)[labels]), place
    listed = (tmp_path / "ImageSets/Segmentation/default.txt").read_text().splitlines()
    assert listed == [place.removesuffix(".png") for place in PLACES]


def test_the_numbers_of_vocs_class_map_are_classes(tmp_path: Path) -> None:
    written("voc", tmp_path, images())
    path = tmp_path / "SegmentationClass/a,b's/ring.png"
    assert np.array_equal(np.array(Image.open(path)), label_maps()[2])


def test_vocs_object_map_has_the_largest_of_too_many_objects(tmp_path: Path) -> None:
    labels = np.zeros((41, 41), np.uint8)
    labels[::2, ::2] = 1  # 441 single pixels
    labels[20:22, 20:22] = 1
    image = LabelledImage("a.png", labels.shape, parts_of(labels, ["dot"]))
    written("voc", tmp_path, [image], ["dot"])
    numbers = np.array(Image.open(tmp_path / "SegmentationObject/a.png"))
    assert len(np.unique(numbers)) == 255
    assert numbers[20, 20] > 0
    assert (np.array(Image.open(tmp_path / "SegmentationClass/a.png")) == labels).all()
    assert len(list(ElementTree.parse(tmp_path / "Annotations/a.xml").iter("object"))) == len(image.parts)


def test_vocs_boxes_count_pixels_from_1_and_include_the_last(tmp_path: Path) -> None:
    written("voc", tmp_path, images())
    (box,) = ElementTree.parse(tmp_path / "Annotations/день 1/pixel.xml").iter("bndbox")
    assert {one.tag: one.text for one in box} == {"xmin": "30", "ymin": "20", "xmax": "30", "ymax": "20"}


def test_vocs_colours_are_the_published_ones() -> None:
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert [tuple(colour) for colour in voc_colours(4).tolist()] == first
    assert tuple(voc_colours(255)[255].tolist()) == (224, 224, 192)


def test_a_class_that_a_label_map_cannot_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'a:b'"):
        written("voc", tmp_path, images(("a:b", *NAMES[1:])), ("a:b", *NAMES[1:]))


def test_panoptic_colours_are_the_ids_of_the_segments(tmp_path: Path) -> None:
    written("coco-panoptic", tmp_path, images())
    content = json.loads((tmp_path / "annotations/panoptic_default.json").read_bytes())
    for one, image, labels in zip(content["annotations"], images(), label_maps(), strict=True):
        colours = np.array(Image.open(tmp_path / "annotations/panoptic_default" / one["file_name"]))
        ids = colours.astype(int) @ (1, 256, 65536)
        classes = {segment["id"]: segment["category_id"] for segment in one["segments_info"]} | {0: 0}
        assert np.array_equal(np.vectorize(classes.get)(ids), labels), image.name
        assert [segment["area"] for segment in one["segments_info"]] == [part.area for part in image.parts]


def test_a_category_with_a_part_of_stuff_is_no_thing(tmp_path: Path) -> None:
    names = ("sky", "car")
    parts = parts_of(np.array([[1, 2]], np.uint8), names)
    written("coco-panoptic", tmp_path, [LabelledImage("a.png", (1, 2), parts)], names)
    content = json.loads((tmp_path / "annotations/panoptic_default.json").read_bytes())
    assert {one["name"]: one["isthing"] for one in content["categories"]} == {"sky": 0, "car": 1}


def test_cityscapes_numbers_objects_by_class(tmp_path: Path) -> None:
    names = ("car", "sky")
    parts = parts_of(np.array([[1, 0, 1, 2, 0, 2]], np.uint8), names)
    written("cityscapes", tmp_path, [LabelledImage("a.png", (1, 6), parts)], names)
    start = tmp_path / "gtFine/default/a_gtFine"
    assert np.array(Image.open(f"{start}_labelIds.png")).tolist() == [[1, 0, 1, 2, 0, 2]]
    assert np.array(Image.open(f"{start}_instanceIds.png")).tolist() == [[1000, 0, 1001, 2, 0, 2]]
    assert json.loads((tmp_path / "dataset_meta.json").read_bytes())["labels"] == ["unlabeled", *names]


def test_what_cityscapes_numbers_cannot_hold_is_the_class_alone(tmp_path: Path) -> None:
    part = object_of(np.ones((1, 1), bool), name=MANY[299], label=300, score=0.0)
    written("cityscapes", tmp_path, [LabelledImage("a.png", (1, 1), [part])], MANY)
    start = tmp_path / "gtFine/default/a_gtFine"
    assert np.array(Image.open(f"{start}_instanceIds.png")).tolist() == [[300]]
    assert np.array(Image.open(f"{start}_labelIds.png")).tolist() == [[300]]


def test_yolos_data_names_every_class_as_it_is(tmp_path: Path) -> None:
    names = (*NAMES, "no", "1", "~", "a: b", "#c")
    written("yolo", tmp_path, [], names)
    content = yaml.safe_load((tmp_path / "data.yaml").read_bytes())
    assert content["names"] == dict(enumerate(names))


def test_the_colours_of_many_classes_differ_and_background_is_black() -> None:
    colours = distinct_colours(("Background", *MANY))
    assert colours[0] == (0, 0, 0)
    assert len(set(colours)) == len(colours) == 301


@pytest.mark.parametrize("form", FORMATS)
def test_an_image_is_let_go_before_the_next_is_taken(form: str, tmp_path: Path) -> None:
    """Memory does not grow with the images: only numbers of them are alive at any time."""
    alive: Counter[str] = Counter()

    class Watched(LabelledImage):
        def __del__(self) -> None:
            alive["now"] -= 1

    def some() -> Iterator[LabelledImage]:
        for number in range(5):
            alive["now"] += 1
            alive["most"] = max(alive["most"], alive["now"])
            yield Watched(f"{number}.png", SHAPE, parts_of(label_maps()[2], NAMES))

    for path, pieces in FORMATS[form].write(some(), NAMES):
        assert path
        assert all(isinstance(piece, bytes) for piece in pieces)
    assert alive["most"] <= 2
