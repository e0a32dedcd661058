"""The presets as a table: which weights, which method, which numbers. Loads nothing heavy."""

from dataclasses import dataclass, replace

from radseg import miniature
from radseg.errors import InputError
from radseg.presets.options import (
    Options,
    RadioOptions,
    RadsegOptions,
    StrideOptions,
    TextOptions,
    TridentOptions,
    WindowOptions,
)
from radseg.weights import catalog


@dataclass(frozen=True)
class Preset:
    """A name for a backbone, a method and its numbers.

    Attributes:
        checkpoint: the backbone: catalogue name of its weights, or of a registered backbone
            (`backbones.BACKBONES`), such as the embedded miniature.
        options: those of the method, of the class it declares.
        note: what it is for, one line.
        method: name of the method in `methods.METHODS`.
        auxiliary: catalogue names of the weights of further networks the method uses, in its order.
        text_map: catalogue name of a trained map that its text embeddings pass through, where it has one.
    """

    name: str
    checkpoint: str
    options: Options
    note: str
    method: str = "radseg"
    auxiliary: tuple[str, ...] = ()
    text_map: str | None = None

    @property
    def published(self) -> bool:
        """Whether its weights come from the catalogue; embedded and registered backbones bring their own."""
        return any(row.name == self.checkpoint for row in catalog.ROWS)


# The released code, run on an image as it is: sides rounded up to the stride, first name if all are denoised.
_PAPER = RadsegOptions(size_rule="stride", short_side=None, long_side=None, all_denoised="first")
_PLUS = RadsegOptions(refine="corrected")
_MINIATURE = RadsegOptions(
    crop=miniature.CROP, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none"
)
_MINIATURE_PLUS = replace(_MINIATURE, refine="corrected", iou_threshold=miniature.IOU_THRESHOLD)

RADSEG = (
    Preset("radseg-b", "c-radio_v3-b", RadsegOptions(), "RADSeg, 105 M parameters: the one to start with"),
    Preset("radseg-h", "c-radio_v3-h", RadsegOptions(), "RADSeg with the huge backbone"),
    Preset("radseg-b+", "c-radio_v3-b", _PLUS, "RADSeg+: masks refined through RADIO's SAM adaptor"),
    Preset("radseg-h+", "c-radio_v3-h", _PLUS, "RADSeg+ with the huge backbone"),
    Preset("radseg-b-paper", "c-radio_v3-b", _PAPER, "as the released code computes, for reproduction"),
    Preset("radseg-h-paper", "c-radio_v3-h", _PAPER, "as the released code computes, huge backbone"),
    Preset(
        "radio-b",
        "c-radio_v3-b",
        RadsegOptions(scra_temperature=None, scga_temperature=None),
        "plain RADIO patches without SCRA and SCGA, for ablation",
    ),
    Preset("miniature", "miniature", _MINIATURE, miniature.NOTE),
    Preset("miniature+", "miniature", _MINIATURE_PLUS, f"{miniature.NOTE}; masks refined"),
    Preset("toy", "toy", Options(short_side=None), "colours only, for tests and examples", "toy"),
)

_OTHER = RadioOptions(scga_temperature=None)
_WHOLE = replace(_OTHER, crop=None, short_side=512)
_ROOMS = RadioOptions(
    crop=miniature.CROP,
    stride=miniature.STRIDE,
    short_side=miniature.SHORT_SIDE,
    scga_temperature=None,
    templates="none",
)
_ROOMS_PLAIN = replace(_MINIATURE, scra_temperature=None, scga_temperature=None)
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
    Preset("miniature-radio", "miniature", _ROOMS_PLAIN, "the miniature without SCRA and SCGA"),
    Preset("miniature-naradio", "miniature", _ROOMS, "NARADIO on the miniature", "naradio"),
    Preset(
        "miniature-rayfronts",
        "miniature",
        replace(_ROOMS, crop=None),
        "RayFronts on the miniature",
        "rayfronts",
    ),
    Preset(
        "miniature-proxyradio-d",
        "miniature",
        _ROOMS,
        "ProxyRADIO on the miniature, mixed by its surface head",
        "proxyradio-surface",
    ),
    Preset(
        "miniature-proxyradio-s",
        "miniature",
        _ROOMS,
        "ProxyRADIO on the miniature, mixed by its SAM head",
        "proxyradio-s",
    ),
    Preset("miniature-resradio", "miniature", _ROOMS, "ResRADIO on the miniature", "resradio"),
)
"""What the paper's Table 5 compares, in one harness; SCGA and the size rule are options of each."""

# Windows and scale of SCLIP's harness, which its followers kept; no prompt denoising outside of RADSeg.
_CLIP = WindowOptions(crop=224, stride=112, short_side=336, temperature=40.0, denoising=0.0)
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
_CORR = replace(_PROXY, refine="regions")
_TEXTREGION = TextOptions(short_side=672, long_side=2016, temperature=50.0, denoising=0.0)
_TALK = replace(_CLIP, crop=448, stride=224, short_side=448, templates="imagenet7")
_TALK_PAPER = StrideOptions(
    crop=448, stride=224, short_side=448, temperature=40.0, denoising=0.0, templates="imagenet7"
)
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
        _TALK_PAPER,
        "Talk2DINO with sigmoids averaged over windows",
        method="talk2dino-paper",
        text_map="talk2dino-vit-b-map",
    ),
)
"""The methods on CLIP."""

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*RADSEG, *ON_CLIP, *ON_RADIO)}


def register_preset(preset: Preset) -> None:
    """Add a preset of one's own: from then on it is chosen by name like the others.

    Raises:
        InputError: the name is taken.
    """
    if preset.name in PRESETS:
        raise InputError(f"There is a preset {preset.name!r} already; choose another name.")
    PRESETS[preset.name] = preset
