"""How a download shows: a bar on a terminal, a line now and then elsewhere, JSON events, or nothing."""

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
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from radseg.cli.failures import emit, printable
from radseg.weights.options import FetchPlan, Reporter

_WORTH_A_LINE = 1_000_000  # bytes; a configuration or a list of words is there before it is read
_PAUSES = (5.0, 60.0)  # seconds between two lines on a slow line: the first, and the longest they grow to


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

    def plan(self, plan: FetchPlan) -> None:
        """Print what is about to be fetched, and under which licences."""
        self.announce(plan.text())

    def announce(self, line: str) -> None:
        """Print a plan, a wait or a warning."""
        typer.echo(printable(line), err=True)

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Remember what is being fetched."""
        self.name = name
        yield


class LineDownloads(QuietDownloads):
    """A line per tenth, and in between on a slow line, more and more seldom so that no log is flooded."""

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """Begin with the first tenth."""
        self._tenths, self._pause, self._last = 0, _PAUSES[0], time.monotonic()
        with super().named(name):
            yield

    def progress(self, done: int, total: int) -> None:
        """Print a line when another tenth is here, or enough seconds went by."""
        if total < _WORTH_A_LINE:
            return
        tenths, now = 10 * done // total, time.monotonic()
        is_slow = now >= self._last + self._pause
        if tenths == self._tenths and not is_slow:
            return
        if is_slow:
            self._pause = min(_PAUSES[1], 2 * self._pause)
        self._tenths, self._last = tenths, now
        self._tell(done, total)

    def _tell(self, done: int, total: int) -> None:
        typer.echo(f"{self.name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB", err=True)


class JsonDownloads(LineDownloads):
    """The same as events on standard output."""

    def plan(self, plan: FetchPlan) -> None:
        """Write the event: all bytes, and those of each set of weights with its licence."""
        weights = [
            {"name": one.name, "kind": one.kind, "bytes": one.bytes, "here": one.here,
             "license": one.license.id, "url": one.license.url}
            for one in plan.fetches
        ]  # fmt: skip
        facts = {"bytes": plan.bytes, "host": plan.host, "folder": str(plan.folder)}
        emit(event="fetch", model=plan.purpose, **facts, weights=weights)

    def announce(self, line: str) -> None:
        """Write the event."""
        emit(event="notice", message=line)

    def _tell(self, done: int, total: int) -> None:
        emit(event="download", name=self.name, bytes=done, total=total)


class BarDownloads(QuietDownloads):
    """A progress bar with speed and time left, shown only when something is really fetched."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

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
            Progress(*columns, console=self._console, transient=True) as self._bar,
        ):
            self._task = self._bar.add_task(name, total=None, visible=False)
            yield

    def progress(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total or None, visible=True)

    def announce(self, line: str) -> None:
        """Print above the bar."""
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
