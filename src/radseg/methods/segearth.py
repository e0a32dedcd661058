"""SegEarth-OV (arXiv 2410.01768) without its upsampler: three self-self attentions, and less of CLS."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.methods.shared.windowed import WindowedEncoder
from radseg.nn.vit import Block
from radseg.ops.attention import mean_attention
from radseg.ops.correlation import unit_rows
from radseg.ops.inference import inference
from radseg.types import LanguageFeatures, Rgb


def self_self_block(block: Block, tokens: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return O((softmax(QQᵀ/√k) + softmax(KKᵀ/√k) + softmax(VVᵀ/√k))V); the weights sum to 3 per token."""
    queries, keys, values = block.attention.project(block.norm1(tokens))
    pairs = [(queries, queries), (keys, keys), (values, values)]
    return block.attention.merge(3 * mean_attention(pairs, values))


@dataclass(frozen=True)
class SegEarthOV(WindowedEncoder):
    """CLIP whose features are p/|p| − cls_share·c/|c|: p a patch, c the CLS token after the same last block.

    Neither residual nor MLP in that block; CLS takes part. What all patches of a window share, and CLS has
    too, is taken off: "global bias" there.

    Differs from the published model in leaving out SimFeatUp, its trained upsampler: features stay on the
    patch grid. The subtraction is the published code's, of cosines; it is one of features here, so they can
    be kept and queried later.

    Attributes:
        cls_share: of the unit CLS token that is taken off; 0.3 in the paper, from 0.
    """

    cls_share: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.cls_share < 1:
            raise InputError(f"cls_share is {self.cls_share}; it must be from 0 to below 1.")

    def window(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p e"]:
        """Return the language features of every window, of length 1 − cls_share to 1 + cls_share."""
        tokens = self.backbone.encode(crops, self_self_block)
        patches, cls = (unit_rows(self.backbone.to_language(t)) for t in (tokens.patches, tokens.summary))
        return patches - self.cls_share * cls

    @inference()
    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one map per image: the mean over windows, whose lengths count as in the published logits."""
        maps = self.stitched([self.prepare(image) for image in images], self.window)
        return [LanguageFeatures(values, self.space) for values in maps]
