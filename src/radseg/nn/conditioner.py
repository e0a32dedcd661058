"""Input normalisation as part of a network: nobody who calls one can forget it, or apply it twice."""

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

    def inverse(self, values: Float[Tensor, "*n 3 H W"]) -> Float[Tensor, "*n 3 H W"]:
        """Return the images whose normalised values these are: values · std + mean, beyond [0, 1] too."""
        return values.to(self.mean) * self.std[:, None, None] + self.mean[:, None, None]
