"""Networks at their real size without their weights: cost depends on shapes, not on values.

For measuring speed and memory where nothing can be downloaded. What they predict means nothing.
"""

import zlib
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radseg.errors import InputError
from radseg.models.radio import Radio, build_radio
from radseg.models.sam import SamDecoder
from radseg.text.contrast import contrast_vocabulary
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings
from radseg.weights import catalog
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig

TEXT_WIDTH = {catalog.SO400M_NAFLEX: 1152, catalog.GIANT: 1536, catalog.SIGLIP: 1152, catalog.DFN5B: 1024}
"""Dimensions of the text spaces (spec 2.5)."""
HEAD_HIDDEN, HEAD_BLOCKS = 1520, 2  # inferred: with them the parameter sums are the paper's (spec 2.5)
SAM_WIDTH = 1280
PREFIX = 4  # CLS tokens, and registers, where the catalogue does not know them: as in every version it knows
POSITION_GRID = 128


def untrained_config(checkpoint: str, *, sam: bool = False) -> RadioConfig:
    """Return the shape of a catalogued RADIO with its language adaptor and, if asked, its `sam` adaptor.

    Raises:
        InputError: not a RADIO of the catalogue, not supported, or without such an adaptor.
    """
    row = catalog.row(checkpoint)
    if row.kind != "radio" or row.shape is None or not row.supported or row.space is None:
        known = ", ".join(r.name for r in catalog.ROWS if r.kind == "radio" and r.supported)
        raise InputError(f"{checkpoint} cannot be built from the catalogue's shapes; these can: {known}.")
    shape = row.shape
    if sam and "sam" not in shape.adaptors:
        raise InputError(f"{checkpoint} has no sam adaptor, so nothing to refine with.")
    language = next(name for name in ("siglip2", "siglip2-g", "siglip") if name in shape.adaptors)
    summary = HeadConfig("mlp_v2", shape.width, HEAD_HIDDEN, TEXT_WIDTH[row.space], HEAD_BLOCKS)
    adaptors = [AdaptorConfig(language, 1, row.space, summary, None)]
    if sam:
        head = HeadConfig("mlp_v2", shape.width, HEAD_HIDDEN, SAM_WIDTH, HEAD_BLOCKS)
        adaptors.append(AdaptorConfig("sam", 3, None, None, head))
    return RadioConfig(
        version=f"random weights, shapes of {checkpoint}",
        width=shape.width,
        depth=shape.depth,
        heads=shape.heads,
        mlp_width=shape.mlp_width,
        patch=row.patch,
        position_grid=POSITION_GRID,
        cls_tokens=shape.cls_tokens or PREFIX,
        registers=shape.registers or PREFIX,
        layer_scale=checkpoint.startswith("c-radio"),
        summary_tokens=(0, 1, 2),
        adaptors=tuple(adaptors),
    )


def untrained_radio(
    config: RadioConfig, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> Radio:
    """Return a RADIO with the same random weights every time, scaled so that activations stay finite."""
    radio = build_radio(config)
    _randomise(radio)
    radio = radio.to(device, dtype).requires_grad_(False)
    radio.conditioner.float()  # stays float32, as in `load_radio`
    return radio


def untrained_sam(*, device: str | torch.device = "cpu") -> SamDecoder:
    """Return SAM's neck, prompt encoder and mask decoder with random weights."""
    decoder = SamDecoder()
    _randomise(decoder)
    return decoder.to(device).eval().requires_grad_(False)


@dataclass(frozen=True)
class UntrainedTextEncoder:
    """TextEncoder that gives every name a random vector of its own, always the same one."""

    space: str

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one random row per name and synonym."""
        rows = [(i, phrase) for i, group in enumerate(vocabulary.phrases) for phrase in group]
        vectors = torch.stack([self._vector(phrase) for _, phrase in rows])
        return TextEmbeddings(vocabulary.names, vectors, tuple(i for i, _ in rows), self.space)

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for itself."""
        return self.embed(vocabulary), self.embed(contrast_vocabulary(vocabulary, self.space))

    def _vector(self, phrase: str) -> Float[Tensor, " e"]:
        generator = torch.Generator().manual_seed(zlib.crc32(phrase.encode()))
        return torch.randn(TEXT_WIDTH[self.space], generator=generator)


def _randomise(network: nn.Module) -> None:
    """Draw the matrices anew and set the biases to zero; norms and scales keep what they are built with."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()
