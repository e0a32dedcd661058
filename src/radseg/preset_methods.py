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
from radseg.methods.windowed import WindowedEncoder
from radseg.nn.vit import standard_block
from radseg.options import Options

Build = Callable[[Any, Sequence[Any], Options], DenseEncoder | Scorer]
"""Backbone, helpers in the preset's order, options: the method, ready to look at images."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        build: puts it together.
        unread: options that have no effect on it; changing one is refused.
        refines: the values of the option `refine` it can carry out.
    """

    build: Build
    unread: frozenset[str] = frozenset()
    refines: tuple[str, ...] = ("none",)


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


_NOT_RADSEG = frozenset({"scra_temperature", "scga_temperature"})

METHODS: dict[str, Method] = {
    "radseg": Method(radseg, refines=("none", "mended", "reference")),
    "maskclip": Method(_on_clip(MaskCLIP), _NOT_RADSEG),
    "sclip": Method(_on_clip(SCLIP), _NOT_RADSEG),
    "clearclip": Method(_on_clip(ClearCLIP), _NOT_RADSEG),
    "naclip": Method(_on_clip(NACLIP), _NOT_RADSEG),
    "proxyclip": Method(_proxyclip, _NOT_RADSEG),
}


def require_read(name: str, method: Method, options: Options, changed: Sequence[str]) -> None:
    """Raise InputError if a changed option has no effect on the preset `name`, or it cannot refine so."""
    unread = sorted(set(changed) & method.unread)
    if unread:
        raise InputError(f"{name} has no {', '.join(unread)}; leave it out, or use a RADSeg preset.")
    if options.refine not in method.refines:
        able = ", ".join(method.refines)
        raise InputError(f"{name} cannot refine as {options.refine!r} (it can: {able}); radseg-b+ does.")
