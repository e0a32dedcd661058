"""The one vision transformer of RADIO, CLIP and DINO. Its last block is an argument, nothing is patched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.nn.position import RESAMPLE, Positions
from radseg.types import Size

LAYER_NORM_EPS = 1e-6  # of the backbone; the adaptors use 1e-5 (spec 2.2, 3.5)

Activation = Literal["gelu", "quick_gelu"]
ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    # OpenAI's CLIP was trained with this approximation; with the exact GELU its patches lose several mIoU.
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
}


@dataclass(frozen=True)
class Family:
    """In what the families of vision transformers differ, as numbers and names; the defaults are RADIO's.

    Attributes:
        activation: of the MLPs.
        norm_eps: of every LayerNorm.
        patch_bias: whether the patch projection has a bias.
        pre_norm: whether tokens are normalised before the first block (CLIP).
        positions: how the position field meets another grid.
        scaled_norms: whether the norms of block i, counted from 1, are multiplied by 1/√i (RADIO's giant).
    """

    activation: Activation = "gelu"
    norm_eps: float = LAYER_NORM_EPS
    patch_bias: bool = False
    pre_norm: bool = False
    positions: Positions = "bilinear-square"
    scaled_norms: bool = False


RADIO = Family()


class Attention(nn.Module):
    """Multi-head self-attention with its projections; heads are contiguous chunks of width/heads channels."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def project(self, tokens: Float[Tensor, "n t d"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, each "n heads t d/heads"."""
        q, k, v = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def merge(self, per_head: Float[Tensor, "n m t k"]) -> Float[Tensor, "n t d"]:
        """Return the output projection of the concatenated heads."""
        return self.out(self.join(per_head))

    def join(self, per_head: Float[Tensor, "n m t k"]) -> Float[Tensor, "n t d"]:
        """Return the heads side by side, before any projection."""
        return per_head.transpose(1, 2).flatten(-2)

    def split(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n m t k"]:
        """Return `tokens` cut into one contiguous chunk of channels per head."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return softmax(QKᵀ/√k)V, projected."""
        return self.merge(F.scaled_dot_product_attention(*self.project(tokens)))


class ScaledLayerNorm(nn.LayerNorm):
    """LayerNorm whose result is multiplied by a constant (LayerNorm Scaling, arXiv 2502.05795; spec 2.6)."""

    def __init__(self, width: int, *, eps: float, scale: float) -> None:
        super().__init__(width, eps=eps)
        self.scale = scale

    def forward(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the normalised tokens times the constant."""
        return super().forward(tokens) * self.scale


class Mlp(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, *, width: int, hidden: int, activation: Activation = "gelu") -> None:
        super().__init__()
        self.activate = ACTIVATIONS[activation]
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the transformed tokens."""
        return self.down(self.activate(self.up(tokens)))


class Block(nn.Module):
    """One pre-norm transformer block: t ← t + s₁·Attention(norm(t)), t ← t + s₂·Mlp(norm(t))."""

    scale1: Tensor | None
    scale2: Tensor | None

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        mlp_width: int,
        layer_scale: bool,
        norm_eps: float = LAYER_NORM_EPS,
        norm_scale: float = 1.0,
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        norm = nn.LayerNorm if norm_scale == 1.0 else partial(ScaledLayerNorm, scale=norm_scale)
        self.norm1 = norm(width, eps=norm_eps)
        self.attention = Attention(width=width, heads=heads)
        self.norm2 = norm(width, eps=norm_eps)
        self.mlp = Mlp(width=width, hidden=mlp_width, activation=activation)
        for name in ("scale1", "scale2"):
            self.register_parameter(name, nn.Parameter(torch.full((width,), 1e-2)) if layer_scale else None)

    def add_attention(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """Return `tokens` plus the scaled output of an attention over them."""
        return tokens + (attended if self.scale1 is None else attended * self.scale1)

    def add_mlp(self, tokens: Tensor) -> Tensor:
        """Return `tokens` plus the scaled output of the block's MLP."""
        change = self.mlp(self.norm2(tokens))
        return tokens + (change if self.scale2 is None else change * self.scale2)

    def forward(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return the tokens after the ordinary block."""
        return self.add_mlp(self.add_attention(tokens, self.attention(self.norm1(tokens))))


LastBlock = Callable[[Block, Tensor], Tensor]
"""What the last block does with its tokens "n t d" and its parameters: the place where methods differ."""


def standard_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the tokens after the block as it was trained."""
    return block(tokens)


def project_values(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the block's values after its output projection: no mixing, no residual, no MLP (MaskCLIP).

    Attention whose weights are shared by the heads and sum to 1 may mix these as well as the values: the
    projection is affine, so O(Σ aᵢvᵢ) = Σ aᵢO(vᵢ).
    """
    _, _, values = block.attention.project(block.norm1(tokens))
    return block.attention.merge(values)


def plain_values(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return the block's values, heads side by side, before the output projection."""
    _, _, values = block.attention.project(block.norm1(tokens))
    return block.attention.join(values)


class VisionTransformer(nn.Module):
    """Patches, position field, prefix tokens (CLS then registers) and blocks; no final norm."""

    pre_norm: nn.LayerNorm | None

    def __init__(  # noqa: PLR0913 - a transformer is its numbers
        self,
        *,
        width: int,
        depth: int,
        heads: int,
        mlp_width: int,
        patch: int,
        position_grid: int,
        prefix_tokens: int,
        layer_scale: bool,
        family: Family = RADIO,
    ) -> None:
        super().__init__()
        self.patch = patch
        self.resample = RESAMPLE[family.positions]
        self.patch_embed = nn.Linear(3 * patch * patch, width, bias=family.patch_bias)
        self.position = nn.Parameter(torch.zeros(position_grid, position_grid, width))
        self.prefix = nn.Parameter(torch.zeros(prefix_tokens, width))
        self.pre_norm = nn.LayerNorm(width, eps=family.norm_eps) if family.pre_norm else None
        self.blocks = nn.ModuleList(
            Block(
                width=width,
                heads=heads,
                mlp_width=mlp_width,
                layer_scale=layer_scale,
                norm_eps=family.norm_eps,
                norm_scale=(i + 1) ** -0.5 if family.scaled_norms else 1.0,
                activation=family.activation,
            )
            for i in range(depth)
        )

    def embed(self, images: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n t d"]:
        """Return the tokens before the first block; both sides must be multiples of the patch."""
        side = self.patch
        grid = Size(images.shape[-2] // side, images.shape[-1] // side)
        # Flattened channel first, (c, y, x), patches row by row.
        pixels = images.unflatten(-1, (grid.width, side)).unflatten(-3, (grid.height, side))
        patches = self.patch_embed(pixels.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
        patches = patches + self.resample(self.position, grid).flatten(0, 1)
        tokens = torch.cat([self.prefix.expand(len(images), -1, -1), patches], dim=1)
        return tokens if self.pre_norm is None else self.pre_norm(tokens)

    def walk(self, images: Float[Tensor, "n 3 H W"]) -> Iterator[Float[Tensor, "n t d"]]:
        """Yield the tokens before the first block, then after each block but the last: x_0 … x_{L-1}."""
        tokens = self.embed(images)
        yield tokens
        for block in list(self.blocks)[:-1]:
            tokens = block(tokens)
            yield tokens

    def steps(self, images: Float[Tensor, "n 3 H W"]) -> Iterator[tuple[Block, Float[Tensor, "n t d"]]]:
        """Yield each block with the tokens it takes, the last one included, which is not run."""
        for block, tokens in zip(self.blocks, self.walk(images), strict=True):
            assert isinstance(block, Block)
            yield block, tokens

    def forward(
        self, images: Float[Tensor, "n 3 H W"], last_block: LastBlock = standard_block
    ) -> Float[Tensor, "n t d"]:
        """Return all tokens, prefix first, after the last block."""
        for tokens in self.walk(images):  # noqa: B007 - the last one is wanted
            pass
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return last_block(last, tokens)
