"""From an RGB-D frame to sums per voxel; a frame that cannot be used says why (mapping spec 2 and 5.3 A)."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.errors import InputError
from radseg.mapping.accumulate import grid_of, mix, mixture
from radseg.mapping.compression import Basis, ProjectedLift
from radseg.mapping.description import NOTHING, MapDescription
from radseg.mapping.segments import voxel_segments
from radseg.mapping.sightings import Sighting
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.camera import limited, project, transform, unproject, valid_depth
from radseg.ops.inference import inference
from radseg.ops.resize import image_size
from radseg.ops.voxels import VoxelSums, pack, reachable, sum_rows, voxel_indices
from radseg.types import RGB_ROUNDING, Frame, Rgb, Size

Lift = Callable[[Rgb], Float[Tensor, "c h w"]]
"""From a colour image to values on a grid that covers it: features, class probabilities, and so on."""

FindSegments = Callable[[Rgb], Int[Tensor, "h w"]]
"""From a colour image to the number of the 2D object of every pixel, from 1; 0 for none."""

POINT, COLOUR = 260, 28
"""Bytes a pixel of depth, and of the colour image, while a frame becomes sums per voxel (measured)."""


@runtime_checkable
class MeasuredLift(Protocol):
    """A lift that knows what memory it takes; of another one it is not counted."""

    def lifting_bytes(self, size: Size) -> int:
        """Return the bytes alive while an image of `size` is lifted."""


Box = tuple[tuple[float, float, float], tuple[float, float, float]]
_LARGEST_SKEW = 0.02
"""Of rotation · rotationᵀ from the identity; poses of real trackers stay below 0.001."""


class SkippedFrame(InputError):
    """A frame adds nothing to the map; the message is the reason."""


@dataclass(frozen=True)
class Mapper:
    """Turns frames into what they add to a map.

    Attributes:
        description: of the map.
        lift: what is averaged; None for a map of colours only.
        max_depth: points farther than this along the optical axis are left out, metres; None takes all.
        max_points: points of a frame, chosen at random (the same for a frame of the same id); None takes all.
        box: only points strictly between these two corners count, world metres.
        find_segments: finds the 2D objects of a frame, that 3D objects be told apart by; None looks for none.
    """

    description: MapDescription
    lift: Lift | None = None
    max_depth: float | None = None
    max_points: int | None = None
    box: Box | None = None
    find_segments: FindSegments | None = None

    def __post_init__(self) -> None:
        if self.max_depth is not None and not self.max_depth > 0:
            raise InputError(f"The largest depth is {self.max_depth:g} m; it must be above 0.")
        if (self.lift is None) != (self.description.space == NOTHING):
            raise InputError(f"Space {self.description.space!r} does not go with lift {self.lift}.")

    def compressed(self, basis: Basis, sha256: str) -> "Mapper":
        """Return the mapper that stores principal components; `sha256` is that of the basis in its file.

        Raises:
            InputError: the map is one of probabilities or of colours.
        """
        if self.lift is None or self.description.names:
            raise InputError("Only maps of features can be stored in principal components.")
        description = replace(self.description, channels=basis.axes.shape[1], basis=sha256)
        return replace(self, description=description, lift=ProjectedLift(self.lift, basis))

    def integrate(self, frame: Frame, into: VoxelMap) -> int:
        """Add a frame to a map and return its number of points.

        Raises:
            SkippedFrame: the frame cannot be used; the map is as before.
        """
        sums = self.sums(frame)
        into.add(sums)
        return int(sums.counts.sum())

    def frame_bytes(self, frame: Frame) -> int:
        """Return the bytes alive while a frame becomes sums per voxel, without the sums themselves."""
        size = image_size(frame.rgb)
        own = POINT * frame.depth.numel() + COLOUR * size.height * size.width
        return own + (self.lift.lifting_bytes(size) if isinstance(self.lift, MeasuredLift) else 0)

    @inference()
    def sums(self, frame: Frame) -> VoxelSums:
        """Return the sums per voxel over all valid pixels of a frame, on the CPU.

        Raises:
            SkippedFrame: pose, depth, colour or lifted values cannot be used.
        """
        keys, positions, image = self._placed(frame)
        found, voxel, counts = torch.unique(keys, return_inverse=True, return_counts=True)
        colours = _colour_sums(frame.rgb, voxel, len(found), positions, image)
        values = self._value_sums(frame.rgb, voxel, len(found), positions, image)
        return VoxelSums(found, counts, values, colours)

    def observed(self, frame: Frame) -> tuple[VoxelSums, Sighting]:
        """Return the sums of a frame, and what it saw: voxels, and 2D objects where they are looked for.

        Raises:
            SkippedFrame: as `sums`.
        """
        sums = self.sums(frame)
        found = None if self.find_segments is None else self._segments(frame, self.find_segments(frame.rgb))
        return sums, Sighting.of(frame, sums.keys.numpy(), found)

    def _segments(self, frame: Frame, numbers: Int[Tensor, "h w"]) -> Int[np.ndarray, "m"]:
        """Return the segment of each voxel of `sums` from the 2D object of each pixel of the image."""
        keys, positions, image = self._placed(frame)
        height, width = numbers.shape
        scale = positions.new_tensor([width / image.width, height / image.height])
        column, row = ((positions + 0.5) * scale).long().unbind(1)
        inside = numbers.cpu()[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        found, voxel = torch.unique(keys, return_inverse=True)
        return voxel_segments(found.numpy(), voxel.numpy(), inside.numpy())

    def _placed(self, frame: Frame) -> tuple[Int[Tensor, " n"], Float[Tensor, "n 2"], Size]:
        """Return each point's packed voxel, its column and row in the image, and that image's size."""
        points, pixels = self._points(frame)
        world = transform(points, frame.camera_to_world)
        kept = self._kept(world)
        if not bool(kept.any()):
            where = "the map's reach" if self.box is None else "the box that is mapped"
            raise SkippedFrame(f"no point of it is within {where}")
        points, pixels, world = points[kept], pixels[kept], world[kept]
        positions, image, kept = _seen(frame, points, pixels)
        if not bool(kept.any()):
            raise SkippedFrame("the colour camera sees no point of it")
        return pack(voxel_indices(world[kept], self.description.voxel_size)), positions[kept], image

    def _points(self, frame: Frame) -> tuple[Float[Tensor, "n 3"], Int[Tensor, " n"]]:
        """Return the points in the depth camera's axes and their flat pixels, or say what is wrong."""
        _require_usable(frame)
        valid = valid_depth(frame.depth)
        if self.max_depth is not None:
            valid &= frame.depth <= self.max_depth
        pixels = valid.flatten().nonzero()[:, 0]
        if not len(pixels):
            near = "" if self.max_depth is None else f" of at most {self.max_depth:g} m"
            raise SkippedFrame(f"no pixel has a valid depth{near}")
        if self.max_points is not None:
            seed = torch.Generator().manual_seed(zlib.crc32(frame.id.encode()))
            pixels = pixels[limited(len(pixels), self.max_points, seed)]
        return unproject(frame.depth.float(), frame.intrinsics, pixels), pixels

    def _kept(self, world: Float[Tensor, "n 3"]) -> Tensor:
        kept = reachable(world, self.description.voxel_size)
        if self.box is not None:
            low, high = (world.new_tensor(corner) for corner in self.box)
            kept &= ((world > low) & (world < high)).all(1)
        return kept

    def _value_sums(
        self, rgb: Rgb, voxel: Int[Tensor, " n"], voxels: int, positions: Tensor, image: Size
    ) -> Float[Tensor, "m c"]:
        if self.lift is None:
            return torch.zeros(voxels, 0)
        values = self.lift(rgb)
        self._require_fitting(values)
        values = grid_of(values, image)
        grid = image_size(values)
        where = values.device
        mixed = mixture(voxel.to(where), voxels, positions.to(where), image, grid)
        return mix(mixed, values).cpu()

    def _require_fitting(self, values: Float[Tensor, "c h w"]) -> None:
        channels = self.description.channels
        if values.ndim != 3 or values.shape[0] != channels:
            raise InputError(f"The lift gave {tuple(values.shape)}; the map has {channels} channels.")
        largest = float(values.abs().max())
        limit = torch.finfo(self.description.torch_dtype).max
        if not largest <= limit:  # NaN too
            raise SkippedFrame(
                f"its lifted values reach {largest:g}, beyond {self.description.dtype} ({limit:g})"
            )


