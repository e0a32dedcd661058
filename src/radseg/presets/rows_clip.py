"""The methods on CLIP and DINO: how each is built, and its presets. A new one adds its rows here."""

from dataclasses import replace

from radseg.modes import SizeRule
from radseg.presets.builders import (
    MASKS,
    REGIONS,
    at_pixels,
    corrclip,
    on_clip,
    own_sam,
    proxyclip,
    published_talk2dino,
    published_textregion,
    region_labels,
    resclip,
    textregion,
    trident,
)
from radseg.presets.options import ResclipOptions, StrideOptions, TextOptions, TridentOptions, WindowOptions
from radseg.presets.registry import Method, Preset

_PROXY_MULTIPLE = 56
"""Of pixels, to which ProxyCLIP's code fills windows up: patches of 8 and of 14."""
_ROUNDED: tuple[SizeRule, ...] = ("patch", "stride", "up")

METHODS = {
    "maskclip": at_pixels(on_clip("maskclip:MaskCLIP"), "pixel"),
    "sclip": at_pixels(on_clip("sclip:SCLIP"), "pixel"),
    "clearclip": at_pixels(on_clip("clearclip:ClearCLIP"), "pixel"),
    "naclip": at_pixels(on_clip("naclip:NACLIP"), "pixel"),
    "segearth": on_clip("segearth:SegEarthOV"),
    "resclip": at_pixels(resclip(), "pixel"),
    "resclip-paper": at_pixels(resclip(rules="paper", affinity_dtype="float16"), "pixel"),
    "scclip": at_pixels(on_clip("scclip:SCCLIP"), "pixel"),
    "scclip-paper": at_pixels(on_clip("scclip:SCCLIP", mean_over="image"), "pixel"),
    "proxyclip": at_pixels(Method(proxyclip("window")), "pad", _PROXY_MULTIPLE),
    "proxyclip-paper": at_pixels(Method(proxyclip("image")), "pad", _PROXY_MULTIPLE),
    "talk2dino": on_clip("talk2dino:Talk2DINO"),
    "talk2dino-paper": Method(published_talk2dino, StrideOptions, text_dependent=True),
    "trident": Method(trident("window"), TridentOptions, MASKS, _ROUNDED, refiner=own_sam),
    "trident-paper": Method(trident("image"), TridentOptions, MASKS, _ROUNDED, refiner=own_sam),
    "corrclip": Method(corrclip("windows"), refines=REGIONS, refiner=region_labels),
    "corrclip-radio": Method(corrclip("image"), refines=REGIONS, refiner=region_labels),
    "textregion": Method(textregion, TextOptions),
    "textregion-paper": Method(published_textregion("raw"), TextOptions, text_dependent=True),
    "textregion-paper-unit": Method(published_textregion("unit"), TextOptions, text_dependent=True),
}

# Windows and scale of SCLIP's harness, which its followers kept; no prompt denoising outside of RADSeg.
_CLIP = WindowOptions(crop=224, stride=112, short_side=336, temperature=40.0, denoising=0.0)
# SegEarth-OV fits images into a square of 448.
_SEGEARTH = replace(_CLIP, short_side=448, long_side=448, temperature=50.0)
_RESCLIP = ResclipOptions(crop=224, stride=112, short_side=336, temperature=40.0, denoising=0.0)
_PROXY = WindowOptions(crop=336, stride=112, short_side=336, temperature=40.0, denoising=0.0)
# Trident's published rows include its refinement; iou_threshold is that of its configuration.
_TRIDENT = TridentOptions(
    crop=336,
    stride=224,
    short_side=576,
    temperature=40.0,
    denoising=0.0,
    refine="corrected",
    iou_threshold=0.8,
)
# As published: windows and logits at pixels, the softmax last.
_CLIP_PAPER = replace(_CLIP, size_rule="pixel", enlarge="cosines")
_RESCLIP_PAPER = replace(_RESCLIP, size_rule="pixel", enlarge="cosines")
_PROXY_PAPER = replace(_PROXY, size_rule="pad", enlarge="cosines")
_TRIDENT_PAPER = replace(_TRIDENT, size_rule="up", enlarge="cosines", refine="reference")
_CORR = replace(_PROXY, refine="regions")
_TEXTREGION = TextOptions(short_side=672, long_side=2016, temperature=50.0, denoising=0.0)
_TALK = replace(_CLIP, crop=448, stride=224, short_side=448, templates="imagenet7")
_TALK_PAPER = StrideOptions(
    crop=448, stride=224, short_side=448, temperature=40.0, denoising=0.0, templates="imagenet7",
    enlarge="cosines",
)  # fmt: skip
_B, _H = "clip-vit-b-16", "clip-vit-h-14-laion2b"
_DINOV2, _MAP = "dinov2-vit-b-14-reg", "talk2dino-vit-b-map"
_DINO_8, _SAM2_L = ("dino-vit-b-8",), ("sam2.1-hiera-l",)
_SAM2_B = ("sam2.1-hiera-b+",)
_DINO_SAM = ("dino-vit-b-16", "sam-vit-b-whole")
_NOT = "unmeasured by the paper"
_MEAN = "with the mean over all windows of an image"
_AT_PIXELS = "with windows at any pixel, as published"

