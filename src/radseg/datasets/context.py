"""PASCAL Context with its 59 most frequent classes, without background (Mottaghi et al., CVPR 2014)."""

from pathlib import Path

from radseg.datasets.base import Item, LabelCode, label_code
from radseg.datasets.benchmark import Benchmark, listed

_LIST = "ImageSets/SegmentationContext/val.txt"
_LABELS = "SegmentationClassContext"
_CODE = label_code({v: v - 1 for v in range(1, 60)}, ignore=(0, 255), legend="0 to 59, and 255")


def _items(root: Path) -> tuple[Item, ...]:
    return tuple(
        Item(name, root / "JPEGImages" / f"{name}.jpg", root / _LABELS / f"{name}.png")
        for name in listed(root / _LIST)
    )


def _code(path: Path) -> LabelCode:
    return _CODE


# The official labels name 459 classes in .mat files, and the 59-class PNGs of the project page are in another
# order; what evaluations use is mmsegmentation's conversion, 1 to 59 in alphabetical order.
CONTEXT59 = Benchmark(
    name="context59",
    title="PASCAL Context",
    split="val",
    images=5104,
    roots=("", "VOC2010", "VOCdevkit/VOC2010"),
    needs=((_LIST,), ("JPEGImages",), (_LABELS,)),
    source="VOCtrainval_03-May-2010.tar of the PASCAL VOC 2010 page (host.robots.ox.ac.uk/pascal/VOC) and "
    "trainval_merged.json of the PASCAL-Context page (cs.stanford.edu/~roozbeh/pascal-context), converted "
    "with mmsegmentation's tools/dataset_converters/pascal_context.py",
    items_of=_items,
    code_of=_code,
)
