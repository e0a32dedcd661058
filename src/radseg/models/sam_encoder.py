"""SAM's image encoder (arXiv 2304.02643), for methods that use SAM's attention: Trident.

The layers are the classes of `transformers`; what is written anew here is global attention in blocks of
queries, because the library's keeps heads × 4096 × 4096 numbers alive (805 MB for ViT-B in float32).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.models.sam import SamDecoder, build_sam
from radseg.models.strict import described, filled
from radseg.ops.resize import image_size, require_multiple
from radseg.types import FeatureMap, Rgb, ShortRepr, Size
from radseg.weights.config import SamSizes
from radseg.weights.convert.sam import convert_library
from radseg.weights.home import identity_of
from radseg.weights.load import read_description
from radseg.weights.resolve import resolve_sam, weights_in
from radseg.weights.tensors import published_tensors

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
QUERY_ROWS = 2
"""Rows of patches whose attention is alive at once: 128 queries of 4096 keys, 25 MB for 12 heads."""


class AttentionRows(NamedTuple):
    """The attention of some queries, in patches row by row: weights after the softmax."""

    rows: slice
    weights: Float[Tensor, "m q p"]


class SamEncoder(ShortRepr, nn.Module):
    """SAM's image encoder up to its neck, which belongs to `SamDecoder`.

    Attributes:
        frame: side in pixels of the square it sees.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Any) -> None:
        """Build from a SamVisionConfig."""
        super().__init__()
        from transformers.models.sam.modeling_sam import SamVisionEncoder  # noqa: PLC0415 - takes seconds

        encoder = SamVisionEncoder(config)
        self.frame: int = config.image_size
        self.patch: int = config.patch_size
        self.patch_embed = encoder.patch_embed
        self.pos_embed = encoder.pos_embed
        self.layers = encoder.layers
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN, device="cpu"), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD, device="cpu"), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.pos_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters."""
        return self.pos_embed.dtype

    def trunk(self, image: Rgb) -> Float[Tensor, "g g d"]:
        """Return the tokens before the last block; the image lies in the frame's top left corner.

        Args:
            image: sides multiples of the patch, at most the frame (`fit_frame`).

        Raises:
            ImageError: other sides.
        """
        size = image_size(image)
        require_multiple(size, self.patch)
        if max(size) > self.frame:
            raise InputError(f"Image is {size}; SAM's frame is {self.frame}.")
        pixels = (image.to(self.device, torch.float32) - self.mean[:, None, None]) / self.std[:, None, None]
        # SAM was trained with the frame filled up after normalisation: padding is the mean colour.
        padded = F.pad(pixels, (0, self.frame - size.width, 0, self.frame - size.height))
        tokens = self.patch_embed(padded[None].to(self.dtype)) + self.pos_embed
        for layer in list(self.layers)[:-1]:
            tokens = self.block(layer, tokens[0])[None]
        return tokens[0]

    def features(self, image: Rgb) -> FeatureMap:
        """Return what SAM's neck reads: the tokens after the last block, of the whole frame."""
        return self.block(self.layers[-1], self.trunk(image)).permute(2, 0, 1)

    def block(self, layer: Any, tokens: Float[Tensor, "g g d"]) -> Float[Tensor, "g g d"]:
        """Return the tokens after one layer; a windowed one is the library's own forward."""
        if layer.window_size > 0:
            after: Tensor = layer(tokens[None])[0]
            return after
        values = self.values(layer, tokens)
        mixed = torch.cat([rows.weights @ values for rows in self.attend(layer, tokens)], dim=1)
        attended = layer.attn.proj(mixed.transpose(0, 1).flatten(1)).view_as(tokens)
        added = tokens + attended
        return added + layer.mlp(layer.layer_norm2(added))

    def values(self, layer: Any, tokens: Float[Tensor, "g g d"]) -> Float[Tensor, "m p k"]:
        """Return the values of a layer, per head."""
        return self._project(layer, tokens)[2]

    def attend(
        self, layer: Any, tokens: Float[Tensor, "g g d"], *, rows: int | None = None
    ) -> Iterator[AttentionRows]:
        """Yield the attention of a global layer, relative positions included, a few rows at a time.

        Args:
            rows: how many rows of patches ask; all by default. The frame's every patch answers.
        """
        grid, attn = tokens.shape[0], layer.attn
        queries, keys, _ = self._project(layer, tokens)
        down, across = (attn.get_rel_pos(grid, grid, p) for p in (attn.rel_pos_h, attn.rel_pos_w))
        total = grid if rows is None else rows
        for start in range(0, total, QUERY_ROWS):
            stop = min(start + QUERY_ROWS, total)
            part = slice(start * grid, stop * grid)
            asked = queries[:, part].unflatten(1, (stop - start, grid))
            # Bias of query (i, j) for key (k, l): q·down[i, k] + q·across[j, l] (decomposed, SAM §A).
            vertical = torch.einsum("mijc,ikc->mijk", asked, down[start:stop].to(asked))
            horizontal = torch.einsum("mijc,jlc->mijl", asked, across.to(asked))
            bias = (vertical[..., None] + horizontal[..., None, :]).flatten(3).flatten(1, 2)
            logits = (queries[:, part] * attn.scale) @ keys.mT + bias
            yield AttentionRows(part, logits.float().softmax(dim=-1).to(tokens.dtype))

    def _project(self, layer: Any, tokens: Float[Tensor, "g g d"]) -> tuple[Tensor, Tensor, Tensor]:
        heads = layer.attn.num_attention_heads
        joint = layer.attn.qkv(layer.layer_norm1(tokens)).flatten(0, 1)
        q, k, v = joint.unflatten(-1, (3, heads, -1)).permute(1, 2, 0, 3)
        return q, k, v

    def grid_of(self, image: Rgb) -> Size:
        """Return the patches of the frame that the image fills."""
        size = image_size(image)
        return Size(size.height // self.patch, size.width // self.patch)


@dataclass(frozen=True, eq=False)
class WholeSam:
    """SAM's image encoder, the rest of it, and the SHA-256 of their file; "" for seeded weights."""

    encoder: SamEncoder
    decoder: SamDecoder
    source_sha256: str = ""


def load_whole_sam(
    name: str,
    source: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> WholeSam:
    """Return SAM with its weights from a Hugging Face folder, loaded strictly, without gradients.

    The decoder is always float32: in bfloat16 a coordinate of 777 pixels would be 776.

    Args:
        name: of the catalogue: "sam-vit-b-whole", "sam-vit-h-whole".
        source: the folder; by default the cache, fetching it if need be.

    Raises:
        WeightsUnavailableError: not local, and cannot be fetched.
        CheckpointError: the file is damaged, or holds something else.
    """
    folder = resolve_sam(name, source)
    weights = weights_in(folder)
    label = f"{folder.name}/{weights[0].name}"
    description = read_description(folder / "config.json")
    vision = described(label, lambda: dict(description.get("vision_config") or {}))
    published = published_tensors(*weights)
    own = {
        key.removeprefix(_PREFIX): tensor
        for key, tensor in published.items()
        if key.startswith(_PREFIX) and not key.startswith(f"{_PREFIX}neck.")
    }
    encoder = build_sam_encoder(vision, own, file=label, device=device, dtype=dtype)
    parts = convert_library(published, label)
    sizes = SamSizes(frame=encoder.frame, patch=encoder.patch, features=encoder.pos_embed.shape[-1])
    return WholeSam(encoder, build_sam(parts, sizes, file=label, device=device), identity_of(weights))


_PREFIX = "vision_encoder."


def build_sam_encoder(
    vision: dict[str, Any],
    tensors: dict[str, Tensor],
    *,
    file: str = "weights",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> SamEncoder:
    """Return the encoder described by a published `vision_config` with these weights.

    Raises:
        CheckpointError: tensors are missing, left over, or of another shape.
    """
    from transformers import SamVisionConfig  # noqa: PLC0415

    def make() -> SamEncoder:
        config = SamVisionConfig.from_dict(vision)
        config._attn_implementation = "sdpa"
        return SamEncoder(config)

    what = "SAM's image encoder"
    return filled(described(file, make), tensors, lambda _: dtype, device=device, file=file, what=what).to(
        device
    )
