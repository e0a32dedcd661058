"""How waiting shows: a bar on a terminal, a line now and then elsewhere, JSON events, or nothing."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from radseg.cli.failures import emit, printable
from radseg.weights.options import Reporter, Unit

_STEP = 0.1  # of the whole, between two lines of a log about bytes
_SECONDS = 5.0  # between two lines of a log about prompts


def download_reporter(log_format: Literal["text", "json"], *, quiet: bool) -> Reporter:
    """Return what shows a download here."""
    if log_format == "json":
        return JsonDownloads()
    if quiet:
        return QuietDownloads()
    return BarDownloads() if sys.stderr.isatty() else LineDownloads()


class QuietDownloads:
    """Shows nothing but what a person must read."""

    name = ""
    unit: Unit = "bytes"

    def announce(self, line: str) -> None:
        """Print a licence or a warning."""
        typer.echo(printable(line), err=True)

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""

    @contextmanager
    def named(self, name: str, unit: Unit = "bytes") -> Iterator[None]:
        """Remember what is being waited for."""
        self.name, self.unit = name, unit
        self._shown, self._since = 0.0, time.monotonic()
        yield


class LineDownloads(QuietDownloads):
    """One line per tenth of the bytes, one line every few seconds while prompts are embedded."""

    def progress(self, done: int, total: int) -> None:
        """Print a line when it is time for one."""
        if self.unit == "prompts":
            if done and (done == total or time.monotonic() - self._since >= _SECONDS):
                self._since = time.monotonic()
                self._tell(done, total)
            return
        share = done / total if total else 0.0
        if share >= self._shown + _STEP or (share >= 1 > self._shown):
            self._shown = share
            self._tell(done, total)

    def _tell(self, done: int, total: int) -> None:
        if self.unit == "prompts":
            typer.echo(f"{self.name}: {done:,} of {total:,}", err=True)
        else:
            typer.echo(f"{self.name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", err=True)


class JsonDownloads(LineDownloads):
    """The same as events on standard output."""

    def announce(self, line: str) -> None:
        """Write the event."""
        emit(event="notice", message=line)

    def _tell(self, done: int, total: int) -> None:
        if self.unit == "prompts":
            emit(event="embedding", prompts=done, total=total)
        else:
            emit(event="download", name=self.name, bytes=done, total=total)


class BarDownloads(QuietDownloads):
    """A progress bar with the time left, shown only when there really is something to do."""

    @contextmanager
    def named(self, name: str, unit: Unit = "bytes") -> Iterator[None]:
        """Show the bar while `name` is worked on."""
        counts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            *(counts if unit == "bytes" else (MofNCompleteColumn(),)),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        with (
            super().named(name, unit),
            Progress(*columns, console=Console(stderr=True), transient=True) as self._bar,
        ):
            self._task = self._bar.add_task(name, total=None, visible=False)
            yield

    def progress(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total or None, visible=True)

    def announce(self, line: str) -> None:
        """Print above the bar."""
        self._bar.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
