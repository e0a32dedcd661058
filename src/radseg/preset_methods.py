"""How each method is put together from networks and options: one row per method."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from radseg.errors import InputError
from radseg.methods.base import DenseEncoder, Scorer
from radseg.methods.clearclip import ClearCLIP
from radseg.methods.corrclip import CorrCLIP
from radseg.methods.maskclip import MaskCLIP
from radseg.methods.naclip import NACLIP
from radseg.methods.naradio import NARADIO
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.proxyradio import DINO, SAM, ProxyRADIO
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.methods.rayfronts import RayFronts
from radseg.methods.resclip import ResCLIP
from radseg.methods.resradio import ResRADIO
from radseg.methods.scclip import SCCLIP
from radseg.methods.sclip import SCLIP
from radseg.methods.shared.windows import Statistics
from radseg.methods.talk2dino import PublishedTalk2DINO, Talk2DINO
from radseg.methods.textregion import PublishedTextRegion, TextRegion
from radseg.methods.trident import Trident
from radseg.models.sam2_regions import Sam2Regions
from radseg.nn.vit import standard_block
from radseg.options import Options
from radseg.refine.base import Refiner
from radseg.refine.corrected import Corrected
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.region_labels import RegionLabels
from radseg.refine.sources import SamFeatures

Build = Callable[[Any, Sequence[Any], Options], DenseEncoder | Scorer]
"""Backbone, auxiliary in the preset's order, options: the method, ready to look at images."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        build: puts it together.
        unread: options that have no effect on it; changing one is refused.
        refines: the values of the option `refine` it can carry out.
        adaptors: of RADIO, that it looks with beside the language one.
        text_dependent: whether it is a Scorer: it has no features without words.
        refiner: builds its own refiner, for a method that brings a SAM or regions; None takes RADSeg+'s.
    """

    build: Build
    unread: frozenset[str] = frozenset()
    refines: tuple[str, ...] = ("none", "pamr")
    adaptors: tuple[str, ...] = ()
    text_dependent: bool = False
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
        else SelfCorrelatingAttention(
            options.scra_temperature, options.memory_budget // 16, options.scra_recursions
        ),
        aggregate=_aggregation(options),
        memory_budget=options.memory_budget,
    )


def _aggregation(options: Options) -> SelfCorrelatingAggregation | None:
    if options.scga_temperature is None:
        return None
    return SelfCorrelatingAggregation(options.scga_temperature, options.memory_budget // 16)


def _on_radio(kind: Callable[..., DenseEncoder | Scorer], **numbers: Any) -> Build:
    def build(radio: Any, _: Sequence[Any], options: Options) -> DenseEncoder | Scorer:
        return kind(
            radio,
            options.crop,
            options.stride,
            options.size_rule,
            options.memory_budget,
            _aggregation(options),
            **numbers,
        )

    return build


def _on_clip(kind: Callable[..., DenseEncoder | Scorer], **numbers: Any) -> Build:
    def build(clip: Any, _: Sequence[Any], options: Options) -> DenseEncoder | Scorer:
        return kind(clip, options.crop, options.stride, options.size_rule, options.memory_budget, **numbers)

    return build


def _proxyclip(mean_over: Statistics) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: Options) -> ProxyCLIP:
        (vfm,) = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return ProxyCLIP(clip, *windows, vfm=vfm, mean_over=mean_over)

    return build


def _published_talk2dino(dino: Any, _: Sequence[Any], options: Options) -> PublishedTalk2DINO:
    return PublishedTalk2DINO(dino, options.crop, options.stride, options.memory_budget)


def _trident(mean_over: Statistics) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: Options) -> Trident:
        dino, sam = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return Trident(clip, *windows, vfm=dino, sam=sam.encoder, mean_over=mean_over)

    return build


def _own_sam(_: Any, auxiliary: Sequence[Any], options: Options) -> SamRefiner:
    sam = auxiliary[-1]
    return SamRefiner(
        SamFeatures(sam.encoder),
        sam.decoder,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Corrected() if options.refine == "corrected" else Reference(),
        memory_budget=options.memory_budget,
    )


def _corrclip(sees: Literal["windows", "image"]) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: Options) -> CorrCLIP:
        vfm, sam = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return CorrCLIP(clip, *windows, vfm=vfm, regions=Sam2Regions(sam), sees=sees)

    return build


def _textregion(clip: Any, auxiliary: Sequence[Any], options: Options) -> TextRegion:
    (sam,) = auxiliary
    return TextRegion(clip, sam, memory_budget=options.memory_budget)


def _published_textregion(clip: Any, auxiliary: Sequence[Any], options: Options) -> PublishedTextRegion:
    return PublishedTextRegion(_textregion(clip, auxiliary, options))


_NOT_SCRA = frozenset({"scra_temperature", "scra_recursions"})
_MASKS = ("none", "pamr", "corrected", "reference")
_REGIONS = ("none", "pamr", "regions")
_NOT_RADSEG = _NOT_SCRA | {"scga_temperature", "language"}
_NOT_WINDOWS = _NOT_RADSEG | {"crop", "stride", "size_rule"}

METHODS: dict[str, Method] = {
    "radseg": Method(radseg, refines=_MASKS),
    "naradio": Method(_on_radio(NARADIO), _NOT_SCRA),
    "rayfronts": Method(_on_radio(RayFronts), _NOT_SCRA),
    "rayfronts-paper": Method(_on_radio(RayFronts, grid_order="transposed"), _NOT_SCRA),
    "proxyradio-d": Method(_on_radio(ProxyRADIO, teacher=DINO), _NOT_SCRA, adaptors=(DINO,)),
    "proxyradio-s": Method(_on_radio(ProxyRADIO, teacher=SAM), _NOT_SCRA, adaptors=(SAM,)),
    "proxyradio-surface": Method(_on_radio(ProxyRADIO, teacher="surface"), _NOT_SCRA, adaptors=("surface",)),
    "resradio": Method(_on_radio(ResRADIO), _NOT_SCRA, text_dependent=True),
    "maskclip": Method(_on_clip(MaskCLIP), _NOT_RADSEG),
    "sclip": Method(_on_clip(SCLIP), _NOT_RADSEG),
    "clearclip": Method(_on_clip(ClearCLIP), _NOT_RADSEG),
    "naclip": Method(_on_clip(NACLIP), _NOT_RADSEG),
    "resclip": Method(_on_clip(ResCLIP), _NOT_RADSEG, text_dependent=True),
    "resclip-paper": Method(_on_clip(ResCLIP, rules="paper"), _NOT_RADSEG, text_dependent=True),
    "scclip": Method(_on_clip(SCCLIP), _NOT_RADSEG),
    "scclip-paper": Method(_on_clip(SCCLIP, mean_over="image"), _NOT_RADSEG),
    "proxyclip": Method(_proxyclip("window"), _NOT_RADSEG),
    "proxyclip-paper": Method(_proxyclip("image"), _NOT_RADSEG),
    "talk2dino": Method(_on_clip(Talk2DINO), _NOT_RADSEG),
    "talk2dino-paper": Method(_published_talk2dino, _NOT_RADSEG | {"size_rule"}, text_dependent=True),
    "trident": Method(_trident("window"), _NOT_RADSEG, refines=_MASKS, refiner=_own_sam),
    "trident-paper": Method(_trident("image"), _NOT_RADSEG, refines=_MASKS, refiner=_own_sam),
    "corrclip": Method(
        _corrclip("windows"), _NOT_RADSEG, refines=_REGIONS, refiner=lambda *_: RegionLabels()
    ),
    "corrclip-radio": Method(
        _corrclip("image"), _NOT_RADSEG, refines=_REGIONS, refiner=lambda *_: RegionLabels()
    ),
    "textregion": Method(_textregion, _NOT_WINDOWS),
    "textregion-paper": Method(_published_textregion, _NOT_WINDOWS, text_dependent=True),
}


def require_read(name: str, method: Method, options: Options, changed: Sequence[str]) -> None:
    """Raise InputError if a changed option has no effect on the preset `name`, or it cannot refine so."""
    unread = sorted(set(changed) & method.unread)
    if unread:
        raise InputError(f"{name} has no {', '.join(unread)}; leave it out, or use {_radseg_beside(name)}.")
    if options.refine not in method.refines:
        able = ", ".join(method.refines)
        raise InputError(
            f"{name} cannot refine as {options.refine!r} (it can: {able}); {_radseg_beside(name)}+ does."
        )


def _radseg_beside(name: str) -> str:
    """Return the RADSeg preset that needs no other download than `name`: the miniature's for a miniature."""
    return "miniature" if name.startswith("miniature") else "radseg-b"
