"""ResCLIP (arXiv 2411.15851): NACLIP with inner blocks' attention and a look at its own first result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from radseg.methods.shared.residual import AffinityDtype, ResidualAttention
from radseg.methods.shared.windowed import PromptedWindows
from radseg.models.image_tower import ImageTower
from radseg.ops.correlation import unit_rows
from radseg.ops.cosine import row_cosine
from radseg.ops.feedback import Residuals, Rules, patch_votes, pixel_probabilities
from radseg.ops.inference import inference
from radseg.ops.pamr import pamr, pamr_weights
from radseg.types import Rgb, Size, TextEmbeddings


@dataclass(frozen=True)
class ResCLIP(PromptedWindows):
    """A Scorer on CLIP: no residual and no MLP in the last block, PAMR on the first segmentation.

    See ResidualAttention for the formulas, and `label_affinity` for what the published code gets wrong and
    `rules="paper"` repeats. Windows are averaged as unit features (see windowed.py).

    Differs from the published code in taking the affinity's largest entry per window, not over the batch, and
    in labelling by the text rows of this call: with a contrast bank its phrases are rows too.

    Attributes:
        backbone: CLIP's image tower.
        sigma: of ω in patches; 5 as in NACLIP.
        residuals: the numbers of RCS and SFR; the published ones are tuned per data set.
        inner: blocks from 1 whose maps RCS uses; None takes 6 to 9 of 12.
        temperature: multiplies the cosines with the prompts in the first labelling; 40.
        pamr_iterations: on the first segmentation; 10, which is most of the method's time. 0 leaves it out.
        rules: "corrected", or "paper" as the published code computes.
        affinity_dtype: "float16" rounds the affinity as the published code does.
    """

    backbone: ImageTower
    sigma: float = 5.0
    residuals: Residuals = field(default_factory=Residuals)
    inner: tuple[int, ...] | None = None
    temperature: float = 40.0
    pamr_iterations: int = 10
    rules: Rules = "corrected"
    affinity_dtype: AffinityDtype = "network"

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
        """Return per image the cosine of every text row on the patch grid."""
        text.require_space(self.space)
        rows = text.values.to(self.backbone.device)
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, partial(self.window, rows=rows))
        return [row_cosine(one, rows) for one in maps]

    def window(self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "n p e"]:
        """Return the unit language features of every window after the second run of the last block."""

        def label(crop: Float[Tensor, "3 H W"], features: Float[Tensor, "e h w"]) -> Int[Tensor, "h w"]:
            return self.labels(self.first_result(crop, features, rows))

        return unit_rows(self.features(crops, label))

    def features(
        self,
        crops: Float[Tensor, "n 3 H W"],
        label: Callable[[Float[Tensor, "3 H W"], Float[Tensor, "e h w"]], Int[Tensor, "h w"]],
    ) -> Float[Tensor, "n p e"]:
        """Return the language features of every window after the second run, not normalised.

        Args:
            label: a window and its features after the first run to the row of every patch.
        """
        clip = self.backbone
        attention = ResidualAttention(
            self.sigma, self.residuals, self.inner, self.rules, "reduced", self.sigma, self.affinity_dtype
        )
        grid = tuple(side // clip.patch for side in crops.shape[-2:])

        def label_all(tokens: Float[Tensor, "n t d"]) -> list[Int[Tensor, "h w"]]:
            windows = clip.to_language(tokens[:, clip.prefix_tokens :]).mT.unflatten(-1, grid)
            return [label(*pair) for pair in zip(crops, windows, strict=True)]

        tokens = attention(clip.vit, clip.pixels(crops), label_all)
        return clip.to_language(tokens[:, clip.prefix_tokens :])

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window: the block's, and logits and affinity of all pairs."""
        patches = (size.height // self.backbone.patch) * (size.width // self.backbone.patch)
        return super().window_bytes(size) + 8 * 4 * patches**2

    def first_result(
        self, crop: Float[Tensor, "3 H W"], features: Float[Tensor, "e h w"], rows: Float[Tensor, "r e"]
    ) -> Float[Tensor, "r H W"]:
        """Return the probability of every row at the pixels of a window, after PAMR."""
        cosines = row_cosine(features, rows)
        weights = pamr_weights(crop.to(cosines))
        return pixel_probabilities(
            cosines,
            patch=self.backbone.patch,
            temperature=self.temperature,
            refine=partial(pamr, weights=weights, iterations=self.pamr_iterations),
        )

    def labels(self, probabilities: Float[Tensor, "r H W"]) -> Int[Tensor, "h w"]:
        """Return the row of every patch."""
        threshold = self.residuals.threshold
        return patch_votes(probabilities, patch=self.backbone.patch, threshold=threshold, rules=self.rules)
