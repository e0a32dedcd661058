"""Small dataset folders as the official downloads and mmsegmentation's preparation lay them out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (24, 32)


def write_photo(path: Path, size=SIZE, seed=0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(path)


def labels(path: Path, values: Any, size=SIZE, palette: bool = False) -> None:
    """Write a label PNG whose rows go through `values`, with a misleading palette if asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.resize(np.asarray(values, np.uint8), size)
    image = Image.fromarray(array)
    if palette:
        image.putpalette(np.random.default_rng(1).integers(0, 256, 768, np.uint8).tobytes())
        assert image.mode == "P"
    image.save(path)


@dataclass(frozen=True)
class Tree:
    """One layout: how to write item number i with these file values, and the values' classes.

    Attributes:
        codes: file value to class index; None is ignored.
        illegal: a file value that stands for no class.
    """

    dataset: str
    write: Any
    codes: dict[int, int | None]
    illegal: int


def write_ade(root: Path, i: int, values: Any, **how: Any) -> tuple[Path, Path]:
    image = root / f"ADEChallengeData2016/images/validation/ADE_val_{i:08}.jpg"
    label = root / f"ADEChallengeData2016/annotations/validation/ADE_val_{i:08}.png"
    return _pair(image, label, values, **how)


def _pascal(year: int, folder: str, split: str, *, palette: bool) -> Any:
    def write(root: Path, i: int, values: Any, **how: Any) -> tuple[Path, Path]:
        top = root / f"VOCdevkit/VOC{year}"
        listing = top / f"ImageSets/{split}/val.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        with listing.open("a") as file:
            file.write(f"{year}_{i:06}\n")
        write_photo(top / "JPEGImages/2008_999999.jpg")  # belongs to no list
        image = top / f"JPEGImages/{year}_{i:06}.jpg"
        return _pair(image, top / f"{folder}/{year}_{i:06}.png", values, palette=palette, **how)

    return write


def write_stuff_prepared(root: Path, i: int, values: Any, **how: Any) -> tuple[Path, Path]:
    top = root / "coco_stuff164k"
    labels(top / f"annotations/val2017/{i:012}.png", [181])  # mmsegmentation leaves the official one there
    label = top / f"annotations/val2017/{i:012}_labelTrainIds.png"
    return _pair(top / f"images/val2017/{i:012}.jpg", label, values, **how)


def write_stuff_official(root: Path, i: int, values: Any, **how: Any) -> tuple[Path, Path]:
    label = root / f"stuffthingmaps_trainval2017/val2017/{i:012}.png"
    return _pair(root / f"val2017/{i:012}.jpg", label, values, **how)


def write_city(ending: str) -> Any:
    def write(root: Path, i: int, values: Any, **how: Any) -> tuple[Path, Path]:
        city = ("frankfurt", "lindau", "munster")[i % 3]
        name = f"{city}_{i:06}_000019"
        labels(root / f"gtFine/val/{city}/{name}_gtFine_instanceIds.png", [7])
        label = root / f"gtFine/val/{city}/{name}_gtFine_{ending}.png"
        if ending == "labelTrainIds":
            labels(root / f"gtFine/val/{city}/{name}_gtFine_labelIds.png", [3])
        return _pair(root / f"leftImg8bit/val/{city}/{name}_leftImg8bit.png", label, values, **how)

    return write


def _pair(image: Path, label: Path, values: Any, palette: bool = False, **how: Any) -> tuple[Path, Path]:
    write_photo(image, **how)
    labels(label, values, palette=palette)
    return image, label


TREES = {
    "ade20k": Tree("ade20k", write_ade, {0: None, 1: 0, 150: 149, 255: None}, 151),
    "voc20": Tree(
        "voc20",
        _pascal(2012, "SegmentationClass", "Segmentation", palette=True),
        {0: None, 1: 0, 15: 14, 20: 19, 255: None},
        21,
    ),
    "context59": Tree(
        "context59",
        _pascal(2010, "SegmentationClassContext", "SegmentationContext", palette=True),
        {0: None, 1: 0, 59: 58},
        60,
    ),
    "cocostuff-prepared": Tree("cocostuff", write_stuff_prepared, {0: 0, 79: 79, 170: 170, 255: None}, 171),
    "cocostuff-official": Tree(
        "cocostuff",
        write_stuff_official,
        {0: 0, 10: 10, 12: 11, 24: 23, 26: 24, 89: 79, 91: 80, 181: 170, 255: None},
        11,
    ),
    "cityscapes-trainids": Tree("cityscapes", write_city("labelTrainIds"), {0: 0, 18: 18, 255: None}, 19),
    "cityscapes-official": Tree(
        "cityscapes",
        write_city("labelIds"),
        # Pairs of id and trainId as cityscapesScripts prints them.
        {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12}
        | {26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18, 0: None, 9: None, 16: None, 29: None},
        34,
    ),
}
