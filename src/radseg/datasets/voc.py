"""PASCAL VOC 2012 segmentation, its 20 objects without background (Everingham et al., IJCV 2010)."""

from pathlib import Path

from radseg.datasets.base import Item, LabelCode, label_code
from radseg.datasets.benchmark import Benchmark, listed

_LIST = "ImageSets/Segmentation/val.txt"
# Palette PNGs: 0 is background, which these 20 classes leave out, 255 the ring around every object.
_CODE = label_code({v: v - 1 for v in range(1, 21)}, ignore=(0, 255), legend="0 to 20, and 255")


def _items(root: Path) -> tuple[Item, ...]:
    return tuple(
        Item(name, root / "JPEGImages" / f"{name}.jpg", root / "SegmentationClass" / f"{name}.png")
        for name in listed(root / _LIST)
    )


def _code(path: Path) -> LabelCode:
    return _CODE


VOC20 = Benchmark(
    name="voc20",
    title="PASCAL VOC 2012",
    split="val",
    images=1449,
    roots=("", "VOC2012", "VOCdevkit/VOC2012"),
    needs=((_LIST,), ("JPEGImages",), ("SegmentationClass",)),
    source="VOCtrainval_11-May-2012.tar of the PASCAL VOC 2012 page (host.robots.ox.ac.uk/pascal/VOC), "
    "unpacked as it is",
    items_of=_items,
    code_of=_code,
)
