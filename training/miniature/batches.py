"""What one training step sees: random crops of images, on the device that learns."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.types import Size
from training.miniature.renders import Renders, Shots


@dataclass(frozen=True, eq=False)
class Batch:
    """Crops of one size. Pixel values in [0, 1]; see Shots for the rest."""

    images: Float[Tensor, "n 3 H W"]
    labels: Int[Tensor, "n H W"]
    regions: Int[Tensor, "n H W"]
    depth: Float[Tensor, "n H W"]
    focal: Float[Tensor, " n"]


class Dataset:
    """Renders held on a device.

    Args:
        device: where crops are cut and given out.
    """

    def __init__(self, shots: Shots, device: torch.device | str) -> None:
        self._tensors = {f.name: torch.from_numpy(getattr(shots, f.name)).to(device) for f in fields(shots)}
        self.device = torch.device(device)

    def __len__(self) -> int:
        return len(self._tensors["images"])

    def draw(self, size: Size, count: int, rng: np.random.Generator) -> Batch:
        """Return random crops of random images, half of them mirrored, a little brighter or darker."""
        height, width = self._tensors["labels"].shape[1:]
        chosen = rng.integers(len(self), size=count)
        top = rng.integers(0, height - size.height + 1, count)
        left = rng.integers(0, width - size.width + 1, count)
        mirrored = rng.random(count) < 0.5
        light = rng.uniform(0.88, 1.14, count).astype(np.float32)
        across = np.where(mirrored[:, None], np.arange(size.width)[::-1], np.arange(size.width))
        rows = top[:, None] + np.arange(size.height)
        return self._cut(chosen, rows, left[:, None] + across, light)

    def corner(self, size: Size, part: slice) -> Batch:
        """Return the top left corners of some renders, as they are."""
        chosen = np.arange(len(self))[part]
        rows, columns = np.arange(size.height)[None], np.arange(size.width)[None]
        return self._cut(chosen, rows, columns, np.ones(len(chosen), np.float32))

    def _cut(
        self,
        chosen: "np.ndarray[Any, Any]",
        rows: "np.ndarray[Any, Any]",
        columns: "np.ndarray[Any, Any]",
        light: "np.ndarray[Any, Any]",
    ) -> Batch:
        which, down, across, bright = (
            torch.from_numpy(part.copy()).to(self.device) for part in (chosen, rows, columns, light)
        )
        at = (which[:, None, None], down[:, :, None], across[:, None, :])
        images = self._tensors["images"][at].movedim(-1, 1).float() / 255
        return Batch(
            (images * bright[:, None, None, None]).clamp(0, 1),
            self._tensors["labels"][at].long(),
            self._tensors["regions"][at].long(),
            self._tensors["depth"][at].float(),
            self._tensors["focal"][which],
        )


@dataclass(frozen=True, eq=False)
class Datasets:
    """Both kinds of renders."""

    wide: Dataset
    close: Dataset

    @classmethod
    def of(cls, renders: Renders, device: torch.device | str) -> "Datasets":
        """Return both kinds on a device."""
        return cls(Dataset(renders.wide, device), Dataset(renders.close, device))

    def draw(self, side: int, count: int, rng: np.random.Generator) -> Batch:
        """Return square crops, half of everyday views, half of views of one object."""
        size = Size(side, side)
        halves = [self.wide.draw(size, count - count // 2, rng), self.close.draw(size, count // 2, rng)]
        return Batch(*(torch.cat([getattr(half, f.name) for half in halves]) for f in fields(Batch)))
