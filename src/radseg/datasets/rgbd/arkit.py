"""ARKitScenes as Apple publishes it (its DATA.md): low-resolution colour and depth, one camera per frame."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose
from radseg.datasets.rgbd.files import DepthFormat, PoseReading, intrinsics_of, read_matrix, read_text
from radseg.datasets.rgbd.folder import first_size
from radseg.datasets.rgbd.tum import nearest
from radseg.errors import InputError
from radseg.files import lines_of, shown
from radseg.types import Intrinsics, Size

COLOUR, DEPTH, CAMERA, TRAJECTORY = (
    f"lowres_{name}" for name in ("wide", "depth", "wide_intrinsics", "wide.traj")
)
LIMIT = 0.01
"""Seconds between a frame and its pose: poses come ten times a second, frames up to 60 times, so one of the
frames around a pose lies this near."""


def is_arkit(path: Path) -> bool:
    """Say whether `path` looks like this layout."""
    return (path / TRAJECTORY).is_file() and all((path / name).is_dir() for name in (COLOUR, DEPTH))


def arkit_scene(path: Path, *, depth: DepthFormat | None = None) -> FileSequence:
    """Return a scene: lowres_depth/ID_TIME.png (millimetres), colour of the same name, one .pincam per frame.

    A line of lowres_wide.traj is a time, a rotation as axis times angle, and a shift, from world to camera.
    Colour and depth are registered and show the same.

    Raises:
        InputError: no frames with a pose, or a trajectory that is none.
    """
    poses = _poses(path / TRAJECTORY)
    cameras, colours, depths = (
        _by_time(path / name, ending)
        for name, ending in ((CAMERA, "pincam"), (COLOUR, "png"), (DEPTH, "png"))
    )
    size = first_size(list(depths.values()))
    frames: dict[str, FrameFiles] = {}
    for time, file in depths.items():
        near, camera = _nearest(poses, time), _nearest(cameras, time)
        if near is None or camera is None or abs(near - time) > LIMIT:
            continue
        read = partial(_camera, cameras[camera], size)
        colour = colours.get(time, path / COLOUR / file.name)
        frames[file.stem] = FrameFiles(colour, file, fixed_pose(poses[near]), timestamp=time, camera=read)
    if not frames:
        raise InputError(f"No depth image of {shown(path)} has a pose within {LIMIT} s and a camera.")
    alone = len(depths) - len(frames)
    notes = (f"{alone} of {len(depths)} frames have no pose within {LIMIT} s: left out.",) if alone else ()
    reading = PoseReading("world-to-camera")
    return FileSequence(frames, first_camera(frames), depth or DepthFormat(1000.0), reading, notes=notes)


def first_camera(frames: Mapping[str, FrameFiles]) -> Intrinsics:
    """Return the camera of the first frame whose camera can be read.

    Raises:
        InputError: there is none.
    """
    reason = InputError("No frame has a camera.")
    for files in frames.values():
        try:
            if files.camera is not None:
                return files.camera()
        except InputError as error:
            reason = error
    raise reason


def _by_time(folder: Path, ending: str) -> dict[float, Path]:
    """Return the files named ID_TIME.ending by their time, rising."""
    found: dict[float, Path] = {}
    for file in folder.glob(f"[!.]*.{ending}"):
        with suppress(ValueError):
            found[float(file.stem.rpartition("_")[2])] = file
    return dict(sorted(found.items()))


def _nearest(by_time: Mapping[float, object], wanted: float) -> float | None:
    times = list(by_time)
    index = nearest(times, wanted)
    return None if index is None else times[index]


def _camera(file: Path, size: Size) -> Intrinsics:
    """Return the camera of a .pincam file: width height fx fy cx cy."""
    width, height, fx, fy, cx, cy = read_matrix(file, 1, 6)[0].tolist()
    if not all(math.isfinite(side) and side >= 1 for side in (width, height)):
        raise InputError(f"{shown(file)} begins with {width:g} {height:g}, which is no width and height.")
    return intrinsics_of((fx, fy, cx, cy), Size(int(height), int(width)), size, shown(file))


def _poses(file: Path) -> dict[float, Float[Tensor, "4 4"]]:
    """Return world-to-camera by time, rising."""
    poses = {}
    for number, line in enumerate(lines_of(read_text(file)), 1):
        try:
            time, *values = (float(word) for word in line.split())
            if len(values) != 6:
                raise ValueError(f"{len(values) + 1} numbers")
        except ValueError as error:
            if not line.strip():
                continue
            raise InputError(
                f"Line {number} of {shown(file)} is not a time, a rotation (axis times angle) and a shift, "
                f"seven numbers: {error}."
            ) from error
        poses[time] = _pose(values)
    return dict(sorted(poses.items()))


def _pose(values: Sequence[float]) -> Float[Tensor, "4 4"]:
    """Return the matrix of axis times angle and shift; NaN where not finite, which `rigid` refuses."""
    pose = torch.eye(4, dtype=torch.float64)
    x, y, z, *shift = values
    if all(map(math.isfinite, values)):
        turn = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)
        pose[:3, :3] = torch.linalg.matrix_exp(turn)
        pose[:3, 3] = torch.tensor(shift, dtype=torch.float64)
        return pose
    return torch.full_like(pose, math.nan)
