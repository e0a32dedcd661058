"""Tensors that are described now and read later, so that conversion holds one at a time in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.ranges import RangeSource


@dataclass(frozen=True)
class LazyTensor:
    """Shape, type and the way to the values.

    Attributes:
        shape: sizes of the axes.
        dtype: number type as stored.
        load: reads and returns the tensor, contiguous, with this shape and type.
        span: the bytes of the source it needs; None if it is computed or local.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    load: Callable[[], Tensor]
    span: tuple[int, int] | None = None

    @property
    def bytes(self) -> int:
        """Size of the values in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def reshaped(self, *shape: int) -> "LazyTensor":
        """Return the same values under another shape of the same size."""
        assert prod(shape) == prod(self.shape), (shape, self.shape)
        load = self.load
        return replace(self, shape=shape, load=lambda: load().reshape(shape))


def decode(view: memoryview, dtype: torch.dtype, start: int) -> Tensor:
    """Return the numbers in `view` as a flat tensor sharing its memory where alignment allows.

    Args:
        view: raw little-endian values.
        dtype: their type.
        start: position of the view in a page-aligned map; decides the alignment.
    """
    if not len(view):
        return torch.empty(0, dtype=dtype)
    if start % dtype.itemsize:
        view = memoryview(bytearray(view))
    return torch.frombuffer(view, dtype=dtype)


def stored(source: RangeSource, start: int, shape: tuple[int, ...], dtype: torch.dtype) -> LazyTensor:
    """Return the contiguous tensor whose values begin at byte `start` of `source`."""
    stop = start + prod(shape) * dtype.itemsize

    def load() -> Tensor:
        return decode(source.read(start, stop), dtype, start).reshape(shape)

    return LazyTensor(shape, dtype, load, (start, stop))


def require_finite(name: str, tensor: Tensor, file: str) -> None:
    """Raise CheckpointError if a floating tensor holds NaN or infinity."""
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise CheckpointError(
            f"{file}: {name} holds {bad} value(s) that are NaN or infinite; the file is damaged or the "
            "training diverged. Fetch the published file again."
        )
