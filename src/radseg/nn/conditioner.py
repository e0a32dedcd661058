"""Input normalisation as part of a network: there is no way to leave it out or to apply it twice."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Conditioner(nn.Module):
    """Subtracts a mean and divides by a deviation per channel; both come with the weights, always float32."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("std", torch.ones(3))

    def forward(self, images: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n 3 H W"]:
        """Return (images − mean)/std per channel; images in [0, 1]."""
        return (images - self.mean[:, None, None]) / self.std[:, None, None]
