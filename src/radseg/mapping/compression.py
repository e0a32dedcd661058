"""Fewer numbers per voxel: principal components of the features, about their mean (mapping spec 5.3 E).

Projection is affine, so the mean of projected values is the projection of the mean: averaging loses nothing
that the basis keeps.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radseg.errors import CheckpointError, InputError
from radseg.files import shown, write_bytes
from radseg.mapping.plain_files import read_plain
from radseg.ops.inference import without_autocast
from radseg.types import Rgb, Size

_NAME = re.compile(r"basis(_[0-9a-f]{16})?\.safetensors")
_LARGEST = 2**28  # bytes; 4096 channels in 1024 components take 17 MB
_UNIT = 1.001  # no part of a unit vector is longer than 1, up to rounding


@dataclass(frozen=True, eq=False)
class Basis:
    """The components that are kept.

    Attributes:
        mean: of the features.
        axes: orthonormal columns, the most important first.
        explained: share of the variance that the components keep, 0 to 1, of the features it was fitted to.
    """

    mean: Float[Tensor, " c"]
    axes: Float[Tensor, "c k"]
    explained: float

    @property
    def width(self) -> int:
        """Channels of the values themselves."""
        return len(self.mean)

    @without_autocast()
    def project(self, values: Float[Tensor, "n c"]) -> Float[Tensor, "n k"]:
        """Return the components of values."""
        return (values - self.mean.to(values)) @ self.axes.to(values)

    @without_autocast()
    def restore(self, components: Float[Tensor, "n k"]) -> Float[Tensor, "n c"]:
        """Return the values nearest to those that had these components, float32."""
        return components.float() @ self.axes.T + self.mean


@dataclass(frozen=True)
class ProjectedLift:
    """A lift followed by projection.

    Attributes:
        lift: gives the full values.
        basis: what is kept of them.
    """

    lift: Callable[[Rgb], Float[Tensor, "c h w"]]
    basis: Basis

    def lifting_bytes(self, size: Size) -> int:
        """Return what the lift takes; components take less than the values they are made of."""
        return self.lift.lifting_bytes(size) if hasattr(self.lift, "lifting_bytes") else 0

    def __call__(self, rgb: Rgb) -> Float[Tensor, "k h w"]:
        """Return the components of the lifted values."""
        values = self.lift(rgb)
        return self.basis.project(values.flatten(1).mT.float()).mT.unflatten(1, values.shape[1:])


def fit_basis(features: Iterable[Float[Tensor, "n c"]], components: int) -> Basis:
    """Return the principal components of features, which come in parts.

    Raises:
        InputError: no features, or fewer channels than components.
    """
    count, total, square = 0, torch.zeros(0), torch.zeros(0)
    for part in features:
        rows = part.double().cpu()
        if not count:
            total, square = (
                torch.zeros(rows.shape[1]).double(),
                torch.zeros(rows.shape[1], rows.shape[1]).double(),
            )
        count, total, square = count + len(rows), total + rows.sum(0), square + rows.mT @ rows
    if not 0 < components < len(total):
        raise InputError(
            f"{components} components of {len(total)} channels: there must be fewer, and at least one."
        )
    mean = total / count
    variances, axes = torch.linalg.eigh(square / count - mean[:, None] * mean)
    kept = axes.flip(1)[:, :components]
    share = float(variances.flip(0)[:components].sum() / variances.sum())
    return Basis(mean.float(), kept.float().contiguous(), share)


def is_basis(name: str) -> bool:
    """Return whether the file of a basis may have this name."""
    return _NAME.fullmatch(name) is not None


def basis_path(folder: Path, sha256: str) -> Path:
    """Return where the basis with this hash lies in a map folder.

    Its name holds the hash: the basis of a map that replaces another lies beside it.
    """
    return folder / f"basis_{sha256[:16]}.safetensors"


def write_basis(folder: Path, basis: Basis) -> str:
    """Write the basis of a map and return its SHA-256."""
    content = save({"mean": basis.mean, "axes": basis.axes, "explained": torch.tensor([basis.explained])})
    sha256 = hashlib.sha256(content).hexdigest()
    write_bytes(basis_path(folder, sha256), content)
    return sha256


def read_basis(folder: Path, sha256: str, channels: int) -> Basis:
    """Return the basis of a map of so many stored channels.

    Raises:
        CheckpointError: it is missing, damaged, or not the one the map was built with.
    """
    path = basis_path(folder, sha256)
    try:
        content = read_plain(path, max_bytes=_LARGEST)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("its SHA-256 is not the one in the manifest")
        tensors = load(content)
        basis = Basis(tensors["mean"], tensors["axes"], float(tensors["explained"]))
        if basis.mean.ndim != 1 or basis.axes.shape != (len(basis.mean), channels):
            raise ValueError(f"its axes are {tuple(basis.axes.shape)}")
        if not (
            _is_float32(basis.mean) and _is_float32(basis.axes) and float(basis.axes.abs().max()) < _UNIT
        ):
            raise ValueError("its mean is not finite, or its axes are no unit vectors")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{shown(path)} is damaged or was changed: {error}. "
            "Restore the map from a copy, or build it again."
        ) from error
    return basis


def _is_float32(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and bool(tensor.isfinite().all())
