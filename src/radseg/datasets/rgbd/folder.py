"""The plain folder: frame-NNN.color.jpg, .depth.png, .pose.txt and one camera file (3DMatch, 7-Scenes)."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, pose_file
from radseg.datasets.rgbd.cameras import DepthCamera, read_camera
from radseg.datasets.rgbd.depth_files import Header, depth_header
from radseg.datasets.rgbd.files import (
    DepthFormat,
    at_size,
    read_image_size,
    read_intrinsics,
    read_matrix,
    rigid,
)
from radseg.errors import InputError
from radseg.files import shown
from radseg.types import Size

CAMERA = "camera-intrinsics.txt"
COLOUR_CAMERA = "color-intrinsics.txt"
DEPTH_TO_COLOUR = "depth-to-color.txt"
DEPTH = DepthFormat(per_metre=1000.0, invalid=(0, 65535))
METRES = DepthFormat(per_metre=1.0, numbers="float")
_DEPTH_ENDINGS = (".depth.png", ".depth.pgm", ".depth.tif", ".depth.tiff", ".depth.npy")
_COLOUR_ENDINGS = (".color.jpg", ".color.png", ".color.jpeg")


def is_plain_folder(path: Path) -> bool:
    """Say whether `path` looks like this layout."""
    return any(next(_named(path, ending), None) for ending in _DEPTH_ENDINGS)


def plain_folder(
    path: Path, *, depth: DepthFormat | None = None, camera: DepthCamera | None = None
) -> FileSequence:
    """Return the sequence of a plain folder.

    Beside the frames, or one folder up (3DMatch), lies `camera-intrinsics.txt`, the matrix of the depth
    camera or its fx fy cx cy, with a negative fy where the y axis points up; the nearer file wins. Numbers of
    another size, as of colour images that depth is registered to, are followed by that width and height:
    depth is read at its own size and its camera scaled to it, since enlarged depth has no more points to
    give, only more to compute. Where colour is not registered to depth, `color-intrinsics.txt` (3 × 3) and
    `depth-to-color.txt` (4 × 4, metres) describe the colour camera.

    Args:
        depth: by default metres where the files hold floats, millimetres where they hold integers.
        camera: instead of the file's, scaled to the size of the depth files.

    Raises:
        InputError: no frames, depth files of several endings, or a bad camera file.
    """
    colours = {
        file.name.removesuffix(ending): file
        for ending in _COLOUR_ENDINGS
        for file in sorted(_named(path, ending))
    }
    ending = _depth_ending(path)
    depths = {file.name.removesuffix(ending): file for file in _named(path, ending)}
    names = sorted({*colours, *depths})
    if not names:
        raise InputError(f"{shown(path)} holds no frames: files like frame-000000.color.jpg and .depth.png.")
    frames = {
        name: FrameFiles(
            colours.get(name, path / f"{name}.color.jpg"),
            depths.get(name, path / f"{name}{ending}"),
            pose_file(path / f"{name}.pose.txt"),
        )
        for name in names
    }
    size, numbers = _first_header(sorted(depths.values()))
    colour_camera = None
    if (path / COLOUR_CAMERA).exists():
        colour_camera = read_intrinsics(path / COLOUR_CAMERA, first_size(sorted(colours.values())))
    shift = path / DEPTH_TO_COLOUR
    if camera is None:
        camera = read_camera(_camera_file(path), size)
    return FileSequence(
        frames,
        at_size(camera.intrinsics, size),
        depth or (METRES if numbers == "float" else DEPTH),
        camera.reading,
        colour_intrinsics=colour_camera,
        depth_to_colour=read_matrix(shift, 4, 4) if shift.exists() else None,
    )


def _depth_ending(folder: Path) -> str:
    found = [ending for ending in _DEPTH_ENDINGS if next(_named(folder, ending), None)]
    if len(found) > 1:
        raise InputError(f"{shown(folder)} has depth files of several kinds ({', '.join(found)}); keep one.")
    return found[0] if found else ".depth.png"


def _first_header(files: list[Path]) -> Header:
    """Return the header of the first depth file that can be read; raises as `first_size`."""
    for file in files:
        try:
            return depth_header(file)
        except Exception:
            continue
    return first_size(files), "integer"


def _camera_file(folder: Path) -> Path:
    places = (folder / CAMERA, folder.resolve().parent / CAMERA)
    if found := next((place for place in places if os.path.lexists(place)), None):
        return found
    raise InputError(
        f"There is no file {shown(places[0])}, nor one a folder up: write the depth camera's fx fy cx cy "
        "into it. 7-Scenes has 585 585 320 240 (--camera 7-scenes)."
    )


def _named(folder: Path, ending: str) -> Iterator[Path]:
    """Yield the files of a folder with this ending; hidden ones are none of the recording's."""
    return (file for file in folder.glob(f"*{ending}") if not file.name.startswith("."))


def with_colour_camera(sequence: FileSequence, folder: Path) -> FileSequence:
    """Return the sequence with the colour camera that a folder describes, as the plain layout has it.

    Args:
        folder: holds `color-intrinsics.txt` (3 × 3) and `depth-to-color.txt` (4 × 4, metres).

    Raises:
        InputError: a file is missing or is no such matrix, or the motion is not rigid.
    """
    size = first_size([files.colour for files in sequence.frames.values()])
    camera = read_intrinsics(folder / COLOUR_CAMERA, size)
    shift = rigid(read_matrix(folder / DEPTH_TO_COLOUR, 4, 4), f"The motion in {DEPTH_TO_COLOUR}")
    return replace(sequence, colour_intrinsics=camera, depth_to_colour=shift)


def first_size(files: list[Path]) -> Size:
    """Return the size of the first image whose header can be read: a camera has one size.

    Raises:
        InputError: none can be read.
    """
    for file in files:
        try:
            return read_image_size(file)
        except InputError:
            continue
    raise InputError(
        f"None of {len(files)} images can be read{f', such as {shown(files[0])}' if files else ''}."
    )
