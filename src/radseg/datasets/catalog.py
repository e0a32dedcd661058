"""The published datasets by name."""

from radseg.datasets.ade20k import ADE20K
from radseg.datasets.benchmark import Benchmark
from radseg.datasets.cityscapes import CITYSCAPES
from radseg.datasets.coco_stuff import COCO_STUFF
from radseg.datasets.context import CONTEXT59
from radseg.datasets.voc import VOC20

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (VOC20, CONTEXT59, COCO_STUFF, ADE20K, CITYSCAPES)
}
"""In the order of the paper's tables, Context after VOC."""
