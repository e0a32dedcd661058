"""CLIP's and DINO's image towers: conditioner, vision transformer, final norm, and CLIP's projection."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radseg.errors import CheckpointError
from radseg.models.base import PatchNetwork, with_source, with_weights
from radseg.nn.conditioner import Conditioner
from radseg.nn.vit import Family, LastBlock, VisionTransformer, standard_block
from radseg.ops.inference import without_autocast
from radseg.ops.resize import image_size
from radseg.types import PatchTokens, Size
from radseg.weights import load
from radseg.weights.resolve import resolve_image_tower
from radseg.weights.vit_config import VitConfig


class ImageTower(PatchNetwork):
    """The vision transformer of CLIP (arXiv 2103.00020), DINO (2104.14294) or DINOv2 (2304.07193).

    Attributes:
        config: the numbers it was built from.
    """

    config: VitConfig
    projection: nn.Linear | None

    def __init__(self, config: VitConfig) -> None:
        super().__init__()
        self.config = config
        self.conditioner = Conditioner()
        self.vit = VisionTransformer(
            width=config.width,
            depth=config.depth,
            heads=config.heads,
            mlp_width=config.mlp_width,
            patch=config.patch,
            position_grid=config.position_grid,
            prefix_tokens=1 + config.registers,
            layer_scale=config.layer_scale,
            family=Family(
                config.activation, config.norm_eps, config.patch_bias, config.pre_norm, config.positions
            ),
        )
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        language = config.language_width
        self.projection = nn.Linear(config.width, language, bias=False) if language else None

    @property
    def space(self) -> str:
        """Name of the text space that `to_language` lands in.

        Raises:
            CheckpointError: a model without a text space (DINO).
        """
        if self.config.space is None:
            raise CheckpointError(f"{self.config.name} has no text space.")
        return self.config.space

    @without_autocast()
    def encode(self, images: Float[Tensor, "n 3 H W"], last_block: LastBlock = standard_block) -> PatchTokens:
        """Return the tokens after the last block, before the final norm; images in [0, 1].

        Raises:
            ImageError: a side that is not a multiple of the patch.
        """
        size = image_size(images)
        tokens = self.vit(self.pixels(images), last_block)
        grid = Size(size.height // self.patch, size.width // self.patch)
        return PatchTokens(tokens[:, self.prefix_tokens :], tokens[:, :1], grid)

    @without_autocast()
    def normalise(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Return tokens after the final norm: DINO's features."""
        return self.norm(tokens)

    @without_autocast()
    def to_language(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """Return tokens after the final norm and CLIP's projection, not normalised.

        Raises:
            CheckpointError: a model without a text space (DINO).
        """
        if self.projection is None:
            raise CheckpointError(f"{self.config.name} has no projection into a text space.")
        return self.projection(self.norm(tokens))


def build_image_tower(config: VitConfig) -> ImageTower:
    """Return an untrained network of this shape."""
    return ImageTower(config).eval()


def load_image_tower(
    name: str,
    source: str | Path | None = None,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    positions: Literal["bicubic", "bicubic-offset"] | None = None,
) -> ImageTower:
    """Return the image tower `name` with its weights, loaded strictly, in evaluation mode, without gradients.

    Args:
        name: of the catalogue: "clip-vit-b-16", "dino-vit-b-8", "dinov2-vit-b-14-reg".
        source: its Hugging Face folder or our converted file; by default the cache, fetching it if need be.
        positions: how positions meet another grid, where not as in the published code (methods spec 1.5):
            "bicubic" is what `transformers` does.

    Raises:
        InputError: no such name.
        WeightsUnavailableError: not local, and cannot be fetched.
        CheckpointError: the file is damaged, or holds something else.
    """
    path = resolve_image_tower(name, source)
    config, tensors = load.load_image_tower(path)
    config = with_source(config if positions is None else replace(config, positions=positions), path)
    return with_weights(lambda: ImageTower(config), tensors, device, dtype, path.name)
