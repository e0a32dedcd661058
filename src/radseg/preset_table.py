"""The presets as a table: which weights, which method, which numbers. How one is loaded is in presets.py."""

from dataclasses import dataclass, replace
from typing import Literal

from radseg import miniature
from radseg.options import Options


@dataclass(frozen=True)
class Preset:
    """A name for a checkpoint and the way to use it.

    Attributes:
        checkpoint: catalogue name of the weights; None where the preset brings its own.
        note: what it is for, one line.
        embedded: which model inside this package it is, where it is one.
        method: name of the method in `preset_methods.METHODS`.
        auxiliary: catalogue names of further weights the method looks with, in its order.
        text_map: catalogue name of a trained map that its words pass through, where it has one.
    """

    name: str
    checkpoint: str | None
    options: Options
    note: str
    embedded: Literal["toy", "miniature"] | None = None
    method: str = "radseg"
    auxiliary: tuple[str, ...] = ()
    text_map: str | None = None


# The released code, run on an image as it is: sides rounded up to the stride, first name if all are denoised.
_PAPER = Options(size_rule="stride", short_side=None, long_side=None, all_denoised="first")
_PLUS = Options(refine="corrected")
_MINIATURE = Options(
    crop=miniature.CROP, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none"
)
_MINIATURE_PLUS = replace(_MINIATURE, refine="corrected", iou_threshold=miniature.IOU_THRESHOLD)

RADSEG = (
    Preset("radseg-b", "c-radio_v3-b", Options(), "RADSeg, 105 M parameters: the one to start with"),
    Preset("radseg-h", "c-radio_v3-h", Options(), "RADSeg with the huge backbone"),
    Preset("radseg-b+", "c-radio_v3-b", _PLUS, "RADSeg+: masks refined through RADIO's SAM adaptor"),
    Preset("radseg-h+", "c-radio_v3-h", _PLUS, "RADSeg+ with the huge backbone"),
    Preset("radseg-b-paper", "c-radio_v3-b", _PAPER, "as the released code computes, for reproduction"),
    Preset("radseg-h-paper", "c-radio_v3-h", _PAPER, "as the released code computes, huge backbone"),
    Preset(
        "radio-b",
        "c-radio_v3-b",
        Options(scra_temperature=None, scga_temperature=None),
        "plain RADIO patches without SCRA and SCGA, for ablation",
    ),
    Preset("miniature", None, _MINIATURE, miniature.NOTE, "miniature"),
    Preset("miniature+", None, _MINIATURE_PLUS, f"{miniature.NOTE}; masks refined", "miniature"),
    Preset("toy", None, Options(short_side=None), "colours only, for tests and examples", "toy"),
)

_OTHER = Options(scra_temperature=None, scga_temperature=None)
_WHOLE = replace(_OTHER, crop=None, short_side=512)
_ROOMS = replace(_MINIATURE, scra_temperature=None, scga_temperature=None)
_R = "c-radio_v3-b"

ON_RADIO = (
    Preset("naradio-b", _R, _OTHER, "NARADIO: key-key attention with neighbours", method="naradio"),
    Preset("proxyradio-d-b", _R, _OTHER, "ProxyRADIO-D: mixed by its DINOv2 head", method="proxyradio-d"),
    Preset("proxyradio-s-b", _R, _OTHER, "ProxyRADIO-S: mixed by its SAM head", method="proxyradio-s"),
    Preset("resradio-b", _R, _OTHER, "ResRADIO: inner attention and first labels", method="resradio"),
    Preset("rayfronts-b", "radio_v2.5-b", _WHOLE, "RayFronts' encoder, one window", method="rayfronts"),
    Preset(
        "rayfronts-b-paper",
        "radio_v2.5-b",
        _WHOLE,
        "RayFronts' encoder with its transposed neighbourhood",
        method="rayfronts-paper",
    ),
    Preset("miniature-radio", None, _ROOMS, "the miniature without SCRA and SCGA", "miniature"),
    Preset("miniature-naradio", None, _ROOMS, "NARADIO on the miniature", "miniature", "naradio"),
    Preset(
        "miniature-rayfronts",
        None,
        replace(_ROOMS, crop=None),
        "RayFronts on the miniature",
        "miniature",
        "rayfronts",
    ),
    Preset(
        "miniature-proxyradio-d",
        None,
        _ROOMS,
        "ProxyRADIO on the miniature, mixed by its surface head",
        "miniature",
        "proxyradio-surface",
    ),
    Preset(
        "miniature-proxyradio-s",
        None,
        _ROOMS,
        "ProxyRADIO on the miniature, mixed by its SAM head",
        "miniature",
        "proxyradio-s",
    ),
    Preset("miniature-resradio", None, _ROOMS, "ResRADIO on the miniature", "miniature", "resradio"),
)
"""What the paper's Table 5 compares, in one harness; SCGA and the size rule are options of each."""

