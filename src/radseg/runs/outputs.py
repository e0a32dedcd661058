"""What is stored for each image and for a whole run, and where: each kind has a folder of its own."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, get_args

from radseg.errors import InputError, MissingExtraError
from radseg.files import write_bytes
from radseg.jobs.folder import OutputFile
from radseg.jobs.manifest import Record
from radseg.jobs.plan import Place

if TYPE_CHECKING:
    from PIL.Image import Image

    from radseg.result import Segmentation
    from radseg.runs.kept_features import Origin
    from radseg.types import LanguageFeatures

Kind = Literal[
    "labels", "overlay", "legend", "heatmaps", "pca", "npz", "coco", "objects", "features", "features-float32"
]
KINDS: tuple[Kind, ...] = get_args(Kind)[:-2]
"""What --save names; features are kept by --keep."""
CLASSES_NAME = "classes.json"
COCO_NAME = "coco.json"
EXPORTS_NAME = "exports"

_FOLDERS: Mapping[Kind, str] = {
    "labels": "masks",
    "overlay": "overlays",
    "legend": "legends",
    "heatmaps": "heatmaps",
    "pca": "pca",
    "npz": "npz",
    "coco": "coco",
    "objects": "objects",
    "features": "features",
    "features-float32": "features-float32",
}
_PLACES: Mapping[Kind, Place] = {
    "labels": Place(".png"),
    "overlay": Place(".jpg"),
    "legend": Place(None),
    "heatmaps": Place(None),
    "pca": Place(".png", lasting=True),
    "npz": Place(".npz"),
    "coco": Place(".json"),
    "objects": Place(".json"),
    "features": Place(".safetensors", lasting=True),
    "features-float32": Place(".safetensors", lasting=True),
}
OF_IMAGE: frozenset[Kind] = frozenset({"overlay", "heatmaps", "npz"})
"""Kinds that show the image, or hold it."""
FEATURES: tuple[Literal["features", "features-float32"], ...] = ("features", "features-float32")
OF_FEATURES: frozenset[Kind] = frozenset({"pca", *FEATURES})
OUTPUT_BYTES: Mapping[Kind, int] = {
    "labels": 3,
    "overlay": 6,
    "legend": 3,
    "heatmaps": 11,
    "pca": 34,
    "npz": 9,
    "coco": 6,
    "objects": 6,
    "features": 34,
    "features-float32": 34,
}
"""Bytes a pixel that making each takes beside the result: canvas, working copies, and the file at worst."""
_SLUG_LENGTH = 40  # of a class name inside a file name; its number tells classes apart


@dataclass(frozen=True, eq=False)
class Segmented:
    """One image done.

    Attributes:
        features: its language features where a kind of output needs them, else None.
        origin: what they belong to, where they are kept.
    """

    result: "Segmentation"
    features: "LanguageFeatures | None" = None
    origin: "Origin | None" = None


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


def places_of(kinds: Sequence[Kind]) -> dict[str, Place]:
    """Return where the files of each kind are, by the folder."""
    return {_FOLDERS[kind]: _PLACES[kind] for kind in kinds}


def kinds_in(folders: Collection[str]) -> tuple[Kind, ...]:
    """Return the kinds that have these folders, in the order of `Kind`."""
    return tuple(kind for kind, folder in _FOLDERS.items() if folder in folders)


def place_of(kind: Kind, name: str) -> str:
    """Return where the file of this kind of an image called `name` lies below the run's folder."""
    ending = _PLACES[kind].ending
    assert ending is not None
    return f"{_FOLDERS[kind]}/{name}{ending}"


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
        folder, ending = _FOLDERS[kind], _PLACES[kind].ending
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
    content: bytes
    match kind:
        case "labels":
            content = label_png_bytes(result.labels, result.names)
        case "npz":
            content = result.to_npz()
        case "coco":
            content = json_bytes(result.to_coco(file_name=image.name))
        case "objects":
            content = f"{json.dumps(result.objects_json())}\n".encode()  # one line: runs are long lists
        case "overlay":
            content = image_bytes(result.overlay(), ".jpg")
        case "pca":
            content = image_bytes(_pca(segmented))
        case _:
            content = _features(segmented, "float16" if kind == "features" else "float32")
    return content


def _pca(segmented: Segmented) -> "Image":
    from PIL import Image  # noqa: PLC0415

    from radseg.types import Size  # noqa: PLC0415
    from radseg.visual import pca_image  # noqa: PLC0415

    assert segmented.features is not None
    height, width = segmented.result.labels.shape
    return Image.fromarray(pca_image(segmented.features.values, Size(height, width)))


def _features(segmented: Segmented, dtype: Literal["float16", "float32"]) -> bytes:
    import torch  # noqa: PLC0415

    from radseg.runs.kept_features import features_bytes  # noqa: PLC0415
    from radseg.types import Size  # noqa: PLC0415

    assert segmented.features is not None
    assert segmented.origin is not None
    size = Size(*segmented.result.labels.shape)
    return features_bytes(segmented.features, size, segmented.origin, getattr(torch, dtype))


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