PRESETS = (
    Preset("maskclip-b", _B, _CLIP, f"MaskCLIP: CLIP's last values; {_NOT}", "maskclip"),
    Preset("sclip-b", _B, _CLIP, f"SCLIP: query-query and key-key attention; {_NOT}", "sclip"),
    Preset("sclip-b-paper", _B, _CLIP_PAPER, f"SCLIP {_AT_PIXELS}; {_NOT}", "sclip"),
    Preset("clearclip-b", _B, _CLIP, f"ClearCLIP: query-query, no residual; {_NOT}", "clearclip"),
    Preset("clearclip-b-paper", _B, _CLIP_PAPER, f"ClearCLIP {_AT_PIXELS}; {_NOT}", "clearclip"),
    Preset("naclip-b", _B, _CLIP, "NACLIP: key-key attention with neighbours", "naclip", paper="A.2"),
    Preset("naclip-b-paper", _B, _CLIP_PAPER, f"NACLIP {_AT_PIXELS}", "naclip", paper="A.2"),
    Preset(
        "naclip-b-paper-pamr", _B, replace(_CLIP_PAPER, refine="pamr-cosines"),
        "NACLIP with PAMR, as in its own paper; RADSeg's tables are without", "naclip", paper="A.2",
    ),
    Preset("segearth-b", _B, _SEGEARTH, f"SegEarth-OV without its upsampler; {_NOT}", "segearth"),
    Preset("resclip-b", _B, _RESCLIP, "ResCLIP: NACLIP and a look at its own result", "resclip", paper="A.2"),
    Preset(
        "resclip-b-paper", _B, _RESCLIP_PAPER, "ResCLIP as its code computes", "resclip-paper", paper="A.2"
    ),
    Preset("scclip-b", _B, _CLIP, "SC-CLIP: calibrated by its inner layers", "scclip", paper="A.2"),
    Preset("scclip-b-paper", _B, _CLIP_PAPER, f"SC-CLIP {_MEAN}", "scclip-paper", paper="A.3"),
    Preset("proxyclip-b", _B, _PROXY, "ProxyCLIP: CLIP mixed by DINO", "proxyclip", _DINO_8, paper="A.2"),
    Preset(
        "proxyclip-b-paper", _B, _PROXY_PAPER, f"ProxyCLIP {_MEAN}", "proxyclip-paper", _DINO_8, paper="A.3"
    ),
    Preset("proxyclip-h", _H, _PROXY, "ProxyCLIP with CLIP ViT-H", "proxyclip", _DINO_8, paper="A.2"),
    Preset(
        "trident-b", _B, _TRIDENT, "Trident: CLIP mixed by DINO, then by SAM; masks refined by SAM",
        "trident", _DINO_SAM, paper="A.2",
    ),
    Preset(
        "trident-b-paper", _B, _TRIDENT_PAPER,
        "Trident with the published code's batch mean and mask prompts", "trident-paper", _DINO_SAM,
        paper="A.2",
    ),
    Preset(
        "trident-b-paper-raw", _B, replace(_TRIDENT, refine="reference", input_values="raw"),
        "Trident with images not normalised, as in Table 2", "trident-paper", _DINO_SAM, paper="A.2",
    ),
    Preset(  # whole patches of 14 and of 16 pixels: windows are multiples of 112
        "trident-h", _H, _TRIDENT, "Trident with CLIP ViT-H and SAM ViT-H",
        "trident", ("dino-vit-b-16", "sam-vit-h-whole"), paper="A.2",
    ),
    Preset(
        "corrclip-b", _B, _CORR, f"CorrCLIP: CLIP mixed by DINO inside SAM 2.1's regions; {_NOT}",
        "corrclip", _DINO_8 + _SAM2_L,
    ),
    Preset(
        "corrclip-l", "clip-vit-l-14", _CORR, f"CorrCLIP with CLIP ViT-L; {_NOT}",
        "corrclip", _DINO_8 + _SAM2_L,
    ),
    Preset(
        "corrclip-radio-b", _B, _CORR, f"CorrCLIP, mixed by C-RADIOv3-B; {_NOT}",
        "corrclip-radio", ("c-radio_v3-b", *_SAM2_L),
    ),
    Preset(
        "textregion-b", _B, _TEXTREGION, "TextRegion: CLIP's values pooled inside SAM 2.1's masks",
        "textregion", _SAM2_B, paper="A.2",
    ),
    Preset(
        "textregion-b-paper", _B, _TEXTREGION, "TextRegion with logits added where masks lie on each other",
        "textregion-paper", _SAM2_B, paper="A.2",
    ),
    Preset(
        "textregion-b-paper-unit", _B, _TEXTREGION, f"The same as in float32: unit values; {_NOT}",
        "textregion-paper-unit", _SAM2_B,
    ),
    Preset(
        "textregion-h", _H, _TEXTREGION, f"TextRegion with CLIP ViT-H and SAM 2.1 large; {_NOT}",
        "textregion", _SAM2_L,
    ),
    Preset(  # the published code runs this backbone in float32
        "textregion-h-paper", _H, _TEXTREGION, "TextRegion with ViT-H as published: unit values are pooled",
        "textregion-paper-unit", _SAM2_L, paper="A.2",
    ),
    Preset(
        "talk2dino-b", _DINOV2, _TALK, "Talk2DINO: DINOv2 and a trained text map (not training-free)",
        "talk2dino", text_map=_MAP, paper="A.2",
    ),
    Preset(
        "talk2dino-b-paper", _DINOV2, _TALK_PAPER, "Talk2DINO with sigmoids averaged over windows",
        "talk2dino-paper", text_map=_MAP, paper="A.2",
    ),
)  # fmt: skip
