"""ADE20K, scene parsing benchmark of 150 classes (Zhou et al., CVPR 2017)."""

from pathlib import Path

from radseg.datasets.base import Item, LabelCode, label_code
from radseg.datasets.benchmark import Benchmark, paired

_IMAGES, _LABELS = "images/validation", "annotations/validation"
# 0 is "other objects" and not judged ("reduce_zero_label"); mmsegmentation ignores 255 as well.
_CODE = label_code({v: v - 1 for v in range(1, 151)}, ignore=(0, 255), legend="0 to 150, and 255")


def _items(root: Path) -> tuple[Item, ...]:
    return paired((root / _IMAGES).glob("*.jpg"), lambda image: (root / _LABELS / f"{image.stem}.png",))


def _code(path: Path) -> LabelCode:
    return _CODE


ADE20K = Benchmark(
    name="ade20k",
    title="ADE20K",
    split="validation",
    images=2000,
    roots=("", "ADEChallengeData2016", "ade/ADEChallengeData2016"),
    needs=((_IMAGES,), (_LABELS,)),
    source="ADEChallengeData2016.zip of the MIT Scene Parsing Benchmark (sceneparsing.csail.mit.edu), "
    "unpacked as it is",
    items_of=_items,
    code_of=_code,
)
