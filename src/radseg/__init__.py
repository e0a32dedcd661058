"""radseg: label every pixel of an image with whatever words a person types (RADSeg, arXiv 2511.19704).

Importing this package loads neither torch nor any model; the public names are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radseg.evaluation.images.result import EvalResult
    from radseg.evaluation.images.run import run_evaluation
    from radseg.io import read_image
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.metrics.confusion import Counts, confusion_matrix, mean_iou
    from radseg.presets.load import load
    from radseg.presets.table import PRESETS
    from radseg.result import Segmentation
    from radseg.runs.map_query import MapQuery
    from radseg.segment import Segmenter
    from radseg.text.pack import VocabularyPack, load_pack
    from radseg.text.vocabulary import Vocabulary
    from radseg.types import EncodedImage

__version__ = "0.1.0"
__all__ = [
    "PRESETS",
    "Counts",
    "EncodedImage",
    "EvalResult",
    "MapQuery",
    "Segmentation",
    "Segmenter",
    "SemanticMap",
    "Vocabulary",
    "VocabularyPack",
    "confusion_matrix",
    "load",
    "load_pack",
    "mean_iou",
    "read_image",
    "run_evaluation",
]

_HOMES = {
    "Counts": "radseg.metrics.confusion",
    "EncodedImage": "radseg.types",
    "EvalResult": "radseg.evaluation.images.result",
    "MapQuery": "radseg.runs.map_query",
    "PRESETS": "radseg.presets.table",
    "Segmentation": "radseg.result",
    "Segmenter": "radseg.segment",
    "SemanticMap": "radseg.mapping.semantic_map",
    "Vocabulary": "radseg.text.vocabulary",
    "VocabularyPack": "radseg.text.pack",
    "confusion_matrix": "radseg.metrics.confusion",
    "load": "radseg.presets.load",
    "load_pack": "radseg.text.pack",
    "mean_iou": "radseg.metrics.confusion",
    "read_image": "radseg.io",
    "run_evaluation": "radseg.evaluation.images.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'radseg' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
