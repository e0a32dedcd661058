"""Record3D's own recordings: a .r3d archive as the app exports it, or the folder it was unpacked into."""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd.arkit import first_camera
from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose, missing_pose
from radseg.datasets.rgbd.files import DepthFormat, PoseReading, intrinsics_of, pose_of_quaternion
from radseg.datasets.rgbd.lzfse_stream import decoded
from radseg.errors import ImageError, InputError
from radseg.extras import require
from radseg.files import MAX_BYTES, bytes_of, json_of, open_regular, shown
from radseg.io import decode_bytes, rgb_of
from radseg.types import Intrinsics, Rgb, Size

DESCRIPTION, FRAMES = "metadata", "rgbd"
LIDAR = Size(256, 192)
"""Of depth where the description has none: that of the phones' LiDAR, held upright."""
_FRAME = re.compile(rf"{FRAMES}/(0|[1-9][0-9]{{0,6}})\.(jpg|depth)")
_ENCRYPTED = 0x1
Found = TypeVar("Found")
_MOST_MEMBERS = 1_000_000
"""Files of an archive: a frame has three, so these are three hours at 30 Hz."""


def is_record3d(path: Path) -> bool:
    """Say whether `path` looks like this layout."""
    if not path.is_dir():
        return path.suffix.lower() == ".r3d"
    return (path / DESCRIPTION).is_file() and (path / FRAMES).is_dir()


def record3d_scene(path: Path) -> FileSequence:
    """Return a recording: rgbd/0.jpg, rgbd/0.depth (LZFSE, float32, metres), and `metadata`, a JSON object.

    Poses are camera-to-world with OpenGL axes, as quaternion (x, y, z, w) and shift. The camera, of each
    frame where the app noted that, is at the size of the colour images; it is scaled to depth, which shows
    the same. Nothing is unpacked to the disk. Confidence (rgbd/0.conf) is not read.

    Raises:
        MissingExtraError: the library that reads LZFSE is not installed.
        InputError: no archive, a hostile one, no frames, or a description that is none.
    """
    require("lzfse", "record3d")
    names = _frame_names(path)
    described = _description(path)
    if not names:
        raise InputError(f"{shown(path)} holds no frames: files like {FRAMES}/0.jpg and {FRAMES}/0.depth.")
    frames = {
        str(number): FrameFiles(
            path / FRAMES / f"{number}.jpg",
            path / FRAMES / f"{number}.depth",
            _pose(described, number, path),
            timestamp=_time(described, number),
            camera=partial(_camera, described, number, path),
        )
        for number in names
    }
    depth = DepthFormat(per_metre=1.0, numbers="float")
    return Record3dSequence(frames, first_camera(frames), depth, PoseReading(axes="opengl"))


class Record3dSequence(FileSequence):
    """FileSequence whose files are members of an archive, or lie in a folder, and whose depth is LZFSE."""

    def read_colour(self, path: Path) -> Rgb:
        """Return a colour image.

        Raises:
            ImageError, InputError: missing or damaged.
        """
        return rgb_of(decode_bytes(_content(path), shown(path)))

    def read_depth(self, path: Path, size: Size) -> Float[Tensor, "H W"]:
        """Return the depth in a file, metres, NaN where unknown.

        Raises:
            ImageError, InputError: missing, damaged, or not of `size`.
        """
        try:
            content = decoded(_content(path), 4 * size.height * size.width)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise ImageError(
                f"The depth image {shown(path)} is damaged or not of {size} ({error}); copy it again."
            ) from error
        return self.depth.metres(np.frombuffer(content, "<f4").reshape(size.height, size.width))

    def sha256(self, path: Path) -> bytes:
        """Return the SHA-256 of a file."""
        return hashlib.sha256(_content(path)).digest()


def _content(path: Path) -> bytes:
    """Return the bytes of a frame's file, in the folder or in the archive above it."""
    root = path.parent.parent
    return _member(root, path.relative_to(root).as_posix())


def _frame_names(path: Path) -> list[int]:
    """Return the numbers of the frames, rising."""
    if path.is_dir():
        names = [f"{FRAMES}/{file.name}" for file in (path / FRAMES).glob("*")]
    else:
        names = _archived(path, lambda archive: [info.orig_filename for info in archive.infolist()])
    if len(names) > _MOST_MEMBERS:
        raise InputError(f"{shown(path)} holds {len(names):,} files; at most {_MOST_MEMBERS:,} are read.")
    if len(set(names)) != len(names):
        raise InputError(f"{shown(path)} holds two files of one name, so nobody can say which is meant.")
    return sorted({int(found[1]) for name in names if (found := _FRAME.fullmatch(name))})


