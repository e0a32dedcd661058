"""Backbones that are not in the catalogue of published weights: the embedded models, and other people's own.

A preset names one in place of weights. What it brings is loaded as it says; nothing is fetched.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from radseg import miniature
from radseg.errors import InputError
from radseg.models.sam import SamDecoder
from radseg.presets.options import Options
from radseg.segment import TextEncoder
from radseg.testing import ColourEncoder, ColourTextEncoder
from radseg.text.encoder import TowerTextEncoder
from radseg.text.templates import template_set


@dataclass(frozen=True)
class OwnBackbone:
    """A backbone that brings its own weights.

    Attributes:
        load: makes the network, on a device and in a dtype: what the method's `build` is given first.
        text_encoder: makes what embeds prompts into the same space, for the options (their `templates`).
        sam_decoder: makes the decoder of RADSeg+, where the backbone has a SAM adaptor.
        dtypes: that it can compute in.
    """

    load: Callable[[torch.device, torch.dtype], Any]
    text_encoder: Callable[[Any], TextEncoder]
    sam_decoder: Callable[[], SamDecoder] | None = None
    dtypes: tuple[str, ...] = ("float32",)


def _miniature_text_encoder(options: Any) -> TextEncoder:
    return TowerTextEncoder(miniature.load_parts()[1], template_set(options.templates))


def _toy_text_encoder(_: Options) -> TextEncoder:
    return ColourTextEncoder()


BACKBONES: dict[str, OwnBackbone] = {
    "miniature": OwnBackbone(
        lambda device, _: miniature.load_parts()[0].to(device),
        _miniature_text_encoder,
        miniature.load_decoder,
    ),
    "toy": OwnBackbone(lambda _, __: ColourEncoder(), _toy_text_encoder),
}


def register_backbone(
    name: str,
    load: Callable[[torch.device, torch.dtype], Any],
    text_encoder: Callable[[Any], TextEncoder],
    *,
    dtypes: tuple[str, ...] = ("float32",),
) -> None:
    """Add a backbone of one's own, for presets to name as their checkpoint.

    Args:
        load: from device and dtype to the network; see `models.base.Backbone` for what the methods of this
            package need of it. A method of one's own may take any object.
        text_encoder: from the options of the method to what embeds prompts into the features' space.
        dtypes: that it can compute in.

    Raises:
        InputError: the name is taken.
    """
    if name in BACKBONES:
        raise InputError(f"There is a backbone {name!r} already; choose another name.")
    BACKBONES[name] = OwnBackbone(load, text_encoder, None, dtypes)
