"""The shape of CLIP's and DINO's image towers as plain numbers, and every tensor they must hold. No torch."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from radseg.weights.config import JsonForm
from radseg.weights.shapes import Shape, block_shapes

VIT_FORMAT = "radseg-vit/1"
"""What our safetensors form of such a tower says it is, in its metadata."""


@dataclass(frozen=True)
class VitConfig(JsonForm):
    """Everything needed to build an image tower with explicit numbers.

    Attributes:
        name: the catalogue's name of the weights.
        width, depth, heads, mlp_width: of the vision transformer.
        patch: side of a patch in pixels.
        position_grid: side of the learned position grid, in patches.
        registers: tokens between the CLS token and the patches.
        layer_scale: whether blocks scale their residual branches.
        activation, norm_eps, patch_bias, pre_norm, positions: see `radseg.nn.vit.Family`.
        language_width: channels after the projection into the text space; 0 where there is none (DINO).
        space: the text space it lands in; None where there is none.
        source_sha256: of the published file this came from; "" for seeded weights.
    """

    what: ClassVar[str] = "vision transformer"

    name: str
    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    position_grid: int
    registers: int
    layer_scale: bool
    activation: Literal["gelu", "quick_gelu"]
    norm_eps: float
    patch_bias: bool
    pre_norm: bool
    positions: Literal["bicubic", "bicubic-offset", "bicubic-antialiased"]
    language_width: int = 0
    space: str | None = None
    source_sha256: str = ""

    @property
    def version(self) -> str:
        """The same as `name`, as RADIO's configuration calls it."""
        return self.name


def tower_shapes(config: VitConfig) -> dict[str, Shape]:
    """Return our key and shape of every tensor of the tower."""
    width, grid = config.width, config.position_grid
    shapes: dict[str, Shape] = {
        "conditioner.mean": (3,),
        "conditioner.std": (3,),
        "vit.patch_embed.weight": (width, 3 * config.patch**2),
        "vit.position": (grid, grid, width),
        "vit.prefix": (1 + config.registers, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    if config.patch_bias:
        shapes["vit.patch_embed.bias"] = (width,)
    if config.pre_norm:
        shapes |= {"vit.pre_norm.weight": (width,), "vit.pre_norm.bias": (width,)}
    if config.language_width:
        shapes["projection.weight"] = (config.language_width, width)
    for i in range(config.depth):
        block = block_shapes(width, config.mlp_width, config.layer_scale)
        shapes |= {f"vit.blocks.{i}.{key}": shape for key, shape in block.items()}
    return shapes
