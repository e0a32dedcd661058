"""RADSeg and the other methods on RADIO: how each is built, and its presets. A new one adds its rows here."""

from dataclasses import replace

from radseg import miniature
from radseg.presets.builders import MASKS, on_radio, radseg, rayfronts
from radseg.presets.options import Options, RadioOptions, RadsegOptions, RayfrontsOptions
from radseg.presets.registry import Method, Preset

METHODS = {
    "toy": Method(lambda encoder, _, __: encoder, Options),
    "radseg": Method(radseg, RadsegOptions, MASKS),
    "naradio": on_radio("naradio:NARADIO"),
    "rayfronts": rayfronts("rows"),
    "rayfronts-paper": rayfronts("transposed"),
    "proxyradio-d": on_radio("proxyradio:ProxyRADIO", adaptors=("dino_v2",), teacher="dino_v2"),
    "proxyradio-s": on_radio("proxyradio:ProxyRADIO", adaptors=("sam",), teacher="sam"),
    "proxyradio-surface": on_radio("proxyradio:ProxyRADIO", adaptors=("surface",), teacher="surface"),
    "resradio": on_radio("resradio:ResRADIO", text_dependent=True),
}
"""What the paper's Table 5 compares, in one harness; SCGA and the size rule are options of each."""

# The released code, run on an image as it is: sides rounded up to the stride, first name if all are denoised.
_PAPER = RadsegOptions(size_rule="stride", short_side=None, long_side=None, all_denoised="first")
_PLUS = RadsegOptions(refine="corrected")
_MINIATURE = RadsegOptions(
    crop=miniature.CROP, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none"
)
_MINIATURE_PLUS = replace(_MINIATURE, refine="corrected", iou_threshold=miniature.IOU_THRESHOLD)

RADSEG = (
    Preset(
        "radseg-b", "c-radio_v3-b", RadsegOptions(), "RADSeg, 105 M parameters: the one to start with",
        paper="A.2",
    ),
    Preset("radseg-h", "c-radio_v3-h", RadsegOptions(), "RADSeg with the huge backbone", paper="A.2"),
    Preset(
        "radseg-b+", "c-radio_v3-b", _PLUS, "RADSeg+: masks refined through RADIO's SAM adaptor", paper="A.2"
    ),
    Preset("radseg-h+", "c-radio_v3-h", _PLUS, "RADSeg+ with the huge backbone", paper="A.2"),
    Preset(
        "radseg-b-paper", "c-radio_v3-b", _PAPER, "as the released code computes, for reproduction",
        paper="A.2",
    ),
    Preset(
        "radseg-h-paper", "c-radio_v3-h", _PAPER, "as the released code computes, huge backbone", paper="A.2"
    ),
    Preset(
        "radseg-v4-so400m", "c-radio_v4-so400m", RadsegOptions(), "RADSeg on C-RADIOv4, 412 M: unmeasured"
    ),
    Preset("radseg-v4-h", "c-radio_v4-h", RadsegOptions(), "RADSeg on C-RADIOv4, huge: unmeasured"),
    Preset(
        "radio-b", "c-radio_v3-b", RadsegOptions(scra_temperature=None, scga_temperature=None),
        "plain RADIO patches without SCRA and SCGA, for ablation", paper="A.4",
    ),
    Preset("miniature", "miniature", _MINIATURE, miniature.NOTE),
    Preset("miniature+", "miniature", _MINIATURE_PLUS, f"{miniature.NOTE}; masks refined"),
    Preset("toy", "toy", Options(short_side=None), "colours only, for tests and examples", "toy"),
)  # fmt: skip

_OTHER = RadioOptions(scga_temperature=None)
_WHOLE = RayfrontsOptions(scga_temperature=None, crop=None, short_side=512)
_ROOMS = RadioOptions(
    crop=miniature.CROP, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none",
    scga_temperature=None,
)  # fmt: skip
_ROOM = RayfrontsOptions(
    crop=None, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none",
    scga_temperature=None,
)  # fmt: skip
_ROOMS_PLAIN = replace(_MINIATURE, scra_temperature=None, scga_temperature=None)
_R, _M = "c-radio_v3-b", "miniature"

ON_RADIO = (
    Preset("naradio-b", _R, _OTHER, "NARADIO: key-key attention with neighbours", "naradio", paper="A.8"),
    Preset(
        "proxyradio-d-b", _R, _OTHER, "ProxyRADIO-D: mixed by its DINOv2 head", "proxyradio-d", paper="A.8"
    ),
    Preset("proxyradio-s-b", _R, _OTHER, "ProxyRADIO-S: mixed by its SAM head", "proxyradio-s", paper="A.8"),
    Preset("resradio-b", _R, _OTHER, "ResRADIO: inner attention and first labels", "resradio", paper="A.8"),
    Preset("rayfronts-b", "radio_v2.5-b", _WHOLE, "RayFronts' encoder, one window", "rayfronts", paper="A.2"),
    Preset(
        "rayfronts-b-paper", "radio_v2.5-b", _WHOLE, "RayFronts' encoder with its transposed neighbourhood",
        "rayfronts-paper", paper="A.2",
    ),
    Preset(
        "rayfronts-b-paper-raw", "radio_v2.5-b", replace(_WHOLE, input_values="raw"),
        "RayFronts' encoder with images not normalised, as in Table 2", "rayfronts-paper", paper="A.2",
    ),
    Preset("miniature-radio", _M, _ROOMS_PLAIN, "the miniature without SCRA and SCGA"),
    Preset("miniature-naradio", _M, _ROOMS, "NARADIO on the miniature", "naradio"),
    Preset(
        "miniature-rayfronts", _M, _ROOM, "RayFronts on the miniature", "rayfronts"
    ),
    Preset(
        "miniature-proxyradio-d", _M, _ROOMS, "ProxyRADIO on the miniature, mixed by its surface head",
        "proxyradio-surface",
    ),
    Preset(
        "miniature-proxyradio-s", _M, _ROOMS, "ProxyRADIO on the miniature, mixed by its SAM head",
        "proxyradio-s",
    ),
    Preset("miniature-resradio", _M, _ROOMS, "ResRADIO on the miniature", "resradio"),
)  # fmt: skip
