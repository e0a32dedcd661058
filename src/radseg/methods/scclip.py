"""SC-CLIP (arXiv 2411.15869): CLIP calibrated by itself, by the similarity of tokens in its inner layers."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windowed import WindowedEncoder, grid_of, mean_cosine_over
from radseg.methods.shared.windows import Statistics
from radseg.models.image_tower import ImageTower
from radseg.nn.vit import Block
from radseg.ops.attention import key_key_attention
from radseg.ops.correlation import correlation_attention, unit_rows
from radseg.ops.outliers import correct_outliers, find_outliers


@dataclass(frozen=True)
class Layers:
    """Which outputs x_l of the twelve blocks SC-CLIP looks at, from 1.

    Attributes:
        middle: whose similarity guides the attention (9).
        early: whose similarity averages the result (4).
        levels: summed for the second stream (4 to 10).
    """

    middle: int
    early: int
    levels: tuple[int, ...]

    @classmethod
    def of(cls, depth: int) -> "Layers":
        """Return the published layers; where there are not twelve, at the same relative depth (ours)."""
        at = [max(1, min(round(layer * depth / 12), depth - 1)) for layer in (9, 4, 10)]
        return cls(at[0], at[1], tuple(range(at[1], at[2] + 1)))


@dataclass(frozen=True, eq=False)
class CorrectedTokens:
    """What SC-CLIP keeps of a batch of windows: tokens before the last block, and of the inner layers.

    Attributes:
        last: the block they are for.
        middle, corrected: outliers replaced, of the middle layer and of x_{L-1}; the latter averaged.
        levels: the sum of the levels, CLS first.
    """

    last: Block
    cls: Float[Tensor, "n 1 d"]
    middle: Float[Tensor, "n p d"]
    corrected: Float[Tensor, "n p d"]
    early: Float[Tensor, "n p d"]
    levels: Float[Tensor, "n t d"]


@dataclass(frozen=True)
class SCCLIP(WindowedEncoder):
    """CLIP with corrected tokens, mixed by an inner layer's similarity and joined by a multi-level stream.

    Methods spec 4: outliers of x_{L-1} by a local outlier factor; they are replaced in x_{L-1} and in the
    middle layer; x ← similarity average; the last block without residual and MLP, half of its attention
    softmax(3(cos − mean cos)) of the middle layer, half softmax(KKᵀ/√k); 0.3·CLS added; averaged by the early
    layer's similarity; plus the same of the sum of the levels.

    Differs from the published code in taking the mean cosine per window, not over the batch (`mean_over=
    "image"` takes it over an image's windows), in keeping the diagonal, and in the rows and columns of
    windows that are not square. The outlier factor is each window's own always: the published one cannot be
    computed of a batch.

    Attributes:
        layers: None takes the published ones.
        neighbours: of the outlier factor.
        outlier_share: of the tokens that are taken as outliers.
        temperature: of the middle layer's cosines.
        mean_over: what the mean cosine of the middle layer is taken over.
        floor: cosines below it do not count where tokens are averaged with their like.
        cls_share: of the CLS tokens that is added.
    """

    layers: Layers | None = None
    neighbours: int = 30
    outlier_share: float = 0.05
    temperature: float = 3.0
    mean_over: Statistics = "window"
    floor: float = 0.4
    cls_share: float = 0.3

    @property
    def statistics(self) -> Statistics:
        """What the mean cosine is taken over."""
        return self.mean_over

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window."""
        seen = self.correct(crops)
        block, levels = seen.last, seen.levels
        mixed = [self.attend(block, one, seen.middle) for one in (seen.corrected, levels[:, 1:])]
        together = block.attention.out(mixed[0]) + block.attention.out(mixed[1])
        shared = together + self.cls_share * (seen.cls + levels[:, :1])
        return self.backbone.to_language(like_average(seen.early, shared, self.floor))

    def correct(self, crops: Float[Tensor, "n 3 H W"]) -> "CorrectedTokens":
        """Return the tokens of every window that the last attention and the averages take."""
        clip, grid = self.backbone, grid_of(crops, self.backbone.patch)
        assert isinstance(clip, ImageTower)
        layers = self.layers or Layers.of(len(clip.vit.blocks))
        wanted = {layers.middle, layers.early, *layers.levels}
        kept: dict[int, Tensor] = {}
        for number, tokens in enumerate(clip.vit.walk(clip.pixels(crops))):
            if number in wanted:
                kept[number] = tokens
        # What the loop leaves is x_{L-1}.
        last = clip.vit.blocks[-1]
        assert isinstance(last, Block)
        cls, patches = tokens[:, :1], tokens[:, 1:]
        outliers = find_outliers(patches, neighbours=self.neighbours, share=self.outlier_share)
        middle = correct_outliers(kept[layers.middle][:, 1:], outliers, grid)
        corrected = like_average(middle, correct_outliers(patches, outliers, grid), self.floor)
        levels = torch.stack([kept[layer] for layer in layers.levels]).sum(dim=0)
        return CorrectedTokens(last, cls, middle, corrected, kept[layers.early][:, 1:], levels)

    def attend(
        self, block: Block, tokens: Float[Tensor, "n p d"], middle: Float[Tensor, "n p d"]
    ) -> Float[Tensor, "n p d"]:
        """Return the values mixed half by the middle layer's similarity, half by the keys', heads joined."""
        _, keys, values = block.attention.project(block.norm1(tokens))
        together = values.transpose(1, 2).flatten(2)
        alike = correlation_attention(
            middle,
            together,
            temperature=self.temperature,
            threshold=mean_cosine_over(self.mean_over, middle),
            block_bytes=self.memory_budget // 16,
        )
        mixed = (block.attention.split(alike) + key_key_attention(keys, values)) / 2
        return block.attention.join(mixed)


def like_average(
    tokens: Float[Tensor, "n p d"], values: Float[Tensor, "n p d"], floor: float
) -> Float[Tensor, "n p d"]:
    """Return per token the mean of the values, weighted by the tokens' cosines from `floor`."""
    unit = unit_rows(tokens)
    cosine = unit @ unit.mT
    weights = torch.where(cosine >= floor, cosine, 0)
    return (weights / (weights.sum(dim=-1, keepdim=True) + 1e-6)).to(values) @ values
