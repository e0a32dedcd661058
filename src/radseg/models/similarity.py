"""What one patch of a RADIO resembles, asked in several ways (paper Fig. 2)."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from torch.nn import functional as F

from radseg.models.radio import Radio
from radseg.nn.vit import Block, standard_block
from radseg.ops.inference import inference
from radseg.ops.resize import image_size
from radseg.types import Rgb, ShortRepr, Size
from radseg.weights.config import AdaptorConfig

INNER = (0.25, 0.5, 0.75)
"""Which inner blocks are shown, as shares of the depth."""


@dataclass(frozen=True, eq=False, repr=False)
class Similarity(ShortRepr):
    """How much the chosen patch has to do with every patch.

    Attributes:
        title: how that was asked.
        values: on the patch grid: cosines, −1 to 1, or shares of attention, which add up to at most 1.
    """

    title: str
    values: Float32[np.ndarray, "h w"]


def teachers(adaptors: tuple[AdaptorConfig, ...]) -> tuple[str, ...]:
    """Return the teachers whose patches a RADIO imitates, but those of language."""
    return tuple(one.name for one in adaptors if one.features is not None and one.space is None)


@inference()
def similarities(radio: Radio, image: Rgb, row: int, column: int) -> tuple[Similarity, ...]:
    """Return what one patch resembles by attention, inner blocks, adapted teachers and the last block.

    Query-key and key-key attention are those of the last block, softmax(q·kᵀ/√d) of the patch's query, or
    key, over all tokens, mean over heads; the others are cosines of tokens.

    Args:
        image: both sides multiples of the patch.
        row, column: of the patch.
    """
    side = Size(*(length // radio.patch for length in image_size(image)))
    index = row * side.width + column
    steps = list(radio.vit.steps(radio.pixels(image[None].to(radio.device))))
    last, before = steps[-1]
    depth, patches = len(steps), radio.patches_of(standard_block(last, before))
    tokens = {
        f"block {number} of {depth}": steps[number][1][:, radio.prefix_tokens :]
        for number in sorted({max(1, round(share * depth)) for share in INNER} - {depth})
    }
    tokens |= {f"{name} tokens": radio.to_teacher(name, patches) for name in teachers(radio.config.adaptors)}
    tokens[f"last block ({depth})"] = patches
    attention = {
        "query-key attention": _attention(radio, last, before, index, query=0),
        "key-key attention": _attention(radio, last, before, index, query=1),
    }
    maps = attention | {title: _cosines(values[0], index) for title, values in tokens.items()}
    return tuple(
        Similarity(title, values.float().cpu().unflatten(0, tuple(side)).numpy())
        for title, values in maps.items()
    )


def _attention(
    radio: Radio, block: Block, tokens: Float[Tensor, "1 t d"], index: int, *, query: int
) -> Float[Tensor, " p"]:
    """Return the attention that a patch pays to patches; `query` 0 asks with its query, 1 with its key."""
    projected = block.attention.project(block.norm1(tokens))
    asks, keys = projected[query][0, :, radio.prefix_tokens + index], projected[1][0]
    logits = torch.einsum("md,mtd->mt", asks, keys) * keys.shape[-1] ** -0.5
    return logits.softmax(-1).mean(0)[radio.prefix_tokens :]


def _cosines(tokens: Float[Tensor, "p d"], index: int) -> Float[Tensor, " p"]:
    unit = F.normalize(tokens.float(), dim=-1)
    return unit @ unit[index]
