"""What is stored for each image and for a whole run, and where: each kind has a folder of its own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, get_args

from radseg.errors import InputError, MissingExtraError
from radseg.files import write_bytes
from radseg.jobs.folder import OutputFile
from radseg.jobs.manifest import Record

if TYPE_CHECKING:
    from PIL.Image import Image

    from radseg.result import Segmentation
    from radseg.types import LanguageFeatures

Kind = Literal["labels", "overlay", "legend", "heatmaps", "pca", "npz", "coco", "objects"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CLASSES_NAME = "classes.json"
COCO_NAME = "coco.json"
EXPORTS_NAME = "exports"

_PLACES: Mapping[Kind, tuple[str, str | None]] = {
    "labels": ("masks", ".png"),
    "overlay": ("overlays", ".jpg"),
    "legend": ("legends", None),
    "heatmaps": ("heatmaps", None),
    "pca": ("pca", ".png"),
    "npz": ("npz", ".npz"),
    "coco": ("coco", ".json"),
    "objects": ("objects", ".json"),
}
"""The folder of each kind and how its files end; None where that depends on the result."""
OUTPUT_BYTES: Mapping[Kind, int] = {
    "labels": 3,
    "overlay": 6,
    "legend": 3,
    "heatmaps": 11,
    "pca": 34,
    "npz": 9,
    "coco": 6,
    "objects": 6,
}
"""Bytes a pixel that making each takes beside the result: canvas, working copies, and the file at worst."""
_SLUG_LENGTH = 40  # of a class name inside a file name; its number tells classes apart


@dataclass(frozen=True, eq=False)
class Segmented:
    """One image done.

    Attributes:
        features: its language features where a kind of output needs them, else None.
    """

    result: "Segmentation"
    features: "LanguageFeatures | None" = None


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """Return the kinds in a comma separated list, in the order of `KINDS`.

    Raises:
        InputError: an unknown kind, or none.
    """
    wanted = [part.strip().lower() for part in text.split(",") if part.strip()]
    unknown = [part for part in wanted if part not in KINDS]
    if unknown or not wanted:
        raise InputError(f"--save is {text!r}; it must name some of: {', '.join(KINDS)}.")
    return tuple(kind for kind in KINDS if kind in wanted)


def parse_outputs(text: str) -> tuple[tuple[Kind, ...], tuple[str, ...]]:
    """Return the kinds in a comma separated list, and the exchange formats in it that are made from them.

    Formats are made from labels, so these are stored with them. "coco" is the kind, which knows
    probabilities.

    Raises:
        InputError: an unknown name, or none.
    """
    from radseg.io.formats.catalog import FORMATS  # noqa: PLC0415

    named = [part.strip().lower() for part in text.split(",")]
    formats = tuple(name for name in FORMATS if name in named and name not in KINDS)
    unknown = [name for name in named if name and name not in (*KINDS, *formats)]
    if unknown:
        raise InputError(
            f"--save is {text!r}; it must name some of: {', '.join(KINDS)}; or of the formats "
            f"{', '.join(name for name in FORMATS if name not in KINDS)}."
        )
    kinds = ",".join(name for name in named if name in KINDS)
    return parse_kinds(f"labels,{kinds}" if formats else kinds or text), formats


def require_kinds(kinds: Sequence[Kind]) -> None:
    """Raise MissingExtraError before a long run, not after it, when a kind needs a package that is absent."""
    if "coco" in kinds and find_spec("pycocotools") is None:
        raise MissingExtraError('COCO output needs pycocotools: pip install "radseg[coco]"')


def places_of(kinds: Sequence[Kind]) -> dict[str, str | None]:
    """Return the folder of each kind and how its files end; None where only the result tells."""
    return dict(_PLACES[kind] for kind in kinds)


def place_of(kind: Kind, name: str) -> str:
    """Return where the file of this kind of an image called `name` lies below the run's folder."""
    folder, ending = _PLACES[kind]
    assert ending is not None
    return f"{folder}/{name}{ending}"


def stored(record: Record, kind: Kind) -> str | None:
    """Return the file of this kind that an image got, below the folder of the run; None if it has none."""
    place = place_of(kind, record.name)
    return place if place in record.outputs else None


def heat_ending(index: int, name: str) -> str:
    """Return the ending of a class's heat map, such as ".003-traffic-light.png": safe on any disk."""
    slug = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    slug = "-".join(part for part in slug.split("-") if part)[:_SLUG_LENGTH]
    return f".{index:03}-{slug}.png" if slug else f".{index:03}.png"


