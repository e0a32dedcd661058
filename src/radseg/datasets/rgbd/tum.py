"""TUM RGB-D: rgb.txt, depth.txt, groundtruth.txt with time stamps; nearest in time belong together."""

import math
import os
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose, missing_pose
from radseg.datasets.rgbd.cameras import CAMERAS, DepthCamera, read_camera
from radseg.datasets.rgbd.files import DepthFormat, at_size, is_depth, pose_of_quaternion, read_text
from radseg.datasets.rgbd.folder import CAMERA, first_size
from radseg.errors import InputError
from radseg.files import lines_of, shown

ASSOCIATIONS = ("associations.txt", "associate.txt", "associated.txt")
LIMIT = 0.02
"""Seconds two time stamps may lie apart and still belong together; the benchmark's own tool uses 0.02."""

_PER_SECOND = {"nanoseconds": "1e9", "microseconds": "1e6", "milliseconds": "1e3"}
_UNITS = ((1e17, "nanoseconds"), (1e14, "microseconds"), (1e11, "milliseconds"))
"""What a time since 1970 is written in, from this on: in seconds it has ten digits until the year 2286."""

Row = tuple[float, tuple[str, ...]]


def is_tum(path: Path) -> bool:
    """Say whether `path` looks like this layout."""
    listed = (path / "rgb.txt").is_file() and (path / "depth.txt").is_file()
    return bool(_pose_files(path)) and (listed or _association_file(path) is not None)


def tum_sequence(
    path: Path,
    *,
    depth: DepthFormat | None = None,
    camera: DepthCamera | None = None,
    limit: float = LIMIT,
) -> FileSequence:
    """Return a recording; depth has 5000 units per metre and is registered to colour.

    The folder brings no calibration: give `camera`, or put fx fy cx cy into camera-intrinsics.txt. One whose
    poses are in a file *.gt.freiburg is ICL-NUIM's: its camera is known, and its association file may name
    depth first, as it is published.

    Args:
        limit: seconds that colour, depth and pose may lie apart; a colour image without depth in that time
            is left out and counted in a note, one without pose fails when it is read.

    Raises:
        InputError: no lists, nothing that belongs together, or no intrinsics.
    """
    pose_file = _pose_file(path)
    published = pose_file.suffix == ".freiburg"
    pairs, alone = _pairs(path, limit, depth_first=published)
    poses = _pose_rows(pose_file)
    times = [time for time, _ in poses]
    frames: dict[str, FrameFiles] = {}
    for (time, (colour,)), (_, (depth_file,)) in pairs:
        near = nearest(times, time)
        if near is None or abs(times[near] - time) > limit:
            gap = "none" if near is None else f"the nearest is {abs(times[near] - time):.3f} s away"
            pose = missing_pose(f"There is no pose within {limit} s of {time:.6f} ({gap}).")
        else:
            x, y, z, qx, qy, qz, qw = _numbers(poses[near], pose_file)
            pose = fixed_pose(pose_of_quaternion((qw, qx, qy, qz), (x, y, z)))
        files = FrameFiles(_inside(path, colour), _inside(path, depth_file), pose, timestamp=time)
        frames[_free(f"{time:.6f}", frames)] = files
    if not frames:
        raise InputError(f"No colour and depth image of {shown(path)} lie within {limit} s of each other.")
    size = first_size([f.depth for f in frames.values()])
    if camera is None:
        own = (path / CAMERA).is_file()
        camera = CAMERAS["icl-nuim"] if published and not own else read_camera(_camera_file(path), size)
    some = "1 colour image has" if alone == 1 else f"{alone} colour images have"
    notes = (f"{some} no depth within {limit} s: left out.",) if alone else ()
    intrinsics = at_size(camera.intrinsics, size)
    return FileSequence(frames, intrinsics, depth or DepthFormat(5000.0), camera.reading, notes=notes)


def _pose_files(path: Path) -> list[Path]:
    own = path / "groundtruth.txt"
    return [own] if own.is_file() else sorted(path.glob("[!.]*.gt.freiburg"))


def _pose_file(path: Path) -> Path:
    found = _pose_files(path) or [path / "groundtruth.txt"]
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{shown(path)} has the poses of several recordings ({names}); keep its own.")
    return found[0]


def _camera_file(path: Path) -> Path:
    if (path / CAMERA).is_file():
        return path / CAMERA
    known = {name: CAMERAS[name].intrinsics for name in ("freiburg1", "freiburg2", "freiburg3")}
    numbers = ", ".join(f"{name} {k.fx} {k.fy} {k.cx} {k.cy}" for name, k in known.items())
    raise InputError(
        f"TUM RGB-D has no calibration: name its camera (--camera freiburg1), or put fx fy cx cy into "
        f"{shown(path / CAMERA)}. Published: {numbers}."
    )


