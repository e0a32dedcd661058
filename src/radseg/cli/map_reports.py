"""How building a map shows: lines for people, objects for programs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from radseg.cli.failures import emit, printable
from radseg.files import counted

if TYPE_CHECKING:
    from radseg.datasets.rgbd import ConventionReport
    from radseg.mapping.builder import Progress
    from radseg.mapping.manifest import MapManifest

_EVERY = 5.0  # seconds between two lines of progress


class PlainMapReporter:
    """A line of progress every few seconds and one for each frame left out, on standard error.

    Attributes:
        begun: whether frames are being done: what stops the build has cost work from here on.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.begun = False
        self._quiet = quiet
        self._done = 0
        self._todo = 0
        self._start = self._last = time.perf_counter()

    def checked(self, report: "ConventionReport") -> None:
        """Say what was found of the recording's conventions; what was not checked is always said."""
        if report.ok is None or (report.ok and not self._quiet):
            typer.echo(printable(report.verdict), err=True)

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Say how many frames are to be done."""
        self.begun = True
        self._todo, self._start = todo, time.perf_counter()
        before = f" after {earlier} done before" if earlier else ""
        self._say(f"{counted(todo, 'frame')} to do{before} → {folder}")

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """Count a frame; name one that was left out."""
        self._done += 1
        if reason:
            typer.echo(printable(f"Left out frame {frame_id}: {reason}"), err=True)
        now = time.perf_counter()
        if now - self._last >= _EVERY:
            self._last = now
            left = (now - self._start) / self._done * (self._todo - self._done)
            self._say(f"[{self._done}/{self._todo}] frames, {left:.0f} s left")

    def ended(self, manifest: "MapManifest", progress: "Progress", folder: Path) -> None:
        """Sum up on standard output."""
        if self._quiet:
            return
        size = manifest.description.voxel_size
        made = f"{counted(manifest.voxels, 'voxel')} of {size} m"
        text = f"{made} from {counted(progress.used, 'frame')}"
        skipped = len(progress.skipped)
        left_out = f"; {counted(skipped, 'frame')} left out" if skipped else ""
        typer.echo(printable(f"{text}{left_out} → {folder}"))
        for reason, count in progress.reasons.items():
            typer.echo(printable(f"  {count} × {reason}"))

    def _say(self, line: str) -> None:
        if not self._quiet:
            typer.echo(printable(line), err=True)


class JsonMapReporter:
    """One JSON object per line on standard output: checked, started, frame, ended."""

    begun = False

    def checked(self, report: "ConventionReport") -> None:
        """Write the event; `ok` is null where nothing was compared."""
        emit(event="checked", **report.as_json())

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Write the event."""
        self.begun = True
        emit(event="started", todo=todo, earlier=earlier, folder=str(folder))

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """Write the event."""
        emit(event="frame", frame=frame_id, points=points, skipped=reason)

    def ended(self, manifest: "MapManifest", progress: "Progress", folder: Path) -> None:
        """Write the sums."""
        emit(
            event="ended",
            voxels=manifest.voxels,
            frames=progress.used,
            skipped=dict(progress.reasons),
            points=progress.points,
            digest=manifest.digest,
            folder=str(folder),
        )
