"""What a backbone is to the methods: the members they may use, whichever network stands behind them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radseg.models.strict import described, filled
from radseg.nn.conditioner import Conditioner
from radseg.nn.vit import LastBlock, VisionTransformer
from radseg.ops.resize import image_size, require_multiple
from radseg.types import PatchTokens, ShortRepr
from radseg.weights.config import RadioConfig
from radseg.weights.vit_config import VitConfig


class PatchBackbone(Protocol):
    """A vision transformer that turns equal-size windows into patch tokens (DINO; CLIP and RADIO too)."""

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""

    @property
    def width(self) -> int:
        """Channels of a token."""

    @property
    def mlp_width(self) -> int:
        """Channels of the hidden layer of a block's MLP, the widest point."""

    @property
    def prefix_tokens(self) -> int:
        """Number of CLS and register tokens before the patches."""

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters and of the features."""

    def encode(self, images: Float[Tensor, "n 3 H W"], last_block: LastBlock = ...) -> PatchTokens:
        """Return the tokens after `last_block`, before any final norm; images in [0, 1].

        Raises:
            ImageError: a side that is not a multiple of the patch.
        """


class Backbone(PatchBackbone, Protocol):
    """A backbone whose patches can be compared with text (CLIP, RADIO with a language adaptor)."""

    @property
    def space(self) -> str:
        """Name of the text space that `to_language` lands in."""

    def to_language(self, tokens: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """Return tokens in `space`, not normalised."""


class PatchNetwork(ShortRepr, nn.Module):
    """What RADIO and the image towers have in common: input normalisation and one vision transformer.

    Attributes:
        config: the numbers it was built from.
    """

    config: RadioConfig | VitConfig
    conditioner: Conditioner
    vit: VisionTransformer

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return self.config.patch

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the file the weights came from; "" for seeded weights."""
        return self.config.source_sha256

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.config.width

    @property
    def mlp_width(self) -> int:
        """Channels of the hidden layer of a block's MLP."""
        return self.config.mlp_width

    @property
    def prefix_tokens(self) -> int:
        """Number of CLS and register tokens before the patches."""
        return len(self.vit.prefix)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.vit.prefix.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters and of the features."""
        return self.vit.prefix.dtype

    def pixels(self, images: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n 3 H W"]:
        """Return images in [0, 1] as the transformer takes them.

        Raises:
            ImageError: a side that is not a multiple of the patch.
        """
        require_multiple(image_size(images), self.patch)
        return self.conditioner(images.to(self.device, torch.float32)).to(self.dtype)


Config = TypeVar("Config", RadioConfig, VitConfig)
Network = TypeVar("Network", bound=PatchNetwork)


def with_source(config: Config, path: Path) -> Config:
    """Return a configuration that names its source: the published file, else the file it was read from."""
    if config.source_sha256:
        return config
    with path.open("rb") as file:
        return replace(config, source_sha256=hashlib.file_digest(file, "sha256").hexdigest())


def with_weights(
    make: Callable[[], Network],
    tensors: Mapping[str, Tensor],
    device: str | torch.device,
    dtype: torch.dtype,
    file: str,
) -> Network:
    """Return the network with these weights, loaded strictly, in evaluation mode, without gradients.

    Raises:
        CheckpointError: `file` describes no network, or holds other tensors than the network's, or NaN.
    """

    def dtype_of(name: str) -> torch.dtype:
        # The conditioner stays float32: rounding mean and std alone to half precision moves features by
        # percents.
        return torch.float32 if name.startswith("conditioner.") else dtype

    what = "the network it describes"
    return filled(described(file, make), tensors, dtype_of, device=device, file=file, what=what)