def _free(name: str, taken: Collection[str]) -> str:
    """Return a frame's name; frames of one time stamp are told apart by a number."""
    again = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in again if other not in taken)


def nearest(times: Sequence[float], wanted: float) -> int | None:
    """Return the index of the time nearest to `wanted` in a rising sequence; the earlier of two equals."""
    if not times:
        return None
    right = bisect_left(times, wanted)
    around = [i for i in (right - 1, right) if 0 <= i < len(times)]
    return min(around, key=lambda i: abs(times[i] - wanted))


def _pairs(path: Path, limit: float, *, depth_first: bool) -> tuple[list[tuple[Row, Row]], int]:
    """Return colour and depth rows that belong together, and how many colour rows found none.

    Args:
        depth_first: an association file may have depth before colour in every line.
    """
    listed = _association_file(path)
    if listed is not None:
        rows = _rows(listed, 4)
        try:
            pairs: list[tuple[Row, Row]] = [((t, (w[0],)), (float(w[1]), (w[2],))) for t, w in rows]
        except ValueError as error:
            raise InputError(f"{shown(listed)} has a time that is no number: {error}.") from error
        wrong = _depth_before_colour(path, [(colour[1][0], depth[1][0]) for colour, depth in pairs])
        if wrong and depth_first:
            return [(second, first) for first, second in pairs], 0
        if wrong:
            raise InputError(
                f"{shown(listed)} names depth before colour ({wrong[0]}, then {wrong[1]}); each line must "
                "be: time colour time depth. Swap the halves, as `associate.py rgb.txt depth.txt` has them."
            )
        return pairs, 0
    colours, depths = _rows(path / "rgb.txt", 2), _rows(path / "depth.txt", 2)
    times = [time for time, _ in depths]
    pairs = []
    for row in colours:
        near = nearest(times, row[0])
        if near is not None and abs(times[near] - row[0]) <= limit:
            pairs.append((row, depths[near]))
    return pairs, len(colours) - len(pairs)


def _depth_before_colour(folder: Path, pairs: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the first pair that can be looked at, if it is depth and then colour."""
    for pair in pairs:
        kinds = [is_depth(_inside(folder, name)) for name in pair]
        if None not in kinds:
            return pair if kinds == [True, False] else None
    return None


def _association_file(path: Path) -> Path | None:
    return next((path / name for name in ASSOCIATIONS if (path / name).is_file()), None)


def _rows(file: Path, columns: int) -> list[Row]:
    """Return (time, the other words) of every line, by time."""
    rows: list[Row] = []
    for number, line in enumerate(lines_of(read_text(file)), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            time = float(words[0])
        except ValueError:
            time = math.nan
        if unit := next((name for most, name in _UNITS if abs(time) >= most), None):
            raise InputError(
                f"Line {number} of {shown(file)} has the time {words[0]}: these look like {unit}, and TUM "
                "lists have seconds. Divide the first column of every list, and the third of an association "
                f"file, by {_PER_SECOND[unit]}."
            )
        if len(words) < columns or math.isnan(time):
            raise InputError(
                f"Line {number} of {shown(file)} needs {columns} columns, the first a time in s."
            )
        rows.append((time, tuple(words[1:columns])))
    return sorted(rows)


def _pose_rows(file: Path) -> list[Row]:
    """Return (time, the seven numbers of a pose) of every line, by time."""
    for number, line in enumerate(lines_of(read_text(file)), 1):
        words = line.split()
        if len(words) > 8 and not words[0].startswith("#"):
            twelve = " Twelve are KITTI's 3×4 matrices, without times." if len(words) == 12 else ""
            raise InputError(
                f"Line {number} of {shown(file)} has {len(words)} columns; a pose of TUM has 8: time x y z "
                f"qx qy qz qw.{twelve} Convert the poses to that."
            )
    return _rows(file, 8)


def _numbers(row: Row, file: Path) -> list[float]:
    try:
        return [float(word) for word in row[1]]
    except ValueError as error:
        raise InputError(f"{shown(file)} has no number at {row[0]}: {error}.") from error


def _inside(folder: Path, name: str) -> Path:
    """Return the file a list names; nothing outside the folder is read."""
    if "\0" in name:
        raise InputError(f"A list in {shown(folder)} names {name!r}; no file can have that name.")
    target = folder / name
    if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder)):
        raise InputError(f"A list in {shown(folder)} names {name!r}, outside the folder.")
    return target
