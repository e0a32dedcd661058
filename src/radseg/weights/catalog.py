"""Facts about published weights, as a table. No network, no torch.

A digest of None means "not pinned in this release": the file is verified against the digest its hub
reports when it is downloaded, and that digest is recorded in the store and checked from then on (trust on
first use). Parts read by byte range have no published digest; what they are as written is recorded.
Facts marked (i) in `notes` are inferred; those of "its page" were read on the hub's own pages, others in the
source that is named. Shapes are always read from the file. A licence's link is the one of the model's card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from radseg.errors import InputError

Kind = Literal["radio", "text", "sam_decoder", "vision", "sam", "text_map"]
KINDS: dict[Kind, str] = {
    "radio": "RADIO model",
    "text": "text tower",
    "sam_decoder": "SAM decoder",
    "vision": "image tower",
    "sam": "whole SAM",
    "text_map": "text map",
}
"""What each kind is: an image tower is CLIP's or DINO's; RADSeg+ refines with SAM's decoder alone, others
with a whole SAM or SAM 2.1; a text map is trained to carry one text space into another."""
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
"""Files of which a text tower needs one to turn prompts into tokens."""
TOKENIZER = ("tokenizer_config.json", "special_tokens_map.json", "merges.txt", *VOCABULARIES)
"""Files of a text tower that belong to its prompts; what there is of them is kept."""
HUB = "https://huggingface.co"


@dataclass(frozen=True)
class License:
    """Terms of use.

    Attributes:
        id: SPDX-like identifier.
        title: its name, shown on first download.
        url: where to read it.
        requires_acceptance: the terms restrict use, so they must be accepted in so many words.
    """

    id: str
    title: str
    url: str
    requires_acceptance: bool = False


NVIDIA_OPEN = License(
    "NVIDIA-Open-Model-License",
    "NVIDIA Open Model License (commercial use allowed)",
    "https://developer.download.nvidia.com/licenses/nvidia-open-model-license-agreement-june-2024.pdf",
)
NVIDIA_RESEARCH = License(
    "NVIDIA-NSCLv1",
    "NVIDIA Source Code License-NC (research and evaluation only, no commercial use)",
    f"{HUB}/nvidia/RADIO/blob/main/LICENSE",
    requires_acceptance=True,
)
APACHE = License("Apache-2.0", "Apache License 2.0", "https://www.apache.org/licenses/LICENSE-2.0")
APPLE = License(
    "Apple-AMLR",
    "Apple Machine Learning Research Model License (apple-amlr; not open source)",
    f"{HUB}/apple/DFN5B-CLIP-ViT-H-14-378/blob/main/LICENSE",
    requires_acceptance=True,
)
MIT = License("MIT", "MIT License", "https://opensource.org/license/mit")
NO_LICENSE = License(
    "none",
    "no licence stated (all rights reserved; ask its authors before you publish or sell anything)",
    "https://github.com/lorebianchi98/Talk2DINO",
    requires_acceptance=True,
)


@dataclass(frozen=True)
class Shape:
    """Numbers of a vision transformer as published; None where not known.

    Attributes:
        cls_tokens, registers: prefix tokens.
        adaptors: teacher names in their order.
    """

    width: int
    depth: int
    heads: int
    mlp_width: int
    cls_tokens: int | None = None
    registers: int | None = None
    adaptors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One published set of weights.

    Attributes:
        name: what radseg calls it; also the embedding space of a text tower.
        kind: what it is.
        repository, revision, file: where it lies on the hub; text towers and SAM's decoder are read by byte
            range.
        beside: further files of the repository without which it is of no use.
        optional, one_of: files that are kept too where they are published; one of the second must be.
        alternatives: other names under which a repository may hold the same weights, tried in this order
            after `file`; each of them, and `file`, may also be an index of shards (".index.json").
        stored: what the part of `file` that is kept is called here, where that is another name.
        activation: of a text tower whose repository may lack config.json; with `shape` it stands for that.
        sha256: of the whole file, None if not pinned (see the module).
        bytes: what is fetched for it, about, without the small files beside it; 0 where nothing is, because
            it is not supported. RADIO's are from the publisher's pages, v2.5-b and -l to the byte, others to
            three digits; v4's are a third party's. All others are computed from the published shapes, in
            float32: of the text tensors alone for a text tower, of what is kept of SAM for its decoder.
        paper: arXiv id.
        patch: side of a patch in pixels; 0 for text towers.
        space: text space of the language adaptor, or of the tower; None if there is none.
        supported: whether this release can convert it; `warning` says why not.
        warning: a reason not to use it, shown when it is chosen.
        notes: sources and caveats.
    """

    name: str
    kind: Kind
    repository: str
    file: str
    license: License
    paper: str
    patch: int
    space: str | None
    shape: Shape | None = None
    revision: str = "main"
    sha256: str | None = None
    bytes: int = 0
    beside: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    stored: str = ""
    activation: str = ""
    supported: bool = True
    warning: str = ""
    notes: str = ""

    @property
    def page(self) -> str:
        """Where a person finds the file."""
        return f"{HUB}/{self.repository}"

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that must lie in its folder on this machine."""
        return (self.stored or self.file, *self.beside)

    @property
    def candidates(self) -> tuple[str, ...]:
        """Names under which the weights may be published, the likeliest first."""
        return tuple(dict.fromkeys((self.file, *self.alternatives)))


_LIBRARY = ("model.safetensors", "pytorch_model.bin")
_OPEN_CLIP = "open_clip_pytorch_model.bin"
_described = partial(Row, beside=("config.json",), alternatives=_LIBRARY)
_text = partial(_described, optional=TOKENIZER, one_of=VOCABULARIES)


SO400M_NAFLEX = "siglip2-so400m-patch16-naflex"
GIANT = "siglip2-giant-opt-patch16-384"
SIGLIP = "siglip-so400m-patch14-384"
DFN5B = "clip-vit-h-14-378-dfn5b"
OPENAI_B = "clip-vit-b-16-openai"
OPENAI_L = "clip-vit-l-14-openai"
LAION_H = "clip-vit-h-14-laion2b-s32b"
TALK2DINO = "talk2dino-vit-b"

_V3 = "2412.07679"  # RADIOv2.5, the family's report; C-RADIOv3 has none of its own
_V4 = "2601.17237"
_FOUR = ("clip", "siglip2", "dino_v2", "sam")
_FOUR_G = ("clip", "siglip2-g", "dino_v2", "sam")
_FOUR_25 = ("clip", "siglip", "dino_v2", "sam")
_CLIP = "2103.00020"
_QUICK = "QuickGELU. The same weights as open_clip's `-quickgelu` models with tag openai."
_DINO = "No text space. Trained with norm eps 1e-6, whatever config.json says."
_BIN = "The pickle is read, restrictedly; that main holds a safetensors file is inferred (i), and tried next."
_FILES = "Repository and file: NVlabs/RADIO radio/common.py. Licence: its README."
_V3_PAGE = f"{_FILES} File and licence are on its page."

ROWS: tuple[Row, ...] = (
    Row(
        "c-radio_v3-b", "radio", "nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar", NVIDIA_OPEN, _V3, 16,
        SO400M_NAFLEX, Shape(768, 12, 12, 3072, 4, 4, _FOUR), bytes=547_000_000,
        notes=f"{_V3_PAGE} The preset of the RADSeg paper. 547 MB. Heads (i): 1520 hidden, 2 blocks.",
    ),
    Row(
        "c-radio_v3-l", "radio", "nvidia/C-RADIOv3-L", "c-radio-v3_l_half.pth.tar", NVIDIA_OPEN, _V3, 16,
        SO400M_NAFLEX, Shape(1024, 24, 16, 4096, 4, 4, _FOUR),
        warning="Its patches are not aligned with its CLS token: language segmentation scores about 1 mIoU. "
        "Use c-radio_v3-b or c-radio_v3-h.", bytes=1_000_000_000,
        notes=f"{_V3_PAGE} The odd file name is the publisher's. No alignment: RADSeg paper, table 3 "
        "(0.86 mIoU).",
    ),
    Row(
        "c-radio_v3-h", "radio", "nvidia/C-RADIOv3-H", "c-radio_v3-h_half.pth.tar", NVIDIA_OPEN, _V3, 16,
        GIANT, Shape(1280, 32, 16, 5120, 4, 4, _FOUR_G), bytes=1_850_000_000,
        notes=f"{_V3_PAGE} LayerScale unclear (i).",
    ),
    Row(
        "c-radio_v3-g", "radio", "nvidia/C-RADIOv3-g", "c-radio_v3-g_half.pth.tar", NVIDIA_OPEN, _V3, 16,
        GIANT, Shape(1536, 40, 24, 6144, adaptors=_FOUR_G), bytes=2_710_000_000,
        notes=f"{_V3_PAGE} Shape, prefix tokens (i). May scale its norms by depth (i): not supported.",
    ),
    Row(
        "radio_v2.5-b", "radio", "nvidia/RADIO", "radio-v2.5-b_half.pth.tar", NVIDIA_RESEARCH, _V3, 16,
        SIGLIP, Shape(768, 12, 12, 3072, 4, 4, _FOUR_25), bytes=649_011_254,
        notes=f"{_FILES} Prefix tokens: NVlabs/RADIO issue 80. No LayerScale (i).",
    ),
    Row(
        "radio_v2.5-l", "radio", "nvidia/RADIO", "radio-v2.5-l_half.pth.tar", NVIDIA_RESEARCH, _V3, 16,
        SIGLIP, Shape(1024, 24, 16, 4096, adaptors=_FOUR_25), bytes=1_104_806_006,
        notes=f"{_FILES} Prefix tokens, LayerScale (i).",
    ),
    Row(
        "radio_v2.5-h", "radio", "nvidia/RADIO", "radio_v2.5-h.pth.tar", NVIDIA_RESEARCH, _V3, 16,
        SIGLIP, Shape(1280, 32, 16, 5120, adaptors=_FOUR_25), bytes=2_280_000_000,
        notes=f"{_FILES} Prefix tokens, LayerScale (i).",
    ),
    Row(
        "radio_v2.5-g", "radio", "nvidia/RADIO", "radio_v2.5-g.pth.tar", NVIDIA_RESEARCH, _V3, 14,
        SIGLIP, Shape(1536, 40, 24, 4096, adaptors=_FOUR_25),
        supported=False,
        warning="Its DINOv2-g architecture (patch 14, SwiGLU) is not supported in this release.",
        notes=f"{_FILES} SwiGLU width, prefix tokens (i).",
    ),
    Row(
        "c-radio_v4-so400m", "radio", "nvidia/C-RADIOv4-SO400M", "c-radio_v4-so400m_half.pth.tar",
        NVIDIA_OPEN, _V4, 16, GIANT, Shape(1152, 27, 16, 4304, adaptors=("siglip2-g", "dino_v3_7b", "sam3")),
        bytes=1_530_000_000,
        notes=f"{_FILES} No sam adaptor: no SAM refinement. A third party reports revision c0457f5d with "
        "sha256 d02697ede20f2716c4db12a9d3dab1c5a9b47d15a16cdcd46a69d08062b77aaf; one source, so not pinned.",
    ),
    Row(
        "c-radio_v4-h", "radio", "nvidia/C-RADIOv4-H", "c-radio_v4-h_half.pth.tar",
        NVIDIA_OPEN, _V4, 16, GIANT, Shape(1280, 32, 16, 5120, adaptors=("siglip2-g", "dino_v3_7b", "sam3")),
        bytes=1_680_000_000,
        notes=f"{_FILES} No sam adaptor: no SAM refinement. siglip2-g: summary MLP 1520 hidden, attention "
        "feature head without qkv bias (third-party readers of the file).",
    ),
    _text(
        SO400M_NAFLEX, "text", "google/siglip2-so400m-patch16-naflex", "model.safetensors", APACHE,
        "2502.14786", 0, SO400M_NAFLEX, bytes=2_831_131_584, notes="1152-d. Only text_model.* is fetched.",
    ),
    _text(
        GIANT, "text", "google/siglip2-giant-opt-patch16-384", "model.safetensors", APACHE, "2502.14786",
        0, GIANT, bytes=2_832_902_592, notes="1536-d. Two shards and their index, by its page.",
    ),
    _text(
        SIGLIP, "text", "google/siglip-so400m-patch14-384", "model.safetensors", APACHE, "2303.15343",
        0, SIGLIP, bytes=1_798_939_584,
        notes="1152-d. Stands for open_clip ViT-SO400M-14-SigLIP-384/webli, the same weights (i).",
    ),
    _text(
        DFN5B, "text", "apple/DFN5B-CLIP-ViT-H-14-378", "model.safetensors", APPLE, "2309.17425",
        0, DFN5B, Shape(1024, 24, 16, 4096), alternatives=("pytorch_model.bin", _OPEN_CLIP),
        activation="quick_gelu", bytes=1_416_130_560,
        notes="1024-d. open_clip ViT-H-14-378-quickgelu/dfn5b. Its page has "
        "config.json, tokenizer.json, pytorch_model.bin and open_clip's files; a safetensors file (i). "
        "Heads: open_clip's model configuration.",
    ),
    Row(
        "sam-vit-h", "sam_decoder", "facebook/sam-vit-huge", "model.safetensors", APACHE, "2304.02643", 16,
        None, stored="sam.safetensors", bytes=19_933_376,
        notes="Prompt encoder, mask decoder and neck only, by byte range. The original sam_vit_h_4b8939.pth "
        "(2564550879 bytes, sha256 a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e) is "
        "accepted as a local file.",
    ),
    _described(
        "clip-vit-b-16", "vision", "openai/clip-vit-base-patch16", "pytorch_model.bin", MIT, _CLIP, 16,
        OPENAI_B, Shape(768, 12, 12, 3072, 1, 0), bytes=598_482_948, notes=f"{_QUICK} {_BIN}",
    ),
    _described(
        "clip-vit-l-14", "vision", "openai/clip-vit-large-patch14", "model.safetensors", MIT, _CLIP, 14,
        OPENAI_L, Shape(1024, 24, 16, 4096, 1, 0), bytes=1_710_466_052, notes=_QUICK,
    ),
    _described(
        "clip-vit-h-14-laion2b", "vision", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "model.safetensors", MIT,
        "2212.07143", 14, LAION_H, Shape(1280, 32, 16, 5120, 1, 0), bytes=3_944_437_764,
        notes="Exact GELU. open_clip "
        "ViT-H-14/laion2b_s32b_b79k; that it holds a transformers safetensors file is inferred (i).",
    ),
    _text(
        OPENAI_B, "text", "openai/clip-vit-base-patch16", "model.safetensors", MIT, _CLIP, 0, OPENAI_B,
        bytes=253_712_384,
        notes="512-d. That main holds a safetensors file is inferred (i); else the pickle is read.",
    ),
    _text(
        OPENAI_L, "text", "openai/clip-vit-large-patch14", "model.safetensors", MIT, _CLIP, 0, OPENAI_L,
        bytes=494_601_216, notes="768-d.",
    ),
    _text(
        LAION_H, "text", "laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "model.safetensors", MIT, "2212.07143", 0,
        LAION_H, Shape(1024, 24, 16, 4096), alternatives=("pytorch_model.bin", _OPEN_CLIP),
        activation="gelu", bytes=1_416_130_560,
        notes="1024-d. That it holds a safetensors file is inferred (i).",
    ),
    _described(
        "dino-vit-b-8", "vision", "facebook/dino-vitb8", "pytorch_model.bin", APACHE, "2104.14294", 8, None,
        Shape(768, 12, 12, 3072, 1, 0), bytes=345_593_856, notes=f"{_DINO} {_BIN}",
    ),
    _described(
        "dino-vit-b-16", "vision", "facebook/dino-vitb16", "pytorch_model.bin", APACHE, "2104.14294", 16,
        None, Shape(768, 12, 12, 3072, 1, 0), bytes=345_556_992, notes=f"{_DINO} {_BIN}",
    ),
    _described(
        "dinov2-vit-b-14-reg", "vision", "facebook/dinov2-with-registers-base", "model.safetensors", APACHE,
        "2309.16588", 14, None, Shape(768, 12, 12, 3072, 1, 4), bytes=346_334_208,
        notes="LayerScale; antialiased positions.",
    ),
    _described(
        "sam-vit-b-whole", "sam", "facebook/sam-vit-base", "model.safetensors", APACHE, "2304.02643",
        16, None, Shape(768, 12, 12, 3072), bytes=374_943_936,
        notes="Image encoder, prompt encoder, mask decoder: Trident-B.",
    ),
    _described(
        "sam-vit-h-whole", "sam", "facebook/sam-vit-huge", "model.safetensors", APACHE, "2304.02643",
        16, None, Shape(1280, 32, 16, 5120), bytes=2_564_364_480,
        notes="As sam-vit-h, with the image encoder: Trident-H.",
    ),
    _described(
        "sam2.1-hiera-b+", "sam", "facebook/sam2.1-hiera-base-plus", "model.safetensors", APACHE,
        "2408.00714", 16, None, bytes=323_402_760, notes="TextRegion-B. The video parts are left unread.",
    ),
    _described(
        "sam2.1-hiera-l", "sam", "facebook/sam2.1-hiera-large", "model.safetensors", APACHE,
        "2408.00714", 16, None, bytes=897_788_616,
        notes="TextRegion-H, CorrCLIP. The video parts are left unread.",
    ),
    Row(
        "talk2dino-vit-b-map", "text_map", "lorebianchi98/Talk2DINO-ViTB", "vitb_mlp_infonce.pth", NO_LICENSE,
        "2411.19331", 0, TALK2DINO, alternatives=("model.safetensors",), bytes=3_938_304,
        notes="Trained on COCO 2014 captions, so methods with it are not training-free. The authors' code "
        "has it under this name in weights/ (github.com/lorebianchi98/Talk2DINO); their hub class "
        "saves the whole model as model.safetensors (src/hf_model.py), the map under proj.*; which of "
        "the two the hub has is inferred (i). A local file of either is accepted.",
    ),
)  # fmt: skip
SAM_PTH = ("sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e")
"""The original SAM ViT-H file and its digest, which many public projects state alike."""

ADAPTOR_SPACES = {"siglip2": SO400M_NAFLEX, "siglip2-g": GIANT, "siglip": SIGLIP, "clip": DFN5B}
"""Text space of RADIO's language adaptors by name, before a file is here to say it (i)."""