def _require_usable(frame: Frame) -> None:
    pose = frame.camera_to_world
    if pose.shape != (4, 4) or not bool(pose.isfinite().all()):
        raise SkippedFrame("its pose is not finite: tracking was lost")
    rotation = pose[:3, :3].double()
    skew = float((rotation @ rotation.mT - torch.eye(3, dtype=torch.float64)).abs().max())
    if skew > _LARGEST_SKEW or float(rotation.det()) < 0:
        raise SkippedFrame("its pose is not a rotation and a translation")
    if tuple(frame.depth.shape) != frame.intrinsics.size:
        size = image_size(frame.depth)
        raise SkippedFrame(f"its depth is {size}, its camera {frame.intrinsics.size}")
    lowest, highest = (float(value) for value in torch.aminmax(frame.rgb))
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise SkippedFrame("its colours are not finite")
    if lowest < -RGB_ROUNDING or highest > 1 + RGB_ROUNDING:
        raise SkippedFrame(
            f"its colours go from {lowest:.3g} to {highest:.3g}, not from 0 to 1: normalised already (the "
            "model does that), or not divided by 255"
        )


def _seen(
    frame: Frame, points: Float[Tensor, "n 3"], pixels: Int[Tensor, " n"]
) -> tuple[Float[Tensor, "n 2"], Size, Tensor]:
    """Return where each point is in the colour image (column, row), that image's size, and what it shows.

    With registered colour the image is taken at the size of the depth. With a colour camera of its
    own, points are projected into it; what it sees in front of a point (parallax) is ignored.
    """
    if frame.colour_intrinsics is None:
        width = frame.depth.shape[1]
        place = torch.stack([pixels % width, pixels.div(width, rounding_mode="floor")], 1)
        return place.float(), image_size(frame.depth), torch.ones_like(pixels, dtype=torch.bool)
    if frame.depth_to_colour is not None:
        points = transform(points, frame.depth_to_colour)
    place, seen = project(points, frame.colour_intrinsics)
    return place, frame.colour_intrinsics.size, seen


def _colour_sums(
    rgb: Rgb, voxel: Int[Tensor, " n"], voxels: int, positions: Float[Tensor, "n 2"], image: Size
) -> Float[Tensor, "m 3"]:
    """Return the sum of the colours at the positions, of the image at size `image` or coarser."""
    rgb = grid_of(rgb, image)
    if image_size(rgb) == image and not bool((positions % 1).any()):
        column, row = positions.long().unbind(1)
        return sum_rows(rgb[:, row, column].mT.double(), voxel, voxels).float()
    return mix(mixture(voxel, voxels, positions, image, image_size(rgb)), rgb)
