"""How a run shows on a screen, in a log file, and to a program: three reporters with one interface."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from radseg.cli.failures import emit, printable
from radseg.files import counted
from radseg.jobs.folder import Report
from radseg.jobs.manifest import Record
from radseg.jobs.progress import RunReporter
from radseg.runs.shares import ClassShare, all_dropped, class_shares

if TYPE_CHECKING:
    from radseg.result import Segmentation

LogFormat = Literal["text", "json"]
_LISTED = 20  # failed images named at the end; the manifest has all


def reporter(log_format: LogFormat, *, quiet: bool, resume: str) -> "RunReporter[Segmentation]":
    """Return the reporter for this terminal and these options.

    Args:
        resume: the command that continues this run if it breaks off.
    """
    if log_format == "json":
        return JsonReporter(resume)
    if quiet:
        return QuietReporter(resume)
    return TerminalReporter(resume) if sys.stderr.isatty() else PlainReporter(resume)


class QuietReporter:
    """Says nothing but which images failed, on standard error."""

    def __init__(self, resume: str) -> None:
        self._resume = resume

    def finished(self, record: Record, result: "Segmentation | None") -> None:
        """Name a failed image and the reason."""
        if record.status == "failed":
            typer.echo(printable(_failure(record)), err=True)

    def stopped(self, folder: Path) -> None:
        """Print how to continue."""
        typer.echo(f"Continue with: {self._resume}", err=True)

    def _say_nothing(self, *_: Any, **__: Any) -> None:
        """What a quiet run has to say of all other events."""

    found = loading = started = ended = _say_nothing


class PlainReporter:
    """One line per image on standard error; the sum, or the table of one image, on standard output."""

    def __init__(self, resume: str) -> None:
        self._resume = resume
        self._todo = 0
        self._count = 0
        self._start = time.perf_counter()
        self._last: Segmentation | None = None

    def found(self, images: int, notes: Sequence[str]) -> None:
        """Print what was left out."""
        for note in notes:
            self._say(note)

    def loading(self, model: str) -> None:
        """Print the model's name."""
        self._say(f"Loading {model} …")

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Print how many images are to be done."""
        self._todo = todo
        self._start = time.perf_counter()
        if earlier:
            self._say(f"{earlier} of {earlier + todo} images done before; {todo} to do.")

    def finished(self, record: Record, result: "Segmentation | None") -> None:
        """Print one line: counter, image, seconds or the reason, images per second and the time left."""
        self._count += 1
        self._last = result if self._todo == 1 else None  # not beside the next one
        if record.status == "failed":
            self._say(_failure(record))
        elif self._todo > 1:
            rate = self._count / max(time.perf_counter() - self._start, 1e-9)
            left = (self._todo - self._count) / rate
            self._say(
                f"[{self._count}/{self._todo}] {record.source} {record.seconds:.1f} s, "
                f"{rate:.3g} images/s, {left:.0f} s left"
            )

    def stopped(self, folder: Path) -> None:
        """Print how many images are done and how to continue."""
        if self._todo:
            self._say(
                f"Stopped after {self._count} of {counted(self._todo, 'image')}; what is done is in {folder}."
            )
        self._say(f"Continue with: {self._resume}")

    def ended(self, report: Report, folder: Path, extra: Sequence[str]) -> None:
        """Print the table of a single image, or the sum of several and the failed ones."""
        single = self._todo == 1 and not report.earlier
        if single and self._last is not None:
            print_table(class_shares(self._last))
            if self._last.found is not None:
                typer.echo(_objects_line(self._last))
            if said := all_dropped(self._last):
                self._say(f"{said[0].upper()}{said[1:]}.")
        if report.done or report.earlier or not single:
            typer.echo(printable(_sum_line(report, folder, extra)))
        if report.failed and not single:
            for record in report.failed[:_LISTED]:
                typer.echo(printable(f"  {_failure(record)}"), err=True)
            if len(report.failed) > _LISTED:
                typer.echo(
                    f"  … {len(report.failed) - _LISTED} more in {folder / 'manifest.jsonl'}", err=True
                )

    def _say(self, line: str) -> None:
        typer.echo(printable(line), err=True)


class RateColumn(ProgressColumn):
    """Images per second of a progress bar."""

    def render(self, task: Task) -> Text:
        """Return the rate, or nothing before the second image."""
        return Text("" if task.speed is None else f"{task.speed:.3g} images/s")


class TerminalReporter(PlainReporter):
    """A progress bar with the time left instead of a line per image."""

    def __init__(self, resume: str) -> None:
        super().__init__(resume)
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            RateColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Show the bar."""
        super().started(todo, earlier, folder)
        if todo > 1:
            self._task = self._bar.add_task("Segmenting", total=todo)
            self._bar.start()

    def finished(self, record: Record, result: "Segmentation | None") -> None:
        """Advance the bar; print only failures above it."""
        self._count += 1
        self._last = result
        if record.status == "failed":
            self._say(_failure(record))
        if self._todo > 1:
            self._bar.advance(self._task)

    def stopped(self, folder: Path) -> None:
        """Remove the bar and print how to continue."""
        self._bar.stop()
        super().stopped(folder)

    def ended(self, report: Report, folder: Path, extra: Sequence[str]) -> None:
        """Remove the bar and print the sum."""
        self._bar.stop()
        super().ended(report, folder, extra)

    def _say(self, line: str) -> None:
        self._console.print(escape(printable(line)), highlight=False, soft_wrap=True)


