"""The feature map as an image: its three strongest directions as red, green and blue."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.types import FeatureMap, Size


def pca_image(features: FeatureMap, size: Size) -> UInt8[np.ndarray, "H W 3"]:
    """Return the one image of `pca_images`."""
    return pca_images([features], size)[0]


def pca_images(features: Sequence[FeatureMap], size: Size) -> list[UInt8[np.ndarray, "H W 3"]]:
    """Return the first three principal components of feature maps as colours, bilinear at `size` pixels.

    Similar colours mean similar features, in one image and across all: the maps, of one space, share their
    components and the stretching. Vectors are first brought to unit length, so that a few loud
    patches do not decide; each component is stretched between its 2nd and 98th percentile. The signs are
    fixed (the largest loading is positive), so the same features always give the same image. A constant
    map is mid-grey.

    Raises:
        InputError: NaN or infinite features, maps of different widths, or a side of `size` below 1.
    """
    if min(size) < 1:
        raise InputError(f"The image would be {Size(*size)} pixels; each side must be at least 1.")
    for one in features:
        if one.numel() == 0 or not bool(torch.isfinite(one).all()):
            raise InputError(f"Features of shape {tuple(one.shape)} must be finite and not empty.")
    if len(widths := {len(one) for one in features}) > 1:
        raise InputError(f"Feature maps of {sorted(widths)} channels have no components in common.")
    rows = [F.normalize(one.detach().cpu().double().flatten(1).mT, dim=1) for one in features]
    every = torch.cat(rows)
    projected = _three_components(every - every.mean(dim=0))
    low, high = torch.quantile(projected, torch.tensor([0.02, 0.98]).to(projected), dim=0)
    spread = high - low
    unit = torch.where(spread > 1e-9, (projected - low) / spread.clamp_min(1e-9), 0.5).clamp(0, 1)
    shares = zip(unit.split([len(some) for some in rows]), features, strict=True)
    return [_enlarged(part.mT.reshape(3, *one.shape[1:]), size) for part, one in shares]


def _enlarged(grid: Float[Tensor, "3 h w"], size: Size) -> UInt8[np.ndarray, "H W 3"]:
    shown = F.interpolate(grid[None], size=tuple(size), mode="bilinear", align_corners=False)[0]
    shown.mul_(255).round_()  # in place: 24 bytes a pixel are enough
    return np.asarray(shown.to(torch.uint8).permute(1, 2, 0).cpu().contiguous().numpy())


def _three_components(centred: Float[Tensor, "p d"]) -> Float[Tensor, "p 3"]:
    """Project on the eigenvectors of the three largest eigenvalues; missing ones are zero."""
    _, vectors = torch.linalg.eigh(centred.mT @ centred)
    strongest = vectors[:, -3:].flip(1)
    largest = strongest.gather(0, strongest.abs().argmax(dim=0, keepdim=True))
    projected = centred @ (strongest * torch.where(largest < 0, -1, 1))
    return F.pad(projected, (0, 3 - projected.shape[1]))
