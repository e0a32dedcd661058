"""How each method is put together from networks and options: one row per method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from radseg.errors import InputError
from radseg.methods.base import DenseEncoder, Scorer
from radseg.methods.clearclip import ClearCLIP
from radseg.methods.maskclip import MaskCLIP
from radseg.methods.naclip import NACLIP
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.methods.sclip import SCLIP
from radseg.methods.talk2dino import Talk2DINO
from radseg.methods.textregion import TextRegion
from radseg.methods.trident import Trident
from radseg.methods.windowed import WindowedEncoder
from radseg.nn.vit import standard_block
from radseg.options import Options
from radseg.refine.base import Refiner
from radseg.refine.mended import Mended
from radseg.refine.own_sam import OwnSam
from radseg.refine.reference import Reference

Build = Callable[[Any, Sequence[Any], Options], DenseEncoder | Scorer]
"""Backbone, helpers in the preset's order, options: the method, ready to look at images."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        build: puts it together.
        unread: options that have no effect on it; changing one is refused.
        refines: the values of the option `refine` it can carry out.
        refiner: makes the refiner from the same parts, where it is not RADSeg+'s.
    """

    build: Build
    unread: frozenset[str] = frozenset()
    refines: tuple[str, ...] = ("none",)
    refiner: Callable[[Any, Sequence[Any], Options], Refiner] | None = None


def radseg(radio: Any, _: Sequence[Any], options: Options) -> RADSeg:
    """Return RADSeg around `radio` as the options say."""
    return RADSeg(
        radio,
        crop=options.crop,
        stride=options.stride,
        size_rule=options.size_rule,
        last_block=standard_block
        if options.scra_temperature is None
        else SelfCorrelatingAttention(options.scra_temperature, options.memory_budget // 16),
        aggregate=None
        if options.scga_temperature is None
        else SelfCorrelatingAggregation(options.scga_temperature, options.memory_budget // 16),
        memory_budget=options.memory_budget,
    )


def _on_clip(kind: type[WindowedEncoder]) -> Build:
    def build(clip: Any, _: Sequence[Any], options: Options) -> WindowedEncoder:
        return kind(clip, options.crop, options.stride, options.size_rule, options.memory_budget)

    return build


def _proxyclip(clip: Any, helpers: Sequence[Any], options: Options) -> ProxyCLIP:
    (vfm,) = helpers
    return ProxyCLIP(clip, options.crop, options.stride, options.size_rule, options.memory_budget, vfm=vfm)


def _talk2dino(dino: Any, _: Sequence[Any], options: Options) -> Talk2DINO:
    return Talk2DINO(
        dino,
        crop=options.crop,
        stride=options.stride,
        size_rule=options.size_rule,
        memory_budget=options.memory_budget,
    )


def _trident(clip: Any, helpers: Sequence[Any], options: Options) -> Trident:
    dino, sam = helpers
    return Trident(
        clip,
        options.crop,
        options.stride,
        options.size_rule,
        options.memory_budget,
        dino=dino,
        sam=sam.encoder,
    )


def _own_sam(_: Any, helpers: Sequence[Any], options: Options) -> OwnSam:
    sam = helpers[-1]
    return OwnSam(
        sam.encoder,
        sam.decoder,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Mended() if options.refine == "mended" else Reference(),
        memory_budget=options.memory_budget,
    )


def _textregion(clip: Any, helpers: Sequence[Any], options: Options) -> TextRegion:
    (sam,) = helpers
    return TextRegion(clip, sam, memory_budget=options.memory_budget)


_NOT_RADSEG = frozenset({"scra_temperature", "scga_temperature"})

METHODS: dict[str, Method] = {
    "radseg": Method(radseg, refines=("none", "mended", "reference")),
    "maskclip": Method(_on_clip(MaskCLIP), _NOT_RADSEG),
    "sclip": Method(_on_clip(SCLIP), _NOT_RADSEG),
    "clearclip": Method(_on_clip(ClearCLIP), _NOT_RADSEG),
    "naclip": Method(_on_clip(NACLIP), _NOT_RADSEG),
    "proxyclip": Method(_proxyclip, _NOT_RADSEG),
    "talk2dino": Method(_talk2dino, _NOT_RADSEG),
    "textregion": Method(_textregion, _NOT_RADSEG | {"crop", "stride", "size_rule"}),
    "trident": Method(_trident, _NOT_RADSEG, ("none", "mended", "reference"), _own_sam),
}


def require_read(name: str, method: Method, options: Options, changed: Sequence[str]) -> None:
    """Raise InputError if a changed option has no effect on the preset `name`, or it cannot refine so."""
    unread = sorted(set(changed) & method.unread)
    if unread:
        raise InputError(f"{name} has no {', '.join(unread)}; leave it out, or use a RADSeg preset.")
    if options.refine not in method.refines:
        able = ", ".join(method.refines)
        raise InputError(f"{name} cannot refine as {options.refine!r} (it can: {able}); radseg-b+ does.")
