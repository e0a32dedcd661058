"""Do the poses and the depth unit mean what we think? Depth reprojected between frames tells.

A pixel of one frame, moved into another by the poses, must land where that frame's depth says. If another
reading of the same numbers fits much better, the recording is being misread (mapping spec 7).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd.base import FileSequence, RgbdSequence
from radseg.datasets.rgbd.files import Axes, Direction, PoseReading, World, inverse_pose
from radseg.errors import InputError
from radseg.ops.camera import project, transform, unproject, valid_depth
from radseg.types import Frame

GAPS = (1, 2, 4, 8, 16, 32)
MIN_TURN, MIN_SHIFT = math.radians(5), 0.1
STEP = 3  # every third row and column, as in the specification's numbers
MIN_SHARE = 0.1  # of the sampled pixels that must be seen twice
PLAUSIBLE = (0.1, 100.0)  # metres; the median depth of anything a depth camera or laser sees

READINGS = tuple(
    PoseReading(direction, axes, world)
    for world in get_args(World)
    for axes in get_args(Axes)
    for direction in get_args(Direction)
)
"""Every meaning the numbers of a pose may have. Which half can be is said by the sign of its determinant."""


@dataclass(frozen=True)
class ConventionReport:
    """What the check found.

    Attributes:
        ok: False where another reading fits clearly better, or none fits; None where nothing was compared:
            no two frames between which the camera moves, or none that see the same.
        verdict: one sentence for people, with the option to change where there is one.
        residuals: per reading the median of |reprojected − measured depth| over all pairs, metres; NaN where
            too little overlaps. Only of readings that give rigid motions.
        pairs: pairs of frames that were compared.
        suggestion: what to pass to `open_sequence` instead, e.g. {"poses": "world-to-camera"}; for a wrong
            unit {"depth_scale_times": factor} of what was passed.
        skipped: frames that could not be read, with the reason.
    """

    ok: bool | None
    verdict: str
    residuals: Mapping[PoseReading, float]
    pairs: int
    suggestion: Mapping[str, str | float]
    skipped: tuple[str, ...] = ()

    def as_json(self) -> dict[str, bool | int | str | None]:
        """Return what a map notes of it, as JSON values."""
        return {"ok": self.ok, "verdict": self.verdict, "pairs": self.pairs}


def check_conventions(
    sequence: RgbdSequence, *, pairs: int = 8, reading: PoseReading | None = None
) -> ConventionReport:
    """Return whether poses and depth of `sequence` fit together, and which reading fits better if not.

    Reads about 2·`pairs` frames spread over the recording; frames that cannot be read are passed over.

    Args:
        pairs: of frames to compare at most.
        reading: how the poses were read; by default what the sequence says, or camera-to-world, OpenCV.

    Example:
        report = check_conventions(open_sequence("recording"))
        print(report.verdict)
    """
    if reading is None:
        reading = sequence.reading if isinstance(sequence, FileSequence) else PoseReading()
    skipped: list[str] = []
    chosen = list(_pairs(sequence, pairs, skipped))
    as_read = reading
    if not chosen and skipped and isinstance(sequence, FileSequence):
        # Poses that mirror cannot be read; as poses of a world of the other hand they can, and be compared.
        as_read = replace(reading, world=next(hand for hand in get_args(World) if hand != reading.world))
        chosen = list(_pairs(replace(sequence, reading=as_read), pairs, []))
    if not chosen:
        verdict = "Not checked: no two readable frames between which the camera moves by 10 cm or 5 degrees."
        return ConventionReport(None, verdict, {}, 0, {}, tuple(skipped))
    middle = float(torch.stack([_median_depth(a) for a, _ in chosen]).nanmedian())
    possible = [other for other in READINGS if other.mirrors == as_read.mirrors]
    residuals = {other: _residual(chosen, as_read, other, 1.0) for other in possible}
    unit = _unit_verdict(chosen, as_read, middle)
    ok, verdict, suggestion = unit or _pose_verdict(residuals, reading, middle)
    return ConventionReport(ok, verdict, residuals, len(chosen), suggestion, tuple(skipped))


def reprojection_residuals(one: Frame, other: Frame, *, step: int = STEP) -> Float[Tensor, " k"]:
    """Return |reprojected − measured depth|, metres, of every `step`-th row and column that both see."""
    return _residuals(one, other, one.camera_to_world, other.camera_to_world, 1.0, step)


def _residuals(
    one: Frame,
    other: Frame,
    pose: Float[Tensor, "4 4"],
    other_pose: Float[Tensor, "4 4"],
    scale: float,
    step: int = STEP,
) -> Float[Tensor, " k"]:
    height, width = one.depth.shape
    sampled = torch.arange(height * width).reshape(height, width)[::step, ::step]
    depth = one.depth.to(torch.float64) * scale
    pixels = sampled[valid_depth(depth)[::step, ::step]]
    points = transform(unproject(depth, one.intrinsics, pixels), inverse_pose(other_pose) @ pose)
    place, seen = project(points, other.intrinsics)
    column, row = place[seen].round().long().unbind(1)
    measured = other.depth.to(torch.float64)[row, column] * scale
    known = valid_depth(measured)
    return (points[seen, 2][known] - measured[known]).abs()


def _residual(
    chosen: Sequence[tuple[Frame, Frame]], reading: PoseReading, other: PoseReading, scale: float
) -> float:
    """Return the median residual had the numbers that were read as `reading` been read as `other`."""
    found = []
    for a, b in chosen:
        pose, other_pose = (
            other.to_camera_to_world(reading.to_file(frame.camera_to_world)) for frame in (a, b)
        )
        found.append(_residuals(a, b, pose, other_pose, scale))
    needed = MIN_SHARE * chosen[0][0].depth.numel() / STEP**2
    enough = [values for values in found if len(values) >= needed]
    # A reading under which most pairs see nothing in common is no explanation, however well the rest fits.
    return float(torch.cat(enough).median()) if len(enough) * 2 >= len(chosen) else math.nan


def _pose_verdict(
    residuals: Mapping[PoseReading, float], reading: PoseReading, middle: float
) -> tuple[bool | None, str, dict[str, str | float]]:
    now = residuals.get(reading, math.nan)
    if all(map(math.isnan, residuals.values())):
        return None, "Not checked: no pixel is seen twice, however the poses are read.", {}
    others = {
        other: value for other, value in residuals.items() if other != reading and not math.isnan(value)
    }
    small = 0.04 * middle
    if others:
        best = min(others, key=lambda other: others[other])
        if others[best] < small and (math.isnan(now) or others[best] < 0.5 * now):
            suggestion: dict[str, str | float] = {}
            if best.direction != reading.direction:
                suggestion["poses"] = best.direction
            if best.axes != reading.axes:
                suggestion["axes"] = best.axes
            if best.world != reading.world:
                suggestion["world"] = best.world
            named = (
                f"{_WORDS.get(str(value), value)} {_OF.get(key, '')}" for key, value in suggestion.items()
            )
            described = " and ".join(words.strip() for words in named)
            return False, f"These poses look like {described}: {_compare(others[best], now)}.", suggestion
    if now < small:
        return True, f"Poses and depth fit together: reprojected depth is off by {now * 1000:.1f} mm.", {}
    off = "no pixel is seen twice" if math.isnan(now) else f"reprojected depth is off by {now * 1000:.0f} mm"
    return (
        False,
        f"Poses and depth do not fit together: {off}, and no other reading of the poses fits better. "
        "Check the depth unit, the intrinsics, and that depth and poses belong to the same frames.",
        {},
    )


_WORDS = {"opencv": "OpenCV", "opengl": "OpenGL"}
_OF = {"axes": "axes", "world": "world"}


def _unit_verdict(
    chosen: Sequence[tuple[Frame, Frame]], reading: PoseReading, middle: float
) -> tuple[bool, str, dict[str, str | float]] | None:
    """Return the verdict "1000 times off" where the median depth is impossible and becomes possible so."""
    factor = 1000.0 if middle < PLAUSIBLE[0] else 0.001 if middle > PLAUSIBLE[1] else 1.0
    if factor == 1.0 or not PLAUSIBLE[0] <= middle * factor <= PLAUSIBLE[1]:
        return None
    corrected = _residual(chosen, reading, reading, factor)
    fits = ""
    if corrected < 0.04 * middle * factor:
        fits = f" Then reprojected depth is off by {corrected * 1000:.1f} mm."
    times = "smaller" if factor > 1 else "larger"
    return (
        False,
        f"The depth unit looks wrong: the median depth would be {middle:.3g} m. Units per metre should be "
        f"1000 times {times}.{fits}",
        {"depth_scale_times": 1 / factor},
    )


def _compare(better: float, now: float) -> str:
    before = (
        "nothing overlaps as they are read" if math.isnan(now) else f"{now * 1000:.0f} mm as they are read"
    )
    return f"reprojected depth is then off by {better * 1000:.1f} mm, {before}"


def _pairs(sequence: RgbdSequence, wanted: int, skipped: list[str]) -> Iterator[tuple[Frame, Frame]]:
    """Yield pairs of frames spread over the recording between which the camera moves enough to tell."""
    ids = sequence.frame_ids()
    for start in sorted({round(i * max(0, len(ids) - 2) / max(1, wanted - 1)) for i in range(wanted)}):
        one = _read(sequence, ids, start, skipped)
        if one is None:
            continue
        for gap in GAPS:
            other = _read(sequence, ids, start + gap, skipped)
            if other is not None and _moves(one, other):
                yield one, other
                break


def _read(sequence: RgbdSequence, ids: Sequence[str], index: int, skipped: list[str]) -> Frame | None:
    if index >= len(ids):
        return None
    try:
        return sequence.read(ids[index])
    except InputError as error:  # one bad frame is not what is being checked
        if (line := f"{ids[index]}: {error}") not in skipped:
            skipped.append(line)
        return None


def _moves(one: Frame, other: Frame) -> bool:
    relative = inverse_pose(one.camera_to_world) @ other.camera_to_world
    turn = math.acos(max(-1.0, min(1.0, (float(relative[:3, :3].trace()) - 1) / 2)))
    return turn > MIN_TURN or float(relative[:3, 3].norm()) > MIN_SHIFT


def _median_depth(frame: Frame) -> Float[Tensor, ""]:
    known = frame.depth[valid_depth(frame.depth)]
    return known.median() if len(known) else torch.tensor(math.nan)
