"""TUM RGB-D: rgb.txt, depth.txt, groundtruth.txt with time stamps; nearest in time belong together."""

import math
import os
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import count
from pathlib import Path

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose, missing_pose
from radseg.datasets.rgbd.files import DepthFormat, is_depth, pose_of_quaternion, read_intrinsics, read_text
from radseg.datasets.rgbd.folder import CAMERA, first_size
from radseg.errors import InputError
from radseg.files import lines_of, shown
from radseg.types import Intrinsics

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
    return (path / "groundtruth.txt").is_file() and (listed or _association_file(path) is not None)


def tum_sequence(
    path: Path,
    *,
    depth: DepthFormat | None = None,
    intrinsics: Intrinsics | None = None,
    limit: float = LIMIT,
) -> FileSequence:
    """Return a recording; depth has 5000 units per metre and is registered to colour.

    The folder brings no calibration: give `intrinsics`, or put fx fy cx cy into camera-intrinsics.txt.

    Args:
        limit: seconds that colour, depth and pose may lie apart; a colour image without depth in that time
            is left out and counted in a note, one without pose fails when it is read.

    Raises:
        InputError: no lists, nothing that belongs together, or no intrinsics.
    """
    pairs, alone = _pairs(path, limit)
    poses = _pose_rows(path / "groundtruth.txt")
    times = [time for time, _ in poses]
    frames: dict[str, FrameFiles] = {}
    for (time, (colour,)), (_, (depth_file,)) in pairs:
        near = nearest(times, time)
        if near is None or abs(times[near] - time) > limit:
            gap = "none" if near is None else f"the nearest is {abs(times[near] - time):.3f} s away"
            pose = missing_pose(f"There is no pose within {limit} s of {time:.6f} ({gap}).")
        else:
            x, y, z, qx, qy, qz, qw = _numbers(poses[near], path / "groundtruth.txt")
            pose = fixed_pose(pose_of_quaternion((qw, qx, qy, qz), (x, y, z)))
        files = FrameFiles(_inside(path, colour), _inside(path, depth_file), pose, timestamp=time)
        frames[_free(f"{time:.6f}", frames)] = files
    if not frames:
        raise InputError(f"No colour and depth image of {shown(path)} lie within {limit} s of each other.")
    if intrinsics is None and not (path / CAMERA).is_file():
        raise InputError(
            f"TUM RGB-D has no calibration: put fx fy cx cy into {shown(path / CAMERA)}. "
            "Published: freiburg1 517.3 516.5 318.6 255.3, freiburg2 520.9 521.0 325.1 249.7, "
            "freiburg3 535.4 539.2 320.1 247.6."
        )
    camera = intrinsics or read_intrinsics(path / CAMERA, first_size([f.depth for f in frames.values()]))
    some = "1 colour image has" if alone == 1 else f"{alone} colour images have"
    notes = (f"{some} no depth within {limit} s: left out.",) if alone else ()
    return FileSequence(frames, camera, depth or DepthFormat(5000.0), notes=notes)


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


def _pairs(path: Path, limit: float) -> tuple[list[tuple[Row, Row]], int]:
    """Return colour and depth rows that belong together, and how many colour rows found none."""
    listed = _association_file(path)
    if listed is not None:
        rows = _rows(listed, 4)
        try:
            pairs: list[tuple[Row, Row]] = [((t, (w[0],)), (float(w[1]), (w[2],))) for t, w in rows]
        except ValueError as error:
            raise InputError(f"{shown(listed)} has a time that is no number: {error}.") from error
        _require_colour_first(path, listed, [(colour[1][0], depth[1][0]) for colour, depth in pairs])
        return pairs, 0
    colours, depths = _rows(path / "rgb.txt", 2), _rows(path / "depth.txt", 2)
    times = [time for time, _ in depths]
    pairs = []
    for row in colours:
        near = nearest(times, row[0])
        if near is not None and abs(times[near] - row[0]) <= limit:
            pairs.append((row, depths[near]))
    return pairs, len(colours) - len(pairs)


def _require_colour_first(folder: Path, listed: Path, pairs: Sequence[tuple[str, str]]) -> None:
    """Raise InputError where the first pair that can be looked at is depth and then colour."""
    for first, second in pairs:
        kinds = [is_depth(_inside(folder, name)) for name in (first, second)]
        if None not in kinds:
            if kinds == [True, False]:
                raise InputError(
                    f"{shown(listed)} names depth before colour ({first}, then {second}); each line must be: "
                    "time colour time depth. Swap the halves, as `associate.py rgb.txt depth.txt` has them."
                )
            return


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
    target = folder / name
    if not Path(os.path.realpath(target)).is_relative_to(os.path.realpath(folder)):
        raise InputError(f"A list in {shown(folder)} names {name!r}, outside the folder.")
    return target
