"""Every preset with small networks, through `load`: what `snapshot` knows of how models are made.

The names of presets, options and loaders stand here alone, for a refactoring to adapt. The keys of CHANGES
are names in the snapshot's file: they stay when an option is renamed, or the files no longer compare.
"""

from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from builders import tiny_config, tiny_radio
from preset_builders import text_width, tiny_part
from radseg.errors import InputError
from radseg.methods.base import Scorer
from radseg.methods.corrclip import CorrCLIP
from radseg.methods.textregion import PublishedTextRegion, TextRegion
from radseg.presets import load, parts
from radseg.presets.table import PRESETS
from radseg.scoring import class_cosine
from radseg.segment import Prompts, Segmenter
from radseg.text.pack import VocabularyPack
from radseg.text.vocabulary import Vocabulary
from radseg.types import Rgb, TextEmbeddings
from radseg.weights import catalog
from radseg.weights.config import AdaptorConfig, HeadConfig
from sam_builders import tiny_sam

NAMES = tuple(PRESETS)
CHANGES: dict[str, dict[str, Any]] = {
    "unrefined": {"refine": "none"},
    "pamr": {"refine": "pamr"},
    "corrected": {"refine": "corrected", "iou_threshold": -1e9, "min_area": 30},
    "reference": {"refine": "reference", "iou_threshold": -1e9, "min_area": 30},
    "regions": {"refine": "regions"},
    "stride rule": {"size_rule": "stride"},
    "small windows": {"crop": 112, "stride": 112, "size_rule": "stride"},
    "whole": {"crop": None},
    "SCRA": {"scra_temperature": 7.0},
    "SCRA twice": {"scra_temperature": 7.0, "scra_recursions": 2},
    "no SCRA": {"scra_temperature": None},
    "SCGA": {"scga_temperature": 7.0},
    "no SCGA": {"scga_temperature": None},
    "sides": {"short_side": 200, "long_side": 210},
    "scores": {"temperature": 7.0, "denoising": 0.2, "threshold": 0.35},
    "all denoised": {"temperature": 1.0, "denoising": 1.0, "all_denoised": "first"},
    "little memory": {"memory_budget": 2**28},
}
"""What is changed of every preset that reads it; random weights pass SAM's masks only without a threshold."""


def load_small(name: str, change: str = "", **options: Any) -> Segmenter | None:
    """Return the preset with one of CHANGES and other options, or None where it refuses that."""
    with ExitStack() as stack:
        for owner, attribute, loader in (
            (load, "announce", lambda *_: None),
            (parts, "resolve", lambda *_: Path("nowhere")),
            (parts, "load_backbone", lambda name, *_, adaptors, options: network(name, adaptors)),
            (parts, "load_auxiliary", lambda name, *_: network(name)),
            (load, "load_sam", lambda *_, **__: network("sam-vit-h")),
            (load, "_text_encoder", lambda *_: None),
        ):
            stack.enter_context(mock.patch.object(owner, attribute, loader))
        try:
            segmenter = load.load(name, **CHANGES.get(change, {}), **options)
        except InputError:
            return None
    return replace(segmenter, encoder=_with_few_points(segmenter.encoder))


@cache
def network(name: str, adaptors: tuple[str, ...] = ()) -> Any:
    """Return the seeded network of a catalogue name, made once; RADIO's heads fit the small SAM."""
    kind = catalog.row(name).kind
    if kind == "sam_decoder":
        return tiny_sam().decoder
    if kind != "radio":
        return tiny_part(name)
    head = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=32, blocks=0)
    others = (AdaptorConfig(one, 1, None, None, head) for one in adaptors)
    return tiny_radio(adaptors=(*tiny_config().adaptors, *others))


def _with_few_points(method: Any) -> Any:
    """Return the method with 3 × 3 points for SAM 2; masks of random weights are unsure, and kept."""
    if isinstance(method, TextRegion):
        return replace(method, points=3)
    if isinstance(method, PublishedTextRegion):
        return replace(method, regions=replace(method.regions, points=3))
    if isinstance(method, CorrCLIP):
        kept: dict[str, Any] = {"points": 3, "min_iou": -1e9, "min_stability": 0.0, "box_iou": 1.0}
        return replace(method, regions=replace(method.regions, **kept))
    return method


def prompts_of(name: str, space: str) -> Prompts:
    """Return three names, one with a synonym; random embeddings and contrast where no text tower is here."""
    preset = PRESETS[name]
    if preset.checkpoint == "toy":
        return Vocabulary.parse([("red", "pink"), ("blue",), ("green",)])
    if not preset.published:
        return Vocabulary.parse([("red vase", "vase"), ("sofa",), ("floor",)])
    noise = torch.Generator().manual_seed(1)
    own, bank = (torch.randn(rows, text_width(preset), generator=noise) for rows in (4, 2))
    text = TextEmbeddings(("a", "b", "c"), own, (0, 0, 1, 2), space)
    return VocabularyPack(text, TextEmbeddings(("thing", "stuff"), bank, (0, 1), space))


def dense(segmenter: Segmenter, image: Rgb, words: Prompts) -> Tensor:
    """Return the cosine of every name with the image at its own size, "c h w"."""
    text, encoder = segmenter.embed(words, mode="assign")[0], segmenter.encoder
    if isinstance(encoder, Scorer):
        return encoder.score([image], text)[0]
    return class_cosine(encoder.encode([image])[0], text)
