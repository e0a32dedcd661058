"""ScanNet++'s iPhone recording as its toolkit extracts it: rgb/, depth/ and pose_intrinsic_imu.json."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd.arkit import first_camera
from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose, missing_pose
from radseg.datasets.rgbd.files import DepthFormat, intrinsics_of
from radseg.datasets.rgbd.folder import first_size
from radseg.datasets.rgbd.replica import read_json
from radseg.errors import InputError
from radseg.files import shown
from radseg.types import Intrinsics, Size

FILE = "pose_intrinsic_imu.json"


def is_scannetpp_iphone(path: Path) -> bool:
    """Say whether `path` looks like this layout: the folder `iphone` of a scene."""
    return (path / FILE).is_file()


def scannetpp_iphone_scene(path: Path, *, depth: DepthFormat | None = None) -> FileSequence:
    """Return a recording: rgb/frame_000000.jpg, depth/frame_000000.png (192 × 256, millimetres).

    The video and depth.bin must have been taken apart by the data set's toolkit. Each frame has its own
    camera, at the size of the colour images; it is scaled to the depth images, which show the same. Poses are
    camera-to-world; the aligned ones, in the world of the laser scan, where there are any.

    Raises:
        InputError: no frames, no images, or a file that describes none.
    """
    described = read_json(path / FILE)
    colours = sorted((path / "rgb").glob("[!.]*.jpg"))
    depths = [path / "depth" / f"{file.stem}.png" for file in colours]
    if not colours or not (path / "depth").is_dir():
        raise InputError(
            f"{shown(path)} has no images in rgb/ and depth/: take rgb.mkv and depth.bin apart first, with "
            "the toolkit's iphone.prepare_iphone_data."
        )
    own, size = first_size(colours), first_size(depths)
    aligned = any(isinstance(one, dict) and "aligned_pose" in one for one in described.values())
    frames = {
        colour.stem: FrameFiles(
            colour,
            file,
            _pose(described.get(colour.stem), "aligned_pose" if aligned else "pose", colour.stem, path),
            camera=partial(
                _camera, described.get(colour.stem), own, size, f"{colour.stem} in {shown(path / FILE)}"
            ),
        )
        for colour, file in zip(colours, depths, strict=True)
    }
    return FileSequence(frames, first_camera(frames), depth or DepthFormat(1000.0))


def _matrix(entry: Any, name: str, side: int, what: str) -> Float[Tensor, "k k"]:
    try:
        matrix = torch.tensor(entry[name], dtype=torch.float64)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{what} has no {name} of {side}×{side} numbers: {error!r}.") from error
    if matrix.shape != (side, side):
        raise InputError(f"{what} has a {name} of shape {tuple(matrix.shape)}, not {side}×{side}.")
    return matrix


def _pose(entry: Any, name: str, frame: str, path: Path) -> Callable[[], Float[Tensor, "4 4"]]:
    try:
        return fixed_pose(_matrix(entry, name, 4, f"{frame} in {shown(path / FILE)}"))
    except InputError as error:
        return missing_pose(str(error))


def _camera(entry: Any, own: Size, size: Size, what: str) -> Intrinsics:
    matrix = _matrix(entry, "intrinsic", 3, what)
    fx, fy, cx, cy = (float(matrix[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return intrinsics_of((fx, fy, cx, cy), own, size, what)
