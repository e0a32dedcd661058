"""Who is told about what a person waits for, and a reporter of lines. No network, no torch."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from radseg.weights.catalog import License, size_text

_WORTH_A_LINE = 1_000_000  # bytes; a configuration or a list of words is there before it is read
Unit = Literal["bytes", "prompts"]
_PAUSES = {"bytes": (5.0, 60.0), "prompts": (2.5, 2.5)}
"""Seconds between two lines of a slow wait: the first, and the longest they grow to. Prompts come a few at a
time, so the next line is up to twice as late."""


class PlannedFetch(NamedTuple):
    """What one set of weights still needs from the hub.

    Attributes:
        name, kind: of the catalogue, the kind in words.
        bytes: to be fetched, by the hub's own numbers.
        here: bytes that an earlier, interrupted run left.
    """

    name: str
    kind: str
    bytes: int
    here: int
    license: License


@dataclass(frozen=True)
class FetchPlan:
    """All that is about to be fetched, told before its first byte.

    Attributes:
        purpose: the models it is for, "" for single weights.
        host: where the bytes come from; under HF_ENDPOINT the mirror.
        folder: where they go.
    """

    purpose: str
    fetches: tuple[PlannedFetch, ...]
    host: str
    folder: Path

    @property
    def bytes(self) -> int:
        """All bytes to be fetched."""
        return sum(one.bytes for one in self.fetches)

    def text(self) -> str:
        """Return the plan for a person: one line, and one per set of weights."""
        who = f"{self.purpose} needs" if self.purpose else "To be fetched:"
        head = f"{who} {size_text(self.bytes)} ({self.bytes:,} bytes) from {self.host}, into {self.folder}:"
        return "\n".join((head, *(f"  {_line(one)}" for one in self.fetches)))


def _line(one: PlannedFetch) -> str:
    here = f" ({size_text(one.here)} more are here)" if one.here else ""
    return f"{one.name}, {one.kind}: {size_text(one.bytes)}{here}. {one.license.title}, {one.license.url}"


def duration_text(seconds: float) -> str:
    """Return a duration as a person says it: "45 seconds", "7 minutes"."""
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


class Reporter(Protocol):
    """Is told about what a person waits for before the first image: weights to fetch, prompts to embed."""

    def plan(self, plan: FetchPlan) -> None:
        """Say what is about to be fetched, before its first byte."""

    def announce(self, line: str) -> None:
        """Say something a person should read: a warning, a wait."""

    def progress(self, done: int, total: int) -> None:
        """Say how many are done, of how many."""

    def named(self, name: str, unit: Unit = "bytes") -> AbstractContextManager[None]:
        """Say that inside this context `name` is worked on, and what `progress` counts."""


class LineReporter:
    """A line per tenth, and in between when that takes long.

    Args:
        say: takes a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self._begin("", "bytes")

    def plan(self, plan: FetchPlan) -> None:
        """Say what is about to be fetched, and under which licences."""
        self.announce(plan.text())

    def announce(self, line: str) -> None:
        """Say a plan, a wait or a warning."""
        self.say(line)

    @contextmanager
    def named(self, name: str, unit: Unit = "bytes") -> Iterator[None]:
        """Begin with the first tenth."""
        self._begin(name, unit)
        yield

    def _begin(self, name: str, unit: Unit) -> None:
        self.name, self.unit, self._tenths, self._last = name, unit, 0, time.monotonic()
        self._pause, self._longest = _PAUSES[unit]

    def progress(self, done: int, total: int) -> None:
        """Say how far it is when another tenth is done, or enough seconds went by."""
        if not done or (self.unit == "bytes" and total < _WORTH_A_LINE):
            return
        tenths, now = 10 * done // total, time.monotonic()
        is_slow = now >= self._last + self._pause
        if tenths == self._tenths and not is_slow:
            return
        if is_slow:
            self._pause = min(self._longest, 2 * self._pause)
        self._tenths, self._last = tenths, now
        self.tell(done, total)

    def tell(self, done: int, total: int) -> None:
        """Say how far it is."""
        if self.unit == "prompts":
            self.say(f"{self.name}: {done:,} of {total:,}")
        else:
            self.say(f"{self.name}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")


LOGGED: Reporter = LineReporter(logging.getLogger("radseg").warning)
"""Writes the lines to the "radseg" logger: what Python shows where nobody chose another reporter."""
