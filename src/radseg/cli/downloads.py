"""How waiting shows: a bar on a terminal, a line now and then elsewhere, JSON events, or nothing."""

import sys
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
from radseg.weights.reporters import FetchPlan, LineReporter, Reporter, Unit


def download_reporter(log_format: Literal["text", "json"], *, quiet: bool) -> Reporter:
    """Return what shows downloads and the embedding of prompts here."""
    if log_format == "json":
        return JsonDownloads(_say)
    if quiet:
        return QuietDownloads(_say)
    return BarDownloads(_say) if sys.stderr.isatty() else LineReporter(_say)


def _say(line: str) -> None:
    typer.echo(printable(line), err=True)


class QuietDownloads(LineReporter):
    """Shows nothing but what a person must read."""

    def progress(self, done: int, total: int) -> None:
        """Show nothing."""


class JsonDownloads(LineReporter):
    """The same lines as events on standard output."""

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

    def tell(self, done: int, total: int) -> None:
        """Write the event."""
        if self.unit == "prompts":
            emit(event="embedding", prompts=done, total=total)
        else:
            emit(event="download", name=self.name, bytes=done, total=total)


class BarDownloads(LineReporter):
    """A progress bar with the time left, shown only when there really is something to do."""

    _console = Console(stderr=True)

    @contextmanager
    def named(self, name: str, unit: Unit = "bytes") -> Iterator[None]:
        """Show the bar while `name` is worked on."""
        counts: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            *(counts if unit == "bytes" else (MofNCompleteColumn(),)),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as self._bar:
            self._task = self._bar.add_task(name, total=None, visible=False)
            yield

    def progress(self, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total or None, visible=True)

    def announce(self, line: str) -> None:
        """Print above the bar."""
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
