"""What a map is a map of: everything that must be equal for two maps to be merged, or a build to go on."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

from radseg.errors import InputError

StoredDtype = Literal["float16", "float32"]
DTYPES: dict[str, torch.dtype] = {"float16": torch.float16, "float32": torch.float32}
DEFAULT_FRAME = "world"
"""Of maps whose world frame nobody named: two of that name need not be one frame."""
PROBABILITIES, NOTHING = "probabilities", "none"
AXES = "x y z of the sequence's world, right-handed, metres; poses camera-to-world, OpenCV camera axes"


@dataclass(frozen=True)
class MapDescription:
    """The meaning of the numbers of a map.

    Attributes:
        voxel_size: side of a voxel in metres.
        space: "backbone:<version>" for features whose language alignment is still to be applied (mapping spec
            2.8), the name of a text space for aligned ones, "probabilities", or "none": only colour.
        channels: length of a voxel's stored value; 0 in space "none".
        dtype: in which means and colours are stored; arithmetic is float32 always.
        names: one name per channel of a probability map, otherwise empty.
        frame: name of the world frame: maps can be merged only within one.
        axes: of the world and of the poses, for people.
        basis: SHA-256 of the principal components that values are stored in; empty for values as they are.
        encoder: preset, checkpoint, hash of its weights, options: what made the values.
    """

    voxel_size: float
    space: str = NOTHING
    channels: int = 0
    dtype: StoredDtype = "float16"
    names: tuple[str, ...] = ()
    frame: str = DEFAULT_FRAME
    axes: str = AXES
    basis: str = ""
    encoder: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.voxel_size) and self.voxel_size > 0):
            raise InputError(f"The voxel size is {self.voxel_size}; it must be a positive number of metres.")
        if self.dtype not in DTYPES:
            raise InputError(f"Unknown dtype {self.dtype!r}; use {' or '.join(DTYPES)}.")
        if self.channels < 0 or (self.channels == 0) != (self.space == NOTHING):
            raise InputError(
                f"{self.channels} channels do not go with space {self.space!r}; only {NOTHING!r} has none."
            )
        if (self.space == PROBABILITIES) != bool(self.names):
            raise InputError(f"Names belong to maps of {PROBABILITIES}, and to them only.")
        if self.names and len(self.names) != self.channels:
            raise InputError(f"{len(self.names)} names for {self.channels} channels of probabilities.")

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of stored means and colours."""
        return DTYPES[self.dtype]

    def as_json(self) -> dict[str, Any]:
        """Return the description as JSON values."""
        return asdict(self) | {"names": list(self.names), "encoder": dict(self.encoder)}

    def require_same(self, other: "MapDescription", *, what: str) -> None:
        """Raise InputError naming what differs from `other`, which `what` introduces in the message."""
        mine, theirs = _flat(self.as_json()), _flat(other.as_json())
        if mine["space"] != theirs["space"]:  # the rest of what makes the values differs with it
            mine, theirs = ({key: one[key] for key in _COMMON} for one in (mine, theirs))
        changed = [
            f"{key} is {theirs.get(key, 'absent')}, not {mine.get(key, 'absent')}"
            for key in {**mine, **theirs}
            if mine.get(key) != theirs.get(key)
        ]
        if changed:
            raise InputError(f"{what} does not fit: {'; '.join(changed)}.")


_COMMON = ("voxel_size", "space", "dtype", "frame", "axes")


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return nested values, as they are shown, under keys such as "encoder.options.crop"."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{before}{key}.") if nested else {f"{before}{key}": repr(value)}
    return flat
