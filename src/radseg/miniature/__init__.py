"""The embedded miniature: a small world of rooms, a small RADIO trained in it, and its text tower.

Nothing is imported until it is asked for; `load_parts` and `load_decoder` are what the presets need, `world`
what the demo needs.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radseg.miniature.text_tower import MiniatureTextTower
    from radseg.models.radio import Radio
    from radseg.models.sam import SamDecoder

CROP, STRIDE, SHORT_SIDE = 160, 112, 352
"""Window, step and short side, in pixels, that the miniature is meant for; fixed before it was measured."""

IOU_THRESHOLD = 0.5
"""Predicted IoU above which a refined mask is taken. SAM's 0.9 would refuse nearly all: this decoder learnt
to tell the true IoU, at patches of 16 pixels in images of 352. Chosen on rooms with seeds from 7000."""

NOTE = "embedded miniature model: knows small rooms, not photos"


def load_parts(folder: Path | None = None) -> "tuple[Radio, MiniatureTextTower]":
    """Return the miniature's RADIO and text tower, from `folder` or as shipped.

    Raises:
        MissingFileError: the files are not there.
    """
    from radseg.miniature import store  # noqa: PLC0415 - torch loads on first use

    return store.load_parts(folder)


def load_decoder(folder: Path | None = None) -> "SamDecoder":
    """Return the miniature's SAM decoder, from `folder` or as shipped.

    Raises:
        MissingFileError: the file is not there.
    """
    from radseg.miniature import store  # noqa: PLC0415 - torch loads on first use

    return store.load_decoder(folder)
