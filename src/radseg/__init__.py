"""radseg: label every pixel of an image with whatever words a person types (RADSeg, arXiv 2511.19704).

Importing this package loads neither torch nor any model; the public names are loaded when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radseg.io import read_image
    from radseg.presets.load import load
    from radseg.presets.table import PRESETS
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.text.pack import VocabularyPack, load_pack
    from radseg.text.vocabulary import Vocabulary

__version__ = "0.1.0"
__all__ = [
    "PRESETS",
    "Segmentation",
    "Segmenter",
    "Vocabulary",
    "VocabularyPack",
    "load",
    "load_pack",
    "read_image",
]

_HOMES = {
    "PRESETS": "radseg.presets.table",
    "Segmentation": "radseg.result",
    "Segmenter": "radseg.segment",
    "Vocabulary": "radseg.text.vocabulary",
    "VocabularyPack": "radseg.text.pack",
    "load": "radseg.presets.load",
    "load_pack": "radseg.text.pack",
    "read_image": "radseg.io",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'radseg' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
