"""Cityscapes with its 19 evaluated classes, fine annotations (Cordts et al., CVPR 2016)."""

from pathlib import Path

from radseg.datasets.base import Item, LabelCode, label_code
from radseg.datasets.benchmark import Benchmark, paired

_IMAGES, _LABELS = "leftImg8bit/val", "gtFine/val"
_IMAGE_END, _TRAIN_END, _OFFICIAL_END = "_leftImg8bit", "_gtFine_labelTrainIds", "_gtFine_labelIds"

# Of the 34 official ids these are evaluated, in the order of their train ids (cityscapesScripts, labels.py).
_EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_TRAIN_IDS = label_code({v: v for v in range(19)}, ignore=(255,), legend="0 to 18, and 255")
_OFFICIAL = label_code(
    {value: index for index, value in enumerate(_EVALUATED)},
    ignore=(*(value for value in range(34) if value not in _EVALUATED), 255),
    legend="0 to 33, and 255",
)


def _items(root: Path) -> tuple[Item, ...]:
    def labels_of(image: Path) -> tuple[Path, ...]:
        stem = image.stem.removesuffix(_IMAGE_END)
        folder = root / _LABELS / image.parent.name
        return folder / f"{stem}{_TRAIN_END}.png", folder / f"{stem}{_OFFICIAL_END}.png"

    return paired((root / _IMAGES).glob(f"*/*{_IMAGE_END}.png"), labels_of)


def _code(path: Path) -> LabelCode:
    return _TRAIN_IDS if path.stem.endswith(_TRAIN_END) else _OFFICIAL


CITYSCAPES = Benchmark(
    name="cityscapes",
    title="Cityscapes",
    split="val",
    images=500,
    roots=("", "cityscapes"),
    needs=((_IMAGES,), (_LABELS,)),
    source="leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip of the Cityscapes page "
    "(www.cityscapes-dataset.com), unpacked side by side",
    items_of=_items,
    code_of=_code,
)
