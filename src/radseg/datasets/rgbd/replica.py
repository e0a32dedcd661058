"""Replica as NICE-SLAM lays it out (mapping spec 1.1): results/, traj.txt, cam_params.json one folder up."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose, missing_pose
from radseg.datasets.rgbd.classes import ClassTable, class_table
from radseg.datasets.rgbd.files import DepthFormat, pinhole, read_text
from radseg.errors import InputError
from radseg.files import json_of, lines_of, shown
from radseg.types import Size

TRAJECTORY = "traj.txt"
CAMERA = "cam_params.json"


def is_replica(path: Path) -> bool:
    """Say whether `path` looks like a scene of this layout."""
    return (path / TRAJECTORY).is_file() and (path / "results").is_dir()


def replica_scene(path: Path, *, depth: DepthFormat | None = None) -> FileSequence:
    """Return a scene: results/frame%06d.jpg and depth%06d.png, one pose a line of traj.txt.

    Args:
        depth: instead of the unit that cam_params.json names.

    Raises:
        InputError: no camera file, or no pose.
    """
    file = path.parent / CAMERA if (path.parent / CAMERA).is_file() else path / CAMERA
    camera = read_json(file).get("camera", {})
    try:
        size = Size(int(camera["h"]), int(camera["w"]))
        unit = float(camera["scale"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{shown(file)} needs 'camera' with w, h and scale beside fx, fy, cx, cy: {error}."
        ) from error
    intrinsics = pinhole(camera, ("fx", "fy", "cx", "cy"), size, file)
    lines = [line for line in lines_of(read_text(path / TRAJECTORY)) if line.strip()]
    if not lines:
        raise InputError(f"{shown(path / TRAJECTORY)} holds no pose.")
    frames = {}
    for number, line in enumerate(lines):
        where = f"Line {number + 1} of {shown(path / TRAJECTORY)}"
        try:
            values = torch.tensor([float(word) for word in line.split()], dtype=torch.float64)
        except ValueError:
            values = torch.empty(0)
        pose = (
            fixed_pose(values.reshape(4, 4))
            if len(values) == 16
            else missing_pose(f"{where} is not the 16 numbers of a 4×4 pose.")
        )
        results = path / "results"
        frames[f"{number:06d}"] = FrameFiles(
            results / f"frame{number:06d}.jpg", results / f"depth{number:06d}.png", pose
        )
    return FileSequence(frames, intrinsics, depth or DepthFormat(unit))


def replica_classes(root: Path, scene: str, *, ignore: Collection[str] = ()) -> ClassTable:
    """Return the classes of a scene from semantic_info/<office_0>/info_semantic.json under `root`.

    Raises:
        InputError: no such file, or one without classes.
    """
    file = root / "semantic_info" / f"{scene[:-1]}_{scene[-1]}" / "info_semantic.json"
    try:
        names = {int(row["id"]): str(row["name"]) for row in read_json(file)["classes"]}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} needs 'classes', a list of id and name: {error!r}.") from error
    return class_table(names, ignore=ignore)


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        InputError: missing, not JSON, or not an object.
    """
    try:
        content = json_of(read_text(file))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(file)} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{shown(file)} holds a {type(content).__name__} where an object is needed.")
    return content
