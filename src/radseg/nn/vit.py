"""The vision transformer of RADIO. Its last block is an argument, so no method patches a network."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.nn.position import resampled_grid
from radseg.types import Size

LAYER_NORM_EPS = 1e-6  # of the backbone; the adaptors use 1e-5 (spec 2.2, 3.5)


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
        return self.out(per_head.transpose(1, 2).flatten(-2))

    def split(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n m t k"]:
        """Return `tokens` cut into one contiguous chunk of channels per head."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
        """Return softmax(QKᵀ/√k)V, projected."""
        return self.merge(F.scaled_dot_product_attention(*self.project(tokens)))


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, *, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the transformed tokens."""
        return self.down(F.gelu(self.up(tokens)))


class Block(nn.Module):
    """One pre-norm transformer block: t ← t + s₁·Attention(norm(t)), t ← t + s₂·Mlp(norm(t))."""

    scale1: Tensor | None
    scale2: Tensor | None

    def __init__(
        self, *, width: int, heads: int, mlp_width: int, layer_scale: bool, norm_eps: float = LAYER_NORM_EPS
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=norm_eps)
        self.attention = Attention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps)
        self.mlp = Mlp(width=width, hidden=mlp_width)
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


class VisionTransformer(nn.Module):
    """Patches, position field, prefix tokens (CLS then registers) and blocks; no final norm."""

    def __init__(
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
    ) -> None:
        super().__init__()
        self.patch = patch
        self.patch_embed = nn.Linear(3 * patch * patch, width, bias=False)
        self.position = nn.Parameter(torch.zeros(position_grid, position_grid, width))
        self.prefix = nn.Parameter(torch.zeros(prefix_tokens, width))
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, mlp_width=mlp_width, layer_scale=layer_scale)
            for _ in range(depth)
        )

    def embed(self, images: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n t d"]:
        """Return the tokens before the first block; both sides must be multiples of the patch."""
        side = self.patch
        grid = Size(images.shape[-2] // side, images.shape[-1] // side)
        # Flattened channel first, (c, y, x), patches row by row.
        pixels = images.unflatten(-1, (grid.width, side)).unflatten(-3, (grid.height, side))
        patches = self.patch_embed(pixels.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
        patches = patches + resampled_grid(self.position, grid).flatten(0, 1)
        return torch.cat([self.prefix.expand(len(images), -1, -1), patches], dim=1)

    def forward(
        self, images: Float[Tensor, "n 3 H W"], last_block: LastBlock = standard_block
    ) -> Float[Tensor, "n t d"]:
        """Return all tokens, prefix first, after the last block."""
        tokens = self.embed(images)
        *inner, last = self.blocks
        for block in inner:
            tokens = block(tokens)
        assert isinstance(last, Block)
        return last_block(last, tokens)
