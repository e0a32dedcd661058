"""Small RGB-D frames and maps for tests: a wavy wall seen from the side, values that follow the colours."""

import math

import torch
from torch import Tensor

from radseg.mapping.description import MapDescription
from radseg.mapping.mapper import Lift, Mapper
from radseg.mapping.voxel_map import VoxelMap
from radseg.types import Frame, Intrinsics, Size

SIZE = Size(24, 32)
CHANNELS = 5


def pose(index: int) -> Tensor:
    """Return the pose of a camera that walks sideways and turns a little."""
    angle = 0.05 * index
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[0, 0] = matrix[2, 2] = math.cos(angle)
    matrix[0, 2], matrix[2, 0] = math.sin(angle), -math.sin(angle)
    matrix[:3, 3] = torch.tensor([0.31 * index, 0.02 * index, -0.05 * index])
    return matrix


def frame(index: int = 0, *, size: Size = SIZE) -> Frame:
    """Return a frame of the walk; the same for the same index."""
    noise = torch.Generator().manual_seed(index)
    rows, columns = torch.meshgrid(torch.arange(size.height), torch.arange(size.width), indexing="ij")
    depth = 2 + 0.4 * torch.sin(columns / 7 + index) + 0.2 * torch.cos(rows / 5)
    depth[0, 0], depth[0, 1], depth[0, 2], depth[0, 3] = float("nan"), float("inf"), 0, -1
    rgb = torch.rand(3, size.height, size.width, generator=noise)
    camera = Intrinsics(30, 31, size.width / 2, size.height / 2, size)
    return Frame(f"frame-{index:03}", rgb, depth, camera, pose(index))


def grid_lift(rows: int = 5, columns: int = 7) -> Lift:
    """Return a lift of CHANNELS random values on a grid, the same for the same image."""

    def lift(rgb: Tensor) -> Tensor:
        noise = torch.Generator().manual_seed(int(rgb.sum() * 1000))
        return torch.randn(CHANNELS, rows, columns, generator=noise)

    return lift


def description(**changes: object) -> MapDescription:
    """Return the description of maps of `grid_lift` values, stored in float32 unless changed."""
    facts = {"voxel_size": 0.1, "space": "toy", "channels": CHANNELS, "dtype": "float32", "frame": "walk"}
    return MapDescription(**{**facts, **changes})


def grown(indices, *, into: VoxelMap | None = None, **changes: object) -> VoxelMap:
    """Return the map of these frames of the walk."""
    what = description(**changes)
    mapper, into = Mapper(what, grid_lift()), VoxelMap(what) if into is None else into
    for index in indices:
        mapper.integrate(frame(index), into)
    return into
