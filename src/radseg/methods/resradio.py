"""ResRADIO (RADSeg Table 5): ResCLIP's two residual attentions (arXiv 2411.15851) on RADIO. Text-dependent.

No code of it is public. Inferred (methods spec 9.2): residual and MLP are kept, as in NARADIO; PAMR does not
refine the first segmentation, as the printed latency leaves no time for it; the numbers are ResCLIP's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from radseg.methods.base import align_map
from radseg.methods.shared.last_block import Tail
from radseg.methods.shared.on_radio import RadioWindows
from radseg.methods.shared.residual import ResidualAttention
from radseg.ops.cosine import row_cosine
from radseg.ops.feedback import Residuals, Rules, patch_labels
from radseg.ops.inference import inference
from radseg.types import Rgb, Size, TextEmbeddings

RESIDUALS = Residuals(gain=1.0)


@dataclass(frozen=True)
class ResRADIO(RadioWindows):
    """A Scorer: patches attend as they do in NARADIO and in inner blocks, then also by their first labels.

    See ResidualAttention for the formulas.

    Differs from ResCLIP in a gain of 1: its 2 scales an output that a norm follows; here it would double the
    attention against the residual that RADIO keeps.

    Attributes:
        sigma: of ω in patches; RayFronts'.
        residuals: the numbers of RCS and SFR.
        inner: blocks from 1 whose maps RCS uses; None takes those at the depth of ResCLIP's 6 to 9 of 12.
        temperature: multiplies the cosines with the prompts in the first labelling.
        tail: what follows the attention.
        rules: see `label_affinity`.
    """

    sigma: float = 7.0
    residuals: Residuals = RESIDUALS
    inner: tuple[int, ...] | None = None
    temperature: float = 100.0
    tail: Tail = "full"
    rules: Rules = "corrected"

    @inference()
    def score(self, images: Sequence[Rgb], text: TextEmbeddings) -> list[Float[Tensor, "r h w"]]:
        """Return per image the cosine of every text row on the patch grid."""
        text.require_space(self.space)
        rows = text.values.to(self.radio.device)
        prepared = [self.prepare(image) for image in images]
        maps = self.stitched(prepared, partial(self.window_features, rows=rows))
        return [row_cosine(align_map(self.align, one), rows) for one in maps]

    def window_features(
        self, crops: Float[Tensor, "n 3 H W"], rows: Float[Tensor, "r e"]
    ) -> Float[Tensor, "n p d"]:
        """Return the patches after the second run of the last block."""
        radio = self.radio
        attention = ResidualAttention(self.sigma, self.residuals, self.inner, self.rules, self.tail)
        grid = tuple(side // radio.patch for side in crops.shape[-2:])

        def label(tokens: Float[Tensor, "n t d"]) -> list[Int[Tensor, "h w"]]:
            windows = radio.to_language(radio.patches_of(tokens)).mT.unflatten(-1, grid)
            return [self._labels(row_cosine(window, rows)) for window in windows]

        return radio.patches_of(attention(radio.vit, radio.pixels(crops), label))

    def window_bytes(self, size: Size) -> int:
        """Return the working memory of one window: the block's, and logits and affinity of all pairs."""
        patches = (size.height // self.radio.patch) * (size.width // self.radio.patch)
        return super().window_bytes(size) + 8 * 4 * patches**2

    def _labels(self, cosines: Float[Tensor, "r h w"]) -> Int[Tensor, "h w"]:
        return patch_labels(
            cosines,
            patch=self.radio.patch,
            temperature=self.temperature,
            threshold=self.residuals.threshold,
            rules=self.rules,
        )
