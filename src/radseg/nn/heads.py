"""RADIO's adaptor heads: small networks applied to each token, from the backbone's width to a teacher's.

LayerNorm eps is 1e-5 here (spec 2.2), against 1e-6 in the backbone. That the attention head's blocks follow
suit is inferred: it is the default of the library whose blocks the published head uses.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.nn.vit import Block

LAYER_NORM_EPS = 1e-5


class ResidualLayer(nn.Module):
    """Linear(GELU(LayerNorm(x))) + x."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.fc = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the layer's output."""
        return x + self.fc(F.gelu(self.norm(x)))


class MlpV2(nn.Module):
    """RADIO's "v2" head: linear, residual layers, norm, GELU, linear."""

    def __init__(
        self, *, width_in: int, hidden: int, width_out: int, blocks: int, pre_norm: bool = False
    ) -> None:
        super().__init__()
        self.pre_norm = nn.LayerNorm(width_in, eps=LAYER_NORM_EPS) if pre_norm else None
        self.fc_in = nn.Linear(width_in, hidden)
        self.blocks = nn.ModuleList(ResidualLayer(width=hidden) for _ in range(blocks))
        self.norm_out = nn.LayerNorm(hidden, eps=LAYER_NORM_EPS)
        self.fc_out = nn.Linear(hidden, width_out)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """Return the teacher-space features."""
        x = self.fc_in(x if self.pre_norm is None else F.gelu(self.pre_norm(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc_out(F.gelu(self.norm_out(x)))


class InnerLayer(nn.Module):
    """ReLU(LayerNorm(Linear(x)))."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the layer's output."""
        return F.relu(self.norm(self.fc(x)))


class MlpV1(nn.Module):
    """RADIO's "v1" head: linear, norm, ReLU, inner layers, linear."""

    def __init__(self, *, width_in: int, hidden: int, width_out: int, blocks: int) -> None:
        super().__init__()
        self.fc_in = nn.Linear(width_in, hidden)
        self.norm_in = nn.LayerNorm(hidden, eps=LAYER_NORM_EPS)
        self.blocks = nn.ModuleList(InnerLayer(width=hidden) for _ in range(blocks))
        self.fc_out = nn.Linear(hidden, width_out)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """Return the teacher-space features."""
        x = F.relu(self.norm_in(self.fc_in(x)))
        for block in self.blocks:
            x = block(x)
        return self.fc_out(x)


class AttentionHead(nn.Module):
    """C-RADIOv4's feature head: transformer blocks over the patches of a window, then an MLP v2."""

    def __init__(self, *, width: int, heads: int, mlp_width: int, depth: int, mlp: MlpV2) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, mlp_width=mlp_width, layer_scale=True, norm_eps=LAYER_NORM_EPS)
            for _ in range(depth)
        )
        self.mlp = mlp

    def forward(self, patches: Float[Tensor, "n p d"]) -> Float[Tensor, "n p e"]:
        """Return the teacher-space features of the patches."""
        for block in self.blocks:
            patches = block(patches)
        return self.mlp(patches)


class FeatureNormalizer(nn.Module):
    """Fixed standardisation of patch features in the "-norm" variants: (x − mean)·transformᵀ (spec 2.1)."""

    mean: Tensor
    transform: Tensor

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", Tensor(width).zero_())
        self.register_buffer("transform", Tensor(width, width).zero_().fill_diagonal_(1))

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return the standardised features."""
        return (x - self.mean) @ self.transform.mT