def files_of(segmented: Segmented, image: Path, kinds: Sequence[Kind]) -> Iterator[OutputFile]:
    """Yield the files to store for one image, one at a time."""
    from radseg.io import image_bytes  # noqa: PLC0415

    result = segmented.result
    for kind in kinds:
        folder, ending = _PLACES[kind]
        if kind == "heatmaps":
            for index, name in enumerate(result.names, start=1):
                yield OutputFile(folder, heat_ending(index, name), image_bytes(result.heat_map(name)))
        elif kind == "legend":
            if (legend := result.legend()) is not None:
                yield OutputFile(folder, ".png", image_bytes(legend))
        else:
            assert ending is not None
            yield OutputFile(folder, ending, _content(segmented, image, kind))


def _content(segmented: Segmented, image: Path, kind: Kind) -> bytes:
    from radseg.io import image_bytes, label_png_bytes  # noqa: PLC0415
    from radseg.io.formats.classes import json_bytes  # noqa: PLC0415

    result = segmented.result
    match kind:
        case "labels":
            return label_png_bytes(result.labels, result.names)
        case "npz":
            return result.to_npz()
        case "coco":
            return json_bytes(result.to_coco(file_name=image.name))
        case "objects":
            return f"{json.dumps(result.objects_json())}\n".encode()  # one line: runs are long lists
        case "pca":
            return image_bytes(_pca(segmented))
        case _:
            return image_bytes(result.overlay(), ".jpg")


def _pca(segmented: Segmented) -> "Image":
    from PIL import Image  # noqa: PLC0415

    from radseg.types import Size  # noqa: PLC0415
    from radseg.visual import pca_image  # noqa: PLC0415

    assert segmented.features is not None
    height, width = segmented.result.labels.shape
    return Image.fromarray(pca_image(segmented.features.values, Size(height, width)))


def write_classes(
    folder: Path, names: Sequence[str], parameters: Mapping[str, Any], roots: Mapping[str, str]
) -> str:
    """Write what the label values of the whole run mean; return the file's name.

    Args:
        roots: the folders of the images by the marks that records have; empty where no path is to be kept.
    """
    kept = {"roots": dict(roots)} if roots else {}
    _write_json(folder / CLASSES_NAME, {**classes_of(names, parameters), **kept})
    return CLASSES_NAME


def write_coco(folder: Path, records: Sequence[Record]) -> str:
    """Write one COCO file of all images of the run; return its name."""
    _write_json(folder / COCO_NAME, merged_coco(folder, records))
    return COCO_NAME


def classes_of(names: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the values of every label map of the run mean, and the parameters they were made with."""
    from radseg.colours import colours, hex_colour  # noqa: PLC0415
    from radseg.io.formats.classes import CLASSES_FORMAT  # noqa: PLC0415

    return {
        "format": CLASSES_FORMAT,
        "none": 0,
        "ignore": 255 if len(names) <= 254 else 65535,
        "classes": [
            {"id": index, "name": name, "colour": hex_colour(colour)}
            for index, (name, colour) in enumerate(zip(names, colours(names), strict=True), start=1)
        ],
        "run": dict(parameters),
    }


def merged_coco(folder: Path, records: Sequence[Record]) -> dict[str, Any]:
    """Return one COCO data set of all images: the per-image ones with their ids renumbered."""
    merged: dict[str, Any] = {"info": {}, "images": [], "categories": [], "annotations": []}
    for number, record in enumerate(sorted(records, key=lambda record: record.name), start=1):
        one = json.loads((folder / place_of("coco", record.name)).read_bytes())
        merged["info"], merged["categories"] = one["info"], one["categories"]
        below = PurePosixPath(record.name).parent / PurePath(record.source).name  # folders tell images apart
        names = {"file_name": str(below), "label_map": place_of("labels", record.name)}
        merged["images"] += [{**one["images"][0], "id": number, **names}]
        start = len(merged["annotations"]) + 1
        merged["annotations"] += [
            {**annotation, "id": start + index, "image_id": number}
            for index, annotation in enumerate(one["annotations"])
        ]
    return merged


def _write_json(path: Path, value: Any) -> None:
    from radseg.io.formats.classes import json_bytes  # noqa: PLC0415

    write_bytes(path, json_bytes(value))
