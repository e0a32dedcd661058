"""How the methods of this package are put together; a method's module is imported when one is built."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from radseg.modes import Refine, SizeRule
from radseg.presets.options import (
    MaskOptions,
    Options,
    RadioOptions,
    RadsegOptions,
    RayfrontsOptions,
    ResclipOptions,
    StrideOptions,
    TridentOptions,
    WindowOptions,
)
from radseg.presets.registry import Method

if TYPE_CHECKING:
    from radseg.methods.base import DenseEncoder, Scorer
    from radseg.methods.corrclip import CorrCLIP
    from radseg.methods.proxyclip import ProxyCLIP
    from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation
    from radseg.methods.resclip import ResCLIP
    from radseg.methods.shared.windows import GridOrder, Statistics
    from radseg.methods.talk2dino import PublishedTalk2DINO
    from radseg.methods.textregion import PublishedTextRegion, TextRegion
    from radseg.methods.trident import Trident
    from radseg.models.sam import SamDecoder
    from radseg.presets.registry import Build
    from radseg.refine.radio_sam import SamRefiner
    from radseg.refine.region_labels import RegionLabels
    from radseg.refine.sources import FeatureSource

MASKS: tuple[Refine, ...] = ("none", "pamr", "pamr-cosines", "despeckle", "corrected", "reference")
REGIONS: tuple[Refine, ...] = ("none", "pamr", "pamr-cosines", "regions")
"""Values of the option `refine`: RADSeg+'s, and CorrCLIP's."""


def on_radio(
    place: str, *, adaptors: tuple[str, ...] = (), text_dependent: bool = False, **numbers: Any
) -> Method:
    """Return the row of a method on RADIO: "module:Class" in radseg.methods, windows, and SCGA as an option.

    Args:
        numbers: fields of the class that differ from its own.
    """

    def build(radio: Any, _: Sequence[Any], options: RadioOptions) -> "DenseEncoder | Scorer":
        return _class(place)(radio, *_windows(options), _aggregation(options), **numbers)

    return Method(build, RadioOptions, adaptors=adaptors, text_dependent=text_dependent)


def rayfronts(grid_order: "GridOrder") -> Method:
    """Return the row of RayFronts with this grid."""

    def build(radio: Any, _: Sequence[Any], options: RayfrontsOptions) -> "DenseEncoder":
        from radseg.methods.rayfronts import RayFronts  # noqa: PLC0415

        parts = (*_windows(options), _aggregation(options))
        return RayFronts(radio, *parts, grid_order=grid_order, input_values=options.input_values)

    return Method(build, RayfrontsOptions)


def on_clip(place: str, *, text_dependent: bool = False, **numbers: Any) -> Method:
    """Return the row of a method on CLIP or DINO alone: "module:Class" in radseg.methods, and windows."""

    def build(clip: Any, _: Sequence[Any], options: WindowOptions) -> "DenseEncoder | Scorer":
        return _class(place)(clip, *_windows(options), **numbers)

    return Method(build, text_dependent=text_dependent)


def at_pixels(method: Method, rule: SizeRule, multiple: int = 1) -> Method:
    """Return the row of a method in windows with one more size rule, which averages cosines at pixels.

    Args:
        multiple: see PixelWindows.
    """

    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> "DenseEncoder | Scorer":
        if options.size_rule != rule:
            return method.build(clip, auxiliary, options)
        from radseg.methods.shared.pixel_windows import PixelWindows  # noqa: PLC0415

        inner: Any = method.build(clip, auxiliary, replace(options, size_rule="patch"))
        return PixelWindows(inner, multiple)

    return replace(method, build=build, size_rules=(*method.size_rules, rule))


def radseg(radio: Any, _: Sequence[Any], options: RadsegOptions) -> "RADSeg":
    """Return RADSeg around `radio` as the options say."""
    from radseg.methods.radseg import RADSeg, SelfCorrelatingAttention  # noqa: PLC0415
    from radseg.nn.vit import standard_block  # noqa: PLC0415

    last_block = standard_block
    if options.scra_temperature is not None:
        rows = options.memory_budget // 16
        last_block = SelfCorrelatingAttention(options.scra_temperature, rows, options.scra_recursions)
    return RADSeg(
        radio,
        crop=options.crop,
        stride=options.stride,
        size_rule=options.size_rule,
        last_block=last_block,
        aggregate=_aggregation(options),
        memory_budget=options.memory_budget,
    )


def proxyclip(mean_over: "Statistics") -> "Build":
    """Return what builds ProxyCLIP with this mean."""

    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> "ProxyCLIP":
        from radseg.methods.proxyclip import ProxyCLIP  # noqa: PLC0415

        (vfm,) = auxiliary
        order: GridOrder = "transposed" if mean_over == "image" else "rows"
        return ProxyCLIP(clip, *_windows(options), vfm=vfm, mean_over=mean_over, grid_order=order)

    return build


def published_talk2dino(dino: Any, _: Sequence[Any], options: StrideOptions) -> "PublishedTalk2DINO":
    """Return Talk2DINO as its code computes."""
    from radseg.methods.talk2dino import PublishedTalk2DINO  # noqa: PLC0415

    return PublishedTalk2DINO(dino, options.crop, options.stride, options.memory_budget)


def resclip(**numbers: Any) -> Method:
    """Return the row of ResCLIP; `numbers` are fields of the class that differ from its own."""

    def build(clip: Any, _: Sequence[Any], options: ResclipOptions) -> "ResCLIP":
        from radseg.methods.resclip import ResCLIP  # noqa: PLC0415
        from radseg.ops.feedback import Residuals  # noqa: PLC0415

        residuals = Residuals(
            options.feedback_threshold,
            options.residual_gain,
            options.residual_share,
            options.feedback_gain,
            options.feedback_share,
        )
        return ResCLIP(clip, *_windows(options), residuals=residuals, **numbers)

    return Method(build, ResclipOptions, text_dependent=True)


def trident(mean_over: "Statistics") -> "Build":
    """Return what builds Trident with this mean."""

    def build(clip: Any, auxiliary: Sequence[Any], options: TridentOptions) -> "Trident":
        from radseg.methods.trident import Trident  # noqa: PLC0415

        dino, sam = auxiliary
        return Trident(
            clip,
            *_windows(options),
            vfm=dino,
            sam=sam.encoder,
            mean_over=mean_over,
            cosine_factor=options.cosine_factor,
            below_zero=options.below_zero,
            input_values=options.input_values,
        )

    return build


def corrclip(sees: Literal["windows", "image"]) -> "Build":
    """Return what builds CorrCLIP whose other network sees windows, or the image."""

    def build(clip: Any, auxiliary: Sequence[Any], options: WindowOptions) -> "CorrCLIP":
        from radseg.methods.corrclip import CorrCLIP  # noqa: PLC0415
        from radseg.models.sam2_regions import Sam2Regions  # noqa: PLC0415

        vfm, sam = auxiliary
        return CorrCLIP(clip, *_windows(options), vfm=vfm, regions=Sam2Regions(sam), sees=sees)

    return build


def textregion(clip: Any, auxiliary: Sequence[Any], options: Options) -> "TextRegion":
    """Return TextRegion with the SAM 2.1 it is given."""
    from radseg.methods.textregion import TextRegion  # noqa: PLC0415

    (sam,) = auxiliary
    return TextRegion(clip, sam, memory_budget=options.memory_budget)


def published_textregion(pooled_values: Literal["raw", "unit"]) -> "Build":
    """Return what builds TextRegion as its code computes, which pools by its precision."""

    def build(clip: Any, auxiliary: Sequence[Any], options: Options) -> "PublishedTextRegion":
        from radseg.methods.textregion import PublishedTextRegion  # noqa: PLC0415

        regions = textregion(clip, auxiliary, options)
        return PublishedTextRegion(replace(regions, pooled_values=pooled_values, overshoot="kept"))

    return build


def own_sam(_: Any, auxiliary: Sequence[Any], options: TridentOptions) -> "SamRefiner":
    """Return the refinement by the method's own SAM, the last of its networks."""
    from radseg.refine.sources import SamFeatures  # noqa: PLC0415

    sam = auxiliary[-1]
    return sam_refiner(SamFeatures(sam.encoder), sam.decoder, options)