class JsonReporter:
    """One JSON object per line on standard output: found, loading, started, image, stopped, ended; error."""

    def __init__(self, resume: str) -> None:
        self._resume = resume

    def found(self, images: int, notes: Sequence[str]) -> None:
        """Write the event."""
        emit(event="found", images=images, notes=list(notes))

    def loading(self, model: str) -> None:
        """Write the event."""
        emit(event="loading", model=model)

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Write the event."""
        emit(event="started", todo=todo, earlier=earlier, folder=str(folder))

    def finished(self, record: Record, result: "Segmentation | None") -> None:
        """Write the image's record, and the classes of its result with share and confidence."""
        shares = class_shares(result) if result is not None else ()
        emit(
            event="image",
            source=record.source,
            status=record.status,
            outputs=list(record.outputs),
            seconds=record.seconds,
            message=record.message,
            classes=[{"name": c.name, "share": c.share, "confidence": c.confidence} for c in shares],
            objects=[
                {"name": one.name, "score": one.score, "box": one.box, "how": one.how}
                for one in (None if result is None else result.found) or ()
            ],
        )

    def stopped(self, folder: Path) -> None:
        """Write the event with the command that continues."""
        emit(event="stopped", folder=str(folder), resume=self._resume)

    def ended(self, report: Report, folder: Path, extra: Sequence[str]) -> None:
        """Write the counts."""
        counts = {"done": len(report.done), "failed": len(report.failed), "earlier": len(report.earlier)}
        emit(event="ended", **counts, folder=str(folder), files=list(extra))


def _failure(record: Record) -> str:
    shown = record.source if record.source not in record.message else Path(record.source).name
    return f"Failed: {shown}: {record.message}"


def _objects_line(result: "Segmentation") -> str:
    ways = Counter(
        f"{one.how}s" if one.how != "whole class" else "whole classes" for one in result.found or ()
    )
    return f"Objects: {', '.join(f'{count} {how}' for how, count in ways.items()) or 'none'}"


def _sum_line(report: Report, folder: Path, extra: Sequence[str]) -> str:
    files = [name for record in report.done for name in record.outputs]
    if len(report.done) == 1 and not report.failed and not report.earlier:
        return f"Written to {folder}: {', '.join([*files, *extra])}"
    counts = {"done": report.done, "failed": report.failed, "done before": report.earlier}
    return f"{', '.join(f'{len(part)} {name}' for name, part in counts.items() if part)} → {folder}"


def print_table(shares: Sequence[ClassShare]) -> None:
    """Print the classes of one image with their share and mean confidence."""
    table = Table("class", "share", "confidence", box=None, pad_edge=False)
    for one in shares:
        confidence = "" if one.confidence is None else f"{one.confidence:.2f}"
        name = "(none of these)" if one.name is None else one.name
        if one.name is not None or one.share:
            table.add_row(escape(printable(name)), f"{one.share:6.1%}", confidence)
    Console().print(table)
