"""Every exchange format against the libraries that read it: 200 random results, compared pixel by pixel.

    python -m benchmarks.formats make FOLDER     # needs radseg
    python benchmarks/formats.py check FOLDER    # needs numpy, Pillow and any of the libraries

`check` prints a row for each format and library that is installed, so it runs once in every environment that
has some of them. A row says how many images were found again by name, how many masks are equal, and the worst
overlap (IoU) of any mask of more than 64 pixels.
"""

import contextlib
import importlib
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

NAMES = ("cat, small", 'the "red" one', "it's/that\\this", "Straße & Öl", "дорога", "猫", "كتاب", "1 < 2 > 0")
PLACES = ("", "day 1/", "day 1/night/", "日/", "a,b's/", "Übung/")
MANY = 300
SETS = {"few": (NAMES, 160), "many": (tuple(f"class {number}" for number in range(MANY)), 40)}
Masks = dict[str, list[tuple[str, np.ndarray]]]
"""By the name of an image without ending: class and mask of every part."""


def random_labels(rng: np.random.Generator, kind: int, classes: int) -> np.ndarray:
    """Return a label map: smooth regions, holes and speckles, noise, single pixels, or nothing."""
    height, width = (int(side) for side in rng.integers(24, 120, 2))
    if kind == 2:
        height = width = 24
    labels = np.zeros((height, width), np.uint16)
    if kind == 0:
        return labels
    if kind == 1:
        labels[rng.integers(height), rng.integers(width)] = classes
        return labels
    if kind == 2:
        return (rng.random(labels.shape) < 0.2).astype(np.uint16) * rng.integers(1, 4, labels.shape)
    rows, columns = np.mgrid[:height, :width]
    for _ in range(int(rng.integers(2, 9))):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        a, b = rng.uniform(2, height / 2), rng.uniform(2, width / 2)
        labels[((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 < 1] = rng.integers(0, classes + 1)
    return labels


def make(folder: Path) -> None:
    """Write runs, the truth, and an export of each to every format."""
    from radseg.io import label_dtype, label_png_bytes  # noqa: PLC0415
    from radseg.io.formats.catalog import FORMATS  # noqa: PLC0415
    from radseg.jobs.manifest import ManifestWriter, Record  # noqa: PLC0415
    from radseg.jobs.plan import deciding  # noqa: PLC0415
    from radseg.runs.exporting import ExportRequest, export_run, parts_of  # noqa: PLC0415
    from radseg.runs.outputs import place_of, write_classes  # noqa: PLC0415

    rng = np.random.default_rng(17)
    for title, (names, count) in SETS.items():
        run, images = folder / title / "run", folder / title / "photos"
        run.mkdir(parents=True)
        write_classes(run, names, {}, {})
        with ManifestWriter(run / "manifest.jsonl", {}, None) as manifest:
            for number in range(count):
                name = f"{PLACES[number % len(PLACES)]}photo {number // 6}"
                source, place = f"{name}.png", place_of("labels", name)
                labels = random_labels(rng, number % 10, len(names)).astype(label_dtype(len(names)))
                for path in (run / place, images / name, folder / title / "truth" / name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                (run / place).write_bytes(label_png_bytes(labels, names))
                pixels = rng.integers(0, 255, (*labels.shape, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(images / source)
                size = (images / source).stat().st_size
                manifest.add(Record(source, name, size, 0, "done", (place,), 0.0, deciding({})))
                parts = parts_of(labels, names)
                masks = np.array([part.mask for part in parts], bool).reshape(-1, *labels.shape)
                classes = np.array([part.name for part in parts], str)
                np.savez_compressed(folder / title / "truth" / f"{name}.npz", masks=masks, classes=classes)
        for form in FORMATS:
            export_run(ExportRequest(run, form, folder / title / form, images))


def read_truth(folder: Path) -> Masks:
    """Return what was exported."""
    found: Masks = {}
    for path in (folder / "truth").rglob("*.npz"):
        file = np.load(path)
        key = path.relative_to(folder / "truth").as_posix().removesuffix(".npz")
        found[key] = list(zip(file["classes"].tolist(), file["masks"], strict=True))
    return found


def by_pycocotools(folder: Path, path: str) -> Masks:
    """Read COCO's JSON."""
    from pycocotools.coco import COCO  # noqa: PLC0415

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / path))
    found: Masks = {}
    for image in coco.dataset["images"]:
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        found[image["file_name"].removesuffix(".png")] = [
            (coco.cats[one["category_id"]]["name"], coco.annToMask(one).astype(bool)) for one in annotations
        ]
    return found


def _of_supervision(dataset: Any, images: Path) -> Masks:
    found: Masks = {}
    for path, _, detections in dataset:
        key = Path(path).relative_to(images).as_posix().removesuffix(".png")
        classes = [dataset.classes[number] for number in detections.class_id]
        masks = [] if detections.mask is None else detections.mask
        found[key] = list(zip(classes, masks, strict=True))
    return found


def by_supervision_coco(folder: Path, path: str) -> Masks:
    """Read COCO's JSON beside its images."""
    import supervision  # noqa: PLC0415

    images = folder if path.startswith("_") else folder / "images"
    dataset = supervision.DetectionDataset.from_coco(str(images), str(folder / path), force_masks=True)
    return _of_supervision(dataset, images)


def by_supervision_yolo(folder: Path, subfolder: str) -> Masks:
    """Read YOLO's text files; supervision takes one folder of images at a time."""
    import supervision  # noqa: PLC0415

    found: Masks = {}
    places = {path.parent for path in (folder / "images").rglob("*.png")}
    for place in places:
        below = place.relative_to(folder / "images")
        dataset = supervision.DetectionDataset.from_yolo(
            str(place), str(folder / subfolder / below), str(folder / "data.yaml"), force_masks=True
        )
        found |= _of_supervision(dataset, folder / "images")
    return found


def by_ultralytics(folder: Path, subfolder: str) -> Masks:
    """Verify and fill YOLO's polygons as Ultralytics does before training."""
    import yaml  # noqa: PLC0415
    from ultralytics.data.utils import img2label_paths, polygon2mask, verify_image_label  # noqa: PLC0415

    names = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    found: Masks = {}
    for path in sorted((folder / "images").rglob("*.png")):
        (label,) = img2label_paths([str(path)])
        assert Path(label).is_relative_to(folder / subfolder)
        result = verify_image_label((str(path), label, "", False, len(names), 0, 0, False))
        assert result[0] is not None, result[-1]
        _, labels, (height, width), segments = result[:4]
        found[path.relative_to(folder / "images").as_posix().removesuffix(".png")] = [
            (
                names[int(number)],
                polygon2mask((height, width), [segment * (width, height)], 1, 1).astype(bool),
            )
            for number, segment in zip(labels[:, 0], segments, strict=True)
        ]
    return found


def by_datumaro(folder: Path, form: str) -> Masks:
    """Import the folder; classes without a name are the pixels without a class."""
    from datumaro import AnnotationType, Dataset  # noqa: PLC0415

    dataset = Dataset.import_from(str(folder), form)
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    found: Masks = {}
    for item in dataset:
        masks = [one for one in item.annotations if one.type == AnnotationType.mask]
        found[item.id] = [
            (names[one.label], np.asarray(one.image, bool))
            for one in masks
            if names[one.label] not in ("background", "unlabeled") and np.any(one.image)
        ]
    return found


def by_cvat_sdk(folder: Path, path: str) -> Masks:
    """Decode the masks of the XML by the SDK, which has no reader of files: CVAT's server has it."""
    from cvat_sdk.masks import decode_mask  # noqa: PLC0415

    found: Masks = {}
    for image in ElementTree.parse(folder / path).iterfind("image"):
        width, height = int(image.attrib["width"]), int(image.attrib["height"])
        parts = found.setdefault(image.attrib["name"].removesuffix(".png"), [])
        for mask in image.iterfind("mask"):
            left, top, w, h = (int(mask.attrib[key]) for key in ("left", "top", "width", "height"))
            points = [*map(int, mask.attrib["rle"].split(",")), left, top, left + w - 1, top + h - 1]
            decoded = decode_mask(points, image_width=width, image_height=height)
            parts.append((mask.attrib["label"], decoded))
    return found


def by_label_studio_sdk(folder: Path, path: str) -> Masks:
    """Check tasks against the interface and decode the brush masks."""
    from urllib.parse import unquote  # noqa: PLC0415

    from label_studio_sdk.converter.brush import decode_rle  # noqa: PLC0415
    from label_studio_sdk.label_interface import LabelInterface  # noqa: PLC0415

    interface = LabelInterface((folder / "interface.xml").read_text())
    found: Masks = {}
    for task in json.loads((folder / path).read_text()):
        name = unquote(task["data"]["image"].split("?d=")[1]).removesuffix(".png")
        (prediction,) = task["predictions"]
        assert interface.validate_prediction(prediction), name
        found[name] = [
            (
                one["value"]["brushlabels"][0],
                decode_rle(one["value"]["rle"]).reshape(one["original_height"], one["original_width"], 4)[
                    ..., 3
                ]
                > 0,
            )
            for one in prediction["result"]
        ]
    return found


def by_fiftyone(folder: Path, path: str) -> Masks:
    """Read by the importer alone: FiftyOne's database is not needed for that."""
    from fiftyone.utils.coco import COCODetectionDatasetImporter  # noqa: PLC0415

    importer = COCODetectionDatasetImporter(
        dataset_dir=str(folder), labels_path=path, label_types="segmentations", include_annotation_id=False
    )
    found: Masks = {}
    with importer:
        for place, metadata, labels in importer:
            key = Path(place).relative_to(folder / "data").as_posix().removesuffix(".png")
            parts = found.setdefault(key, [])
            for one in () if labels is None else labels.detections:
                whole = np.zeros((metadata.height, metadata.width), bool)
                left, top = (
                    round(side * of)
                    for side, of in zip(one.bounding_box, (metadata.width, metadata.height), strict=False)
                )
                height, width = one.mask.shape
                whole[top : top + height, left : left + width] = one.mask
                parts.append((one.label, whole))
    return found


def by_indices(folder: Path, _: str) -> Masks:
    """Read Cityscapes-like PNGs as numbers, as its users do."""
    names = json.loads((folder / "dataset_meta.json").read_text())["labels"]
    start = folder / "gtFine" / "default"
    found: Masks = {}
    for path in start.rglob("*_labelIds.png"):
        numbers = np.array(Image.open(path))
        key = path.relative_to(start).as_posix().removesuffix("_gtFine_labelIds.png")
        found[key] = [(names[number], numbers == number) for number in np.unique(numbers) if number]
    return found


def merged(masks: Masks) -> Masks:
    """Return one mask a class and image, for formats and readers that know no objects."""
    found: Masks = {}
    for name, parts in masks.items():
        classes: dict[str, np.ndarray] = {}
        for label, mask in parts:
            classes[label] = classes.get(label, False) | mask
        found[name] = list(classes.items())
    return found


CHECKS: tuple[tuple[str, str, Callable[[Path, str], Masks], str, bool], ...] = (
    ("coco", "pycocotools", by_pycocotools, "annotations/instances_default.json", False),
    ("coco", "supervision", by_supervision_coco, "annotations/instances_default.json", False),
    ("coco", "datumaro", by_datumaro, "coco_instances", False),
    ("coco-panoptic", "datumaro", by_datumaro, "coco_panoptic", False),
    ("supervision", "supervision", by_supervision_coco, "_annotations.coco.json", False),
    ("fiftyone", "fiftyone", by_fiftyone, "labels.json", False),
    ("yolo", "ultralytics", by_ultralytics, "labels", True),
    ("yolo", "supervision", by_supervision_yolo, "labels", True),
    ("voc", "datumaro", by_datumaro, "voc_instance_segmentation", False),
    ("cvat-masks", "datumaro", by_datumaro, "voc_instance_segmentation", False),
    ("cvat", "datumaro", by_datumaro, "cvat", False),
    ("cvat", "cvat_sdk", by_cvat_sdk, "annotations.xml", False),
    ("label-studio", "label_studio_sdk", by_label_studio_sdk, "tasks.json", False),
    ("cityscapes", "PIL", by_indices, "", True),
)
"""Format, library, reader, what it reads, and whether masks are compared by class."""
PACKAGES = {"cvat_sdk": "cvat-sdk", "label_studio_sdk": "label-studio-sdk", "PIL": "pillow"}


def compared(truth: Masks, found: Masks) -> tuple[int, int, int, float]:
    """Return images found, masks, equal masks, and the worst IoU of masks of more than 64 pixels."""
    equal = extra = 0
    worst = 1.0
    for name, parts in truth.items():
        left = Counter(map(_key, found.get(name, ())))
        for part in parts:
            if left[_key(part)]:
                left[_key(part)] -= 1
                equal += 1
            elif part[1].sum() > 64:
                worst = min(worst, _best_overlap(part, found.get(name, ())))
        extra += max(0, len(found.get(name, ())) - len(parts))
    total = sum(map(len, truth.values())) + extra  # what was never exported counts as not equal
    return len(set(truth) & set(found)), total, equal, worst


def _key(part: tuple[str, np.ndarray]) -> tuple[str, tuple[int, ...], bytes]:
    return part[0], part[1].shape, np.packbits(part[1]).tobytes()


def _best_overlap(part: tuple[str, np.ndarray], others: Sequence[tuple[str, np.ndarray]]) -> float:
    same = [mask for label, mask in others if label == part[0] and mask.shape == part[1].shape]
    return max((float((part[1] & mask).sum() / (part[1] | mask).sum()) for mask in same), default=0.0)


def rows(folder: Path) -> Iterator[str]:
    """Yield a row of the table for each format, library and set of classes."""
    for title in SETS:
        truth = read_truth(folder / title)
        for form, library, reader, what, by_class in CHECKS:
            try:
                importlib.import_module(library)
            except ImportError:
                continue
            package = PACKAGES.get(library, library)
            start = f"| {form} | {package} {version(package)} | {len(SETS[title][0])} |"
            try:
                found = reader((folder / title / form).resolve(), what)
            except Exception as error:
                yield f"{start} – | – | {type(error).__name__}: {error} |"
                continue
            pair = (merged(truth), merged(found)) if by_class else (truth, found)
            images, masks, equal, worst = compared(*pair)
            yield f"{start} {images} of {len(truth)} | {equal} of {masks} | {worst:.4f} |"


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        print("| format | library | classes | images | equal masks | worst IoU |")
        for line in rows(Path(sys.argv[2])):
            print(line, flush=True)
