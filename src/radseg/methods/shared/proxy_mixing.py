"""What ProxyCLIP and Trident share: CLIP's values, mixed by another backbone's similarity. No method."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from radseg.methods.shared.windowed import WindowedEncoder, grid_of, mean_cosine_over, on_grid, whole_cells
from radseg.methods.shared.windows import GridOrder, Statistics
from radseg.models.base import PatchBackbone
from radseg.models.image_tower import ImageTower
from radseg.nn.vit import project_values
from radseg.ops.correlation import correlation_attention
from radseg.types import Size


@dataclass(frozen=True)
class ProxyMixing(WindowedEncoder):
    """CLIP's values mixed in windows by another backbone's similarity.

    CLS, residual and MLP of the last block are left out. Values are mixed by softmax(γ(cos − β·mean cos))
    over what is not negative (ProxyCLIP Eq. 5-7), the same for all heads; so the block's output projection
    may come first (`project_values`).

    Differs from the published codes in three ways. Their mean goes over the whole batch, so where windows are
    batched (RADSeg Table A.3) a result depends on its neighbours; here it is each window's own, and
    `mean_over="image"` is as published. Where β·mean is above 1 a row there has no entry left and becomes
    NaN; here the token itself stays. ProxyCLIP's reads the values of windows that are not square in the
    transposed grid; `grid_order="transposed"` does.

    Attributes:
        vfm: the other backbone.
        temperature: γ, 3 in the papers.
        centre: β, in units of the mean cosine; 1.2 in the papers.
        mean_over: what the mean cosine is taken over.
        grid_order: how the values of a window that is not square lie; "transposed" is as published.
    """

    crop: int | None = 336
    vfm: ImageTower = field(kw_only=True)
    temperature: float = 3.0
    centre: float = 1.2
    mean_over: Statistics = "window"
    grid_order: GridOrder = "rows"

    @property
    def statistics(self) -> Statistics:
        """What the mean cosine is taken over."""
        return self.mean_over

    @property
    def backbones(self) -> tuple[PatchBackbone, ...]:
        """CLIP and the other one."""
        return (self.backbone, self.vfm)

    def mixed(self, crops: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n p d"]:
        """Return the mixed values of every window, in CLIP's width, on the other backbone's grid.

        A window need not be whole patches of both: each sees what is whole for it.
        """
        values = self.backbone.encode(whole_cells(crops, self.backbone.patch), project_values).patches
        features = self.vfm.normalise(self.vfm.encode(whole_cells(crops, self.vfm.patch)).patches)
        return self.mix(values, features, grid_of(crops, self.backbone.patch), grid_of(crops, self.vfm.patch))

    def mix(
        self, values: Float[Tensor, "n p d"], features: Float[Tensor, "n q v"], grid: Size, target: Size
    ) -> Float[Tensor, "n q d"]:
        """Return CLIP's values of windows of `grid` mixed by the similarity of the other's on `target`."""
        if self.grid_order == "transposed":
            grid = Size(grid.width, grid.height)
        return correlation_attention(
            features,
            on_grid(values, grid, target),
            temperature=self.temperature,
            threshold=self.centre * mean_cosine_over(self.mean_over, features),
            block_bytes=self.memory_budget // 16,
        )
