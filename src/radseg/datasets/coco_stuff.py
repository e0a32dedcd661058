"""COCO-Stuff 164k with its 171 classes, val2017 (Caesar et al., CVPR 2018)."""

from pathlib import Path

from radseg.datasets.base import Item, LabelCode, label_code
from radseg.datasets.benchmark import Benchmark, paired

# Official pixel maps hold the category id less one: objects 0 to 90, stuff 91 to 181. Eleven object ids have
# no category in COCO and never occur; the other 80 + 91 are the classes, in order.
_UNUSED = {11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90}
_USED = tuple(value for value in range(182) if value not in _UNUSED)
_OFFICIAL = label_code(
    {value: index for index, value in enumerate(_USED)},
    ignore=(255,),
    legend="0 to 181 but for COCO's unused ids, and 255",
)
_TRAIN_IDS = label_code({v: v for v in range(171)}, ignore=(255,), legend="0 to 170, and 255")
_SUFFIX = "_labelTrainIds"
_IMAGES = ("images/val2017", "val2017")
_LABELS = ("annotations/val2017", "stuffthingmaps_trainval2017/val2017", "stuffthingmaps/val2017")


def _items(root: Path) -> tuple[Item, ...]:
    images = next(root / name for name in _IMAGES if (root / name).is_dir())

    def labels_of(image: Path) -> tuple[Path, ...]:
        converted = [root / folder / f"{image.stem}{_SUFFIX}.png" for folder in _LABELS]
        return (*converted, *(root / folder / f"{image.stem}.png" for folder in _LABELS))

    return paired(images.glob("*.jpg"), labels_of)


def _code(path: Path) -> LabelCode:
    return _TRAIN_IDS if path.stem.endswith(_SUFFIX) else _OFFICIAL


COCO_STUFF = Benchmark(
    name="cocostuff",
    title="COCO-Stuff 171",
    split="val2017",
    images=5000,
    roots=("", "coco_stuff164k", "coco"),
    needs=(_IMAGES, _LABELS),
    source="val2017.zip of the COCO page (cocodataset.org) and stuffthingmaps_trainval2017.zip of the "
    "COCO-Stuff page (github.com/nightrome/cocostuff), unpacked side by side; or "
    "mmsegmentation's preparation of them",
    items_of=_items,
    code_of=_code,
)