def row(name: str) -> Row:
    """Return the row called `name`.

    Raises:
        InputError: no such row; the message lists the names.
    """
    for candidate in ROWS:
        if candidate.name == name:
            return candidate
    raise InputError(f"There is no model {name!r}. Known: {', '.join(r.name for r in ROWS)}.")


def require_supported(row: Row) -> None:
    """Raise InputError if this release cannot use a row's weights."""
    if not row.supported:
        raise InputError(f"{row.name} cannot be used: {row.warning}")


def size_text(count: int) -> str:
    """Return a number of bytes as the hub's pages write it: "20 MB", "2.83 GB"."""
    if count < 999_500:
        return f"{count} bytes" if count < 1000 else f"{count / 1e3:.0f} kB"
    return f"{count / 1e9:.2f} GB" if count >= 999_500_000 else f"{count / 1e6:.0f} MB"


def row_of_file(file: str) -> Row | None:
    """Return the RADIO row whose published file is called `file`, or None."""
    return next((r for r in ROWS if r.kind == "radio" and r.file == file), None)


def text_space(teacher: Mapping[str, Any]) -> str | None:
    """Return the text space of a teacher from the training arguments, or None if it has no known text tower.

    The teacher's `model` decides, not the adaptor's name: "siglip2" alone does not say which SigLIP2.
    """
    model = teacher.get("model")
    if not isinstance(model, str):
        return None
    if model in ("siglip2-so400m", "siglip2-g-384"):
        return SO400M_NAFLEX if model == "siglip2-so400m" else GIANT
    if model == "ViT-SO400M-14-SigLIP-384":
        return SIGLIP
    if model in ("ViT-H-14-378-quickgelu", "ViT-H-14-378") and teacher.get("pretrained") == "dfn5b":
        return DFN5B
    return None
