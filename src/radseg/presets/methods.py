"""How each method is put together from networks and options: one row per method, and a door for others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

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
from radseg.models.sam import SamDecoder
from radseg.models.sam2_regions import Sam2Regions
from radseg.modes import Refine
from radseg.nn.vit import standard_block
from radseg.presets.options import (
    MaskOptions,
    Options,
    RadioOptions,
    RadsegOptions,
    StrideOptions,
    TextOptions,
    TridentOptions,
    WindowOptions,
)
from radseg.refine.base import Refiner
from radseg.refine.corrected import Corrected
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.region_labels import RegionLabels
from radseg.refine.sources import FeatureSource, SamFeatures

Build = Callable[[Any, Sequence[Any], Any], DenseEncoder | Scorer]
"""Backbone, auxiliary networks in the preset's order, options: the method, ready to encode images."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        build: puts it together.
        options: the class of the options it takes.
        refines: the values of the option `refine` it can carry out.
        adaptors: of RADIO, that it uses beside the language one.
        text_dependent: whether it is a Scorer: it has no features without prompts.
        refiner: builds its own refiner, for a method that brings a SAM or regions; None takes RADSeg+'s.
    """

    build: Build
    options: type[Options] = WindowOptions
    refines: tuple[Refine, ...] = ("none", "pamr")
    adaptors: tuple[str, ...] = ()
    text_dependent: bool = False
    refiner: Callable[[Any, Sequence[Any], Any], Refiner] | None = None


def radseg(radio: Any, _: Sequence[Any], options: RadsegOptions) -> RADSeg:
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


def _aggregation(options: RadioOptions) -> SelfCorrelatingAggregation | None:
    if options.scga_temperature is None:
        return None
    return SelfCorrelatingAggregation(options.scga_temperature, options.memory_budget // 16)


def _on_radio(kind: Callable[..., DenseEncoder | Scorer], **numbers: Any) -> Build:
    def build(radio: Any, _: Sequence[Any], options: RadioOptions) -> DenseEncoder | Scorer:
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
    def build(clip: Any, _: Sequence[Any], options: WindowOptions) -> DenseEncoder | Scorer:
        return kind(clip, options.crop, options.stride, options.size_rule, options.memory_budget, **numbers)

    return build


def _proxyclip(mean_over: Statistics) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> ProxyCLIP:
        (vfm,) = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return ProxyCLIP(clip, *windows, vfm=vfm, mean_over=mean_over)

    return build


def _published_talk2dino(dino: Any, _: Sequence[Any], options: StrideOptions) -> PublishedTalk2DINO:
    return PublishedTalk2DINO(dino, options.crop, options.stride, options.memory_budget)


def _trident(mean_over: Statistics) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> Trident:
        dino, sam = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return Trident(clip, *windows, vfm=dino, sam=sam.encoder, mean_over=mean_over)

    return build


def _own_sam(_: Any, auxiliary: Sequence[Any], options: TridentOptions) -> SamRefiner:
    sam = auxiliary[-1]
    return sam_refiner(SamFeatures(sam.encoder), sam.decoder, options)


def sam_refiner(source: FeatureSource, decoder: SamDecoder, options: MaskOptions) -> SamRefiner:
    """Return RADSeg+'s refinement by the options' rules."""
    return SamRefiner(
        source,
        decoder,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Corrected() if options.refine == "corrected" else Reference(),
        memory_budget=options.memory_budget,
    )


def _corrclip(sees: Literal["windows", "image"]) -> Build:
    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> CorrCLIP:
        vfm, sam = auxiliary
        windows = (options.crop, options.stride, options.size_rule, options.memory_budget)
        return CorrCLIP(clip, *windows, vfm=vfm, regions=Sam2Regions(sam), sees=sees)

    return build


def _textregion(clip: Any, auxiliary: Sequence[Any], options: Options) -> TextRegion:
    (sam,) = auxiliary
    return TextRegion(clip, sam, memory_budget=options.memory_budget)


def _published_textregion(clip: Any, auxiliary: Sequence[Any], options: Options) -> PublishedTextRegion:
    return PublishedTextRegion(_textregion(clip, auxiliary, options))


_MASKS: tuple[Refine, ...] = ("none", "pamr", "corrected", "reference")
_REGIONS: tuple[Refine, ...] = ("none", "pamr", "regions")


def _radio(build: Build, **facts: Any) -> Method:
    return Method(build, RadioOptions, **facts)


METHODS: dict[str, Method] = {
    "toy": Method(lambda encoder, _, __: encoder, Options),
    "radseg": Method(radseg, RadsegOptions, _MASKS),
    "naradio": _radio(_on_radio(NARADIO)),
    "rayfronts": _radio(_on_radio(RayFronts)),
    "rayfronts-paper": _radio(_on_radio(RayFronts, grid_order="transposed")),
    "proxyradio-d": _radio(_on_radio(ProxyRADIO, teacher=DINO), adaptors=(DINO,)),
    "proxyradio-s": _radio(_on_radio(ProxyRADIO, teacher=SAM), adaptors=(SAM,)),
    "proxyradio-surface": _radio(_on_radio(ProxyRADIO, teacher="surface"), adaptors=("surface",)),
    "resradio": _radio(_on_radio(ResRADIO), text_dependent=True),
    "maskclip": Method(_on_clip(MaskCLIP)),
    "sclip": Method(_on_clip(SCLIP)),
    "clearclip": Method(_on_clip(ClearCLIP)),
    "naclip": Method(_on_clip(NACLIP)),
    "resclip": Method(_on_clip(ResCLIP), text_dependent=True),
    "resclip-paper": Method(_on_clip(ResCLIP, rules="paper"), text_dependent=True),
    "scclip": Method(_on_clip(SCCLIP)),
    "scclip-paper": Method(_on_clip(SCCLIP, mean_over="image")),
    "proxyclip": Method(_proxyclip("window")),
    "proxyclip-paper": Method(_proxyclip("image")),
    "talk2dino": Method(_on_clip(Talk2DINO)),
    "talk2dino-paper": Method(_published_talk2dino, StrideOptions, text_dependent=True),
    "trident": Method(_trident("window"), TridentOptions, _MASKS, refiner=_own_sam),
    "trident-paper": Method(_trident("image"), TridentOptions, _MASKS, refiner=_own_sam),
    "corrclip": Method(_corrclip("windows"), refines=_REGIONS, refiner=lambda *_: RegionLabels()),
    "corrclip-radio": Method(_corrclip("image"), refines=_REGIONS, refiner=lambda *_: RegionLabels()),
    "textregion": Method(_textregion, TextOptions),
    "textregion-paper": Method(_published_textregion, TextOptions, text_dependent=True),
}


def register_method(
    name: str,
    build: Build,
    *,
    options: type[Options] = WindowOptions,
    refines: tuple[Refine, ...] = ("none", "pamr"),
    adaptors: tuple[str, ...] = (),
    text_dependent: bool = False,
) -> None:
    """Add a method of one's own, for presets to name.

    Args:
        build: from backbone, auxiliary networks and options to a DenseEncoder or, if `text_dependent`, a
            Scorer.
        options: the class of its options; the windows' by default.
        refines: which values of the option `refine` it allows.
        adaptors: of RADIO, that it uses beside the language one.

    Raises:
        InputError: the name is taken.
    """
    if name in METHODS:
        raise InputError(f"There is a method {name!r} already; choose another name.")
    METHODS[name] = Method(build, options, refines, adaptors, text_dependent)


def require_taken(name: str, method: Method, changes: Mapping[str, Any]) -> None:
    """Raise InputError if a changed option has no effect on the preset `name`, or it cannot refine so."""
    own = {one.name for one in fields(method.options)}
    elsewhere = {one.name for other in METHODS.values() for one in fields(other.options)}
    if absent := sorted((set(changes) & elsewhere) - own):
        raise InputError(f"{name} has no {', '.join(absent)}; leave it out, or use {_radseg_beside(name)}.")
    refine = changes.get("refine", "none")
    if refine in get_args(Refine) and refine not in method.refines:
        able = ", ".join(method.refines)
        raise InputError(
            f"{name} cannot refine as {refine!r} (it can: {able}); {_radseg_beside(name)}+ does."
        )


def _radseg_beside(name: str) -> str:
    """Return the RADSeg preset that needs no other download than `name`: the miniature's for a miniature."""
    return "miniature" if name.startswith(("miniature", "toy")) else "radseg-b"