def _member(root: Path, name: str) -> bytes:
    """Return the bytes of one file.

    Raises:
        InputError: missing, too large, encrypted, packed in an odd way, or damaged.
    """
    if root.is_dir():
        try:
            return bytes_of(root / name)
        except OSError as error:
            raise InputError(f"{shown(root / name)} cannot be read: {error.strerror or error}.") from error
    return _archived(root, lambda archive: _unpacked(archive, name, shown(root / name)))


def _unpacked(archive: zipfile.ZipFile, name: str, title: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise InputError(f"There is no {title}.") from None
    if info.flag_bits & _ENCRYPTED:
        raise InputError(f"{title} is encrypted. Export the recording again.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{title} is packed by method {info.compress_type}; stored or deflated is read.")
    if info.file_size > MAX_BYTES:
        raise InputError(f"{title} has {info.file_size:,} bytes; at most {MAX_BYTES:,} are read.")
    with archive.open(info) as stream:
        # Of a given length: without one, zipfile unpacks what there is before it cuts.
        content = stream.read(info.file_size)
    if len(content) != info.file_size:
        raise EOFError(f"{name} is cut short")
    return content


def _archived(path: Path, read: Callable[[zipfile.ZipFile], Found]) -> Found:
    """Return what `read` finds in the archive."""
    try:
        with open_regular(path, most=None) as file, zipfile.ZipFile(file) as archive:
            return read(archive)
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{shown(path)} is no whole .r3d archive ({reason}). Export it again.") from error


def _description(path: Path) -> Mapping[str, Any]:
    try:
        found = json_of(_member(path, DESCRIPTION))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{shown(path / DESCRIPTION)} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InputError(f"{shown(path / DESCRIPTION)} holds a {type(found).__name__}, not an object.")
    return found


def _entry(described: Mapping[str, Any], name: str, number: int) -> Any:
    """Return what a list of the description has for a frame; None where it has nothing."""
    listed = described.get(name)
    return listed[number] if isinstance(listed, list) and number < len(listed) else None


def _numbers(values: Any, count: int, what: str) -> list[float]:
    if isinstance(values, list) and len(values) == count:
        try:
            return [float(value) for value in values]
        except (TypeError, ValueError, OverflowError):
            pass
    raise InputError(f"{what} is {values!r:.80}; {count} numbers are needed.")


def _pose(described: Mapping[str, Any], number: int, path: Path) -> Callable[[], Float[Tensor, "4 4"]]:
    what = f"The pose of frame {number} in {shown(path / DESCRIPTION)}"
    try:
        x, y, z, w, *shift = _numbers(_entry(described, "poses", number), 7, what)
    except InputError as error:
        return missing_pose(str(error))
    return fixed_pose(pose_of_quaternion((w, x, y, z), shift))


def _time(described: Mapping[str, Any], number: int) -> float | None:
    time = _entry(described, "frameTimestamps", number)
    return float(time) if isinstance(time, int | float) else None


def _camera(described: Mapping[str, Any], number: int, path: Path) -> Intrinsics:
    """Return the depth camera of a frame; the matrix of the whole recording stands column by column."""
    what = shown(path / DESCRIPTION)
    colour = _size(described, ("h", "w"), what, below=2**14)
    depth = LIDAR
    if {"dh", "dw"} & described.keys():
        depth = _size(described, ("dh", "dw"), what, below=2**12)  # 64 MB of depth
    own = _entry(described, "perFrameIntrinsicCoeffs", number)
    if own is not None:
        fx, fy, cx, cy = _numbers(own, 4, f"The camera of frame {number} in {what}")
    else:
        fx, _, _, _, fy, _, cx, cy, _ = _numbers(described.get("K"), 9, f"K in {what}")
    return intrinsics_of((fx, fy, cx, cy), colour, depth, what)


def _size(described: Mapping[str, Any], names: Sequence[str], what: str, *, below: int) -> Size:
    sides: list[Any] = [described.get(name) for name in names]
    if not all(type(side) is int and 1 <= side < below for side in sides):
        given = ", ".join(f"{name} {side!r:.40}" for name, side in zip(names, sides, strict=True))
        raise InputError(f"{what} has {given}; whole numbers from 1 to {below - 1:,} are needed.")
    height, width = sides
    return Size(height, width)
