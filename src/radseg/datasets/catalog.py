"""The datasets by name: the published ones, and other people's own."""

from collections.abc import Callable
from pathlib import Path

from radseg.datasets.ade20k import ADE20K
from radseg.datasets.base import ImageSet
from radseg.datasets.benchmark import Benchmark
from radseg.datasets.cityscapes import CITYSCAPES
from radseg.datasets.coco_panoptic import open_coco_panoptic
from radseg.datasets.coco_stuff import COCO_STUFF
from radseg.datasets.context import CONTEXT59
from radseg.datasets.voc import VOC20
from radseg.errors import InputError

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (VOC20, CONTEXT59, COCO_STUFF, ADE20K, CITYSCAPES)
}
"""In the order of the paper's tables, Context after VOC."""
REGISTERED: dict[str, Callable[[Path | None], ImageSet]] = {"cocopanoptic": open_coco_panoptic}
"""By name, what opens a dataset from the folder of `--data`: one that the paper has not, or one's own."""
RESERVED = ("folder", "miniature", "replica", "scannet", "scannetpp")


def register_dataset(name: str, open_set: Callable[[Path | None], ImageSet]) -> None:
    """Add a dataset: from then on `radseg eval`, `ablate` and `sheet` take it by its name.

    Args:
        open_set: from the folder that was given, or None, to the labelled images; see ImageSet.

    Raises:
        InputError: the name is taken.
    """
    if name in BENCHMARKS or name in REGISTERED or name in RESERVED:
        raise InputError(f"There is a dataset {name!r} already; choose another name.")
    REGISTERED[name] = open_set