# Windows and scale of SCLIP's harness, which its followers kept; no prompt denoising outside of RADSeg.
_CLIP = Options(crop=224, stride=112, short_side=336, temperature=40.0, denoising=0.0)
_PROXY = Options(crop=336, stride=112, short_side=336, temperature=40.0, denoising=0.0)
# Trident's published rows include its refinement; iou_threshold is that of its configuration.
_TRIDENT = replace(_PROXY, stride=224, short_side=576, refine="corrected", iou_threshold=0.8)
_CORR = replace(_PROXY, refine="regions")
_TEXTREGION = Options(short_side=672, long_side=2016, temperature=50.0, denoising=0.0)
_TALK = replace(_CLIP, crop=448, stride=224, short_side=448, templates="imagenet7")
_B, _H = "clip-vit-b-16", "clip-vit-h-14-laion2b"

ON_CLIP = (
    Preset("maskclip-b", _B, _CLIP, "MaskCLIP: CLIP's last values", method="maskclip"),
    Preset("sclip-b", _B, _CLIP, "SCLIP: query-query and key-key attention", method="sclip"),
    Preset("clearclip-b", _B, _CLIP, "ClearCLIP: query-query, no residual", method="clearclip"),
    Preset("naclip-b", _B, _CLIP, "NACLIP: key-key attention with neighbours", method="naclip"),
    Preset("resclip-b", _B, _CLIP, "ResCLIP: NACLIP and a look at its own result", method="resclip"),
    Preset("resclip-b-paper", _B, _CLIP, "ResCLIP as its code computes", method="resclip-paper"),
    Preset("scclip-b", _B, _CLIP, "SC-CLIP: calibrated by its inner layers", method="scclip"),
    Preset(
        "scclip-b-paper",
        _B,
        _CLIP,
        "SC-CLIP with the mean over all windows of an image",
        method="scclip-paper",
    ),
    Preset(
        "proxyclip-b",
        _B,
        _PROXY,
        "ProxyCLIP: CLIP mixed by DINO",
        method="proxyclip",
        auxiliary=("dino-vit-b-8",),
    ),
    Preset(
        "proxyclip-b-paper",
        _B,
        _PROXY,
        "ProxyCLIP with the mean over all windows of an image",
        method="proxyclip-paper",
        auxiliary=("dino-vit-b-8",),
    ),
    Preset(
        "proxyclip-h",
        _H,
        _PROXY,
        "ProxyCLIP with CLIP ViT-H",
        method="proxyclip",
        auxiliary=("dino-vit-b-8",),
    ),
    Preset(
        "trident-b",
        _B,
        _TRIDENT,
        "Trident: CLIP mixed by DINO, then by SAM; masks refined by SAM",
        method="trident",
        auxiliary=("dino-vit-b-16", "sam-vit-b-whole"),
    ),
    Preset(
        "trident-b-paper",
        _B,
        replace(_TRIDENT, refine="reference"),
        "Trident with the published code's batch mean and mask prompts",
        method="trident-paper",
        auxiliary=("dino-vit-b-16", "sam-vit-b-whole"),
    ),
    Preset(
        "trident-h",
        _H,
        # Whole patches of 14 and of 16 pixels: windows are multiples of 112.
        _TRIDENT,
        "Trident with CLIP ViT-H and SAM ViT-H",
        method="trident",
        auxiliary=("dino-vit-b-16", "sam-vit-h-whole"),
    ),
    Preset(
        "corrclip-b",
        _B,
        _CORR,
        "CorrCLIP: CLIP mixed by DINO inside SAM 2.1's regions",
        method="corrclip",
        auxiliary=("dino-vit-b-8", "sam2.1-hiera-l"),
    ),
    Preset(
        "corrclip-l",
        "clip-vit-l-14",
        _CORR,
        "CorrCLIP with CLIP ViT-L",
        method="corrclip",
        auxiliary=("dino-vit-b-8", "sam2.1-hiera-l"),
    ),
    Preset(
        "corrclip-radio-b",
        _B,
        _CORR,
        "CorrCLIP, mixed by C-RADIOv3-B",
        method="corrclip-radio",
        auxiliary=("c-radio_v3-b", "sam2.1-hiera-l"),
    ),
    Preset(
        "textregion-b",
        _B,
        _TEXTREGION,
        "TextRegion: CLIP's values pooled inside SAM 2.1's masks",
        method="textregion",
        auxiliary=("sam2.1-hiera-b+",),
    ),
    Preset(
        "textregion-b-paper",
        _B,
        _TEXTREGION,
        "TextRegion with logits added where masks lie on each other",
        method="textregion-paper",
        auxiliary=("sam2.1-hiera-b+",),
    ),
    Preset(
        "textregion-h",
        _H,
        _TEXTREGION,
        "TextRegion with CLIP ViT-H and SAM 2.1 large",
        method="textregion",
        auxiliary=("sam2.1-hiera-l",),
    ),
    Preset(
        "talk2dino-b",
        "dinov2-vit-b-14-reg",
        _TALK,
        "Talk2DINO: DINOv2 and a trained text map (not training-free)",
        method="talk2dino",
        text_map="talk2dino-vit-b-map",
    ),
    Preset(
        "talk2dino-b-paper",
        "dinov2-vit-b-14-reg",
        _TALK,
        "Talk2DINO with sigmoids averaged over windows",
        method="talk2dino-paper",
        text_map="talk2dino-vit-b-map",
    ),
)
"""The methods on CLIP."""

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*RADSEG, *ON_CLIP, *ON_RADIO)}