def region_labels(*_: Any) -> "RegionLabels":
    """Return the refinement that gives every region one name."""
    from radseg.refine.region_labels import RegionLabels  # noqa: PLC0415

    return RegionLabels()


def sam_refiner(source: "FeatureSource", decoder: "SamDecoder", options: MaskOptions) -> "SamRefiner":
    """Return RADSeg+'s refinement by the options' rules."""
    from radseg.refine.corrected import Corrected  # noqa: PLC0415
    from radseg.refine.radio_sam import SamRefiner  # noqa: PLC0415
    from radseg.refine.reference import Reference  # noqa: PLC0415

    return SamRefiner(
        source,
        decoder,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Corrected() if options.refine == "corrected" else Reference(),
        memory_budget=options.memory_budget,
    )


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"radseg.methods.{module}"), name)


def _windows(options: WindowOptions) -> tuple[int | None, int, SizeRule, int]:
    return options.crop, options.stride, options.size_rule, options.memory_budget


def _aggregation(options: RadioOptions) -> "SelfCorrelatingAggregation | None":
    from radseg.methods.radseg import SelfCorrelatingAggregation  # noqa: PLC0415

    if options.scga_temperature is None:
        return None
    return SelfCorrelatingAggregation(options.scga_temperature, options.memory_budget // 16)
