"""How a download shows: a bar on a terminal, a line now and then elsewhere, JSON events, or nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from radseg.cli.failures import emit, printable
from radseg.weights.options import Reporter

_STEP = 0.1  # of the whole, between two lines of a log


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

    def announce(self, line: str) -> None:
        """Print a licence or a warning."""
        typer.echo(printable(line), err=True)

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Remember what is being fetched."""
        self.name = name
        self._shown = 0.0
        yield


class LineDownloads(QuietDownloads):
    """One line per tenth."""

    def progress(self, done: int, total: int) -> None:
        """Print a line when another tenth is here."""
        share = done / total if total else 0.0
        if share >= self._shown + _STEP or (share >= 1 > self._shown):
            self._shown = share
            self._tell(done, total)

    def _tell(self, done: int, total: int) -> None:
        typer.echo(f"{self.name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", err=True)


class JsonDownloads(LineDownloads):
    """The same as events on standard output."""

    def announce(self, line: str) -> None:
        """Write the event."""
        emit(event="notice", message=line)

    def _tell(self, done: int, total: int) -> None:
        emit(event="download", name=self.name, bytes=done, total=total)


class BarDownloads(QuietDownloads):
    """A progress bar with speed and time left, shown only when something is really fetched."""

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Show the bar while `name` is fetched."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with (
            super().named(name),
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
