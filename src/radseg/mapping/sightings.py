"""Which frame saw which voxels, and from where: `sightings_<hash>.safetensors` in a map folder.

Tensors: `ids` (UTF-8 JSON), `poses` float64 "n 4 4", `cameras` float64 "n 6" (fx, fy, cx, cy, height,
width), `voxels` and `lengths` int64 "n", and `packed`, the frames' ascending keys as differences, deflated
one by one. Where 2D objects were looked for also `segments`, int32 of every voxel, deflated one by one, and
`segment_lengths` int64 "n", 0 where a frame noted none.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64, Integer
from safetensors import SafetensorError
from safetensors.torch import load, save

from radseg.errors import CheckpointError, InputError
from radseg.files import shown, write_bytes
from radseg.mapping.plain_files import read_plain
from radseg.ops.voxels import AXIS_BITS
from radseg.types import Frame, Intrinsics, Size

_NAME = re.compile(r"sightings_[0-9a-f]{16}\.safetensors")
_LARGEST = 4 * 2**30  # bytes; 100,000 frames of 10,000 voxels take 1.5 GB
_MOST_VOXELS = 2**26
"""Of a frame: more than any camera has pixels."""


class Sighting(NamedTuple):
    """What a frame saw.

    Attributes:
        frame: its id.
        camera_to_world: metres.
        intrinsics: of its depth.
        voxels: number of voxels that it added to.
        packed: their keys; see `keys`.
        packed_segments: the 2D object of each; see `segments`. Empty where none were looked for.
    """

    frame: str
    camera_to_world: Float[np.ndarray, "4 4"]
    intrinsics: Intrinsics
    voxels: int
    packed: bytes
    packed_segments: bytes = b""

    @classmethod
    def of(
        cls, frame: Frame, keys: Int64[np.ndarray, "m"], segments: Int[np.ndarray, "m"] | None = None
    ) -> "Sighting":
        """Return what a frame saw; `keys` ascend, `segments` count from 1, 0 for none."""
        packed = zlib.compress(np.diff(keys, prepend=0).astype("<i8").tobytes(), 1)
        pose = frame.camera_to_world.double().numpy()
        numbers = b"" if segments is None else zlib.compress(segments.astype("<i4").tobytes(), 1)
        return cls(frame.id, pose, frame.intrinsics, len(keys), packed, numbers)

    def keys(self) -> Int64[np.ndarray, "m"]:
        """Return the packed indices of the voxels, ascending.

        Raises:
            ValueError: they are damaged.
        """
        steps = self._unpacked(self.packed, "<i8")
        keys = np.cumsum(steps, dtype=np.int64)
        ascending = len(steps) > 0 and steps[0] >= 0 and bool((steps[1:] > 0).all())
        if len(keys) != self.voxels or not ascending or not 0 <= keys[-1] < 1 << 3 * AXIS_BITS:
            raise ValueError(f"frame {shown(self.frame)} has not the voxels that it says")
        return keys

    def segments(self) -> Int32[np.ndarray, "m"]:
        """Return the 2D object of each voxel, counted from 1; 0 for none.

        Raises:
            ValueError: they are damaged.
        """
        if not self.packed_segments:
            return np.zeros(self.voxels, np.int32)
        numbers = self._unpacked(self.packed_segments, "<i4")
        if len(numbers) != self.voxels or int(numbers.min()) < 0 or int(numbers.max()) > self.voxels:
            raise ValueError(f"frame {shown(self.frame)} has not the objects that it says")
        return numbers

    def _unpacked(self, packed: bytes, dtype: str) -> Integer[np.ndarray, "m"]:
        """Return the numbers in deflated bytes, no more than the frame's voxels; none if cut within one."""
        size = np.dtype(dtype).itemsize
        try:
            content = zlib.decompressobj().decompress(packed, size * self.voxels)
        except zlib.error as error:
            raise ValueError(f"the voxels of frame {shown(self.frame)} cannot be unpacked") from error
        return np.frombuffer(content[: len(content) // size * size], dtype)


@dataclass
class Sightings:
    """What the frames of a map saw, in the order in which they came."""

    frames: list[Sighting] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self.frames)

    @property
    def have_segments(self) -> bool:
        """Whether a frame noted its 2D objects."""
        return any(one.packed_segments for one in self.frames)

    def write(self, folder: Path) -> str:
        """Write the file durably and return its SHA-256; equal sightings give equal files.

        Raises:
            ResourceError: the disk is full or not writable.
        """
        cameras = [
            (one.fx, one.fy, one.cx, one.cy, *one.size) for one in (frame.intrinsics for frame in self.frames)
        ]
        tensors = {
            "ids": _bytes_tensor(json.dumps([one.frame for one in self.frames]).encode()),
            "poses": torch.tensor(np.array([one.camera_to_world for one in self.frames]).reshape(-1, 4, 4)),
            "cameras": torch.tensor(cameras, dtype=torch.float64).reshape(-1, 6),
            "voxels": torch.tensor([one.voxels for one in self.frames], dtype=torch.int64),
            "lengths": torch.tensor([len(one.packed) for one in self.frames], dtype=torch.int64),
            "packed": _bytes_tensor(b"".join(one.packed for one in self.frames)),
        }
        if self.have_segments:
            numbers = [one.packed_segments for one in self.frames]
            tensors["segment_lengths"] = torch.tensor([len(one) for one in numbers], dtype=torch.int64)
            tensors["segments"] = _bytes_tensor(b"".join(numbers))
        content = save(tensors)
        sha256 = hashlib.sha256(content).hexdigest()
        write_bytes(sightings_path(folder, sha256), content)
        return sha256


def joined(parts: Sequence[tuple[str, Sightings]]) -> Sightings:
    """Return the sightings of several maps, frames named after their map: "map/frame"."""
    return Sightings([one._replace(frame=f"{name}/{one.frame}") for name, part in parts for one in part])


def delete_sightings(folder: Path, keep: Collection[str]) -> None:
    """Delete files of sightings whose SHA-256 is not to be kept; nothing else."""
    kept = {sightings_path(folder, sha256).name for sha256 in keep}
    for path in list(folder.iterdir()):
        if _NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink(missing_ok=True)


def sightings_path(folder: Path, sha256: str) -> Path:
    """Return where the sightings with this hash lie in a map folder."""
    return folder / f"sightings_{sha256[:16]}.safetensors"


def read_sightings(folder: Path, sha256: str) -> Sightings:
    """Return the sightings of a map; the voxels of a frame are checked when asked for.

    Raises:
        CheckpointError: the file is missing, damaged, or not the one the map was built with.
    """
    path = sightings_path(folder, sha256)
    try:
        content = read_plain(path, max_bytes=_LARGEST)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("its SHA-256 is not the one in the manifest")
        return _parsed(load(content))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise CheckpointError(
            f"{shown(path)} is damaged or was changed: {error}. "
            "Restore the map from a copy, or build it again."
        ) from error


def _parsed(tensors: dict[str, torch.Tensor]) -> Sightings:
    ids = json.loads(tensors["ids"].numpy().tobytes())
    poses, cameras, voxels, lengths = (tensors[name] for name in ("poses", "cameras", "voxels", "lengths"))
    count = len(ids)
    wanted = (torch.float64, (count, 4, 4)), (torch.float64, (count, 6)), *[(torch.int64, (count,))] * 2
    found = [(one.dtype, tuple(one.shape)) for one in (poses, cameras, voxels, lengths)]
    if found != list(wanted) or not all(isinstance(one, str) for one in ids):
        raise ValueError("its frames are not described as radseg does")
    if not bool(poses.isfinite().all()) or not bool(cameras.isfinite().all()):
        raise ValueError("a pose or a camera is not finite")
    if count and (int(voxels.min()) < 1 or int(voxels.max()) > _MOST_VOXELS or int(lengths.min()) < 1):
        raise ValueError("a frame has no voxels, or more than pixels")
    packed = _cut(tensors["packed"], lengths)
    numbers = (
        _cut(tensors["segments"], tensors["segment_lengths"]) if "segments" in tensors else [b""] * count
    )
    frames = []
    rows = zip(ids, poses.numpy(), cameras.tolist(), voxels.tolist(), packed, numbers, strict=True)
    for frame, pose, (fx, fy, cx, cy, height, width), *rest in rows:
        intrinsics = Intrinsics(fx, fy, cx, cy, Size(int(height), int(width)))
        frames.append(Sighting(frame, pose, intrinsics, *rest))
    return Sightings(frames)


def _cut(content: torch.Tensor, lengths: torch.Tensor) -> list[bytes]:
    """Return the bytes of each frame."""
    joined, ends = content.numpy().tobytes(), lengths.cumsum(0).tolist()
    if lengths.dtype != torch.int64 or bool((lengths < 0).any()) or (ends[-1] if ends else 0) != len(joined):
        raise ValueError("its voxels are cut short")
    return [joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=False)]


def _bytes_tensor(content: bytes) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())
