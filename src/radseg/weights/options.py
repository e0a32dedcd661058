"""How a download is carried out and told about. No network, no torch."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from radseg.weights.catalog import License

if TYPE_CHECKING:
    from radseg.weights.published import Published


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
        head = f"{who} {size_of(self.bytes)} ({self.bytes:,} bytes) from {self.host}, into {self.folder}:"
        return "\n".join((head, *(f"  {_line(one)}" for one in self.fetches)))


def size_of(count: int) -> str:
    """Return a number of bytes in decimal units, as disks and lines are sold."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"


def _line(one: PlannedFetch) -> str:
    here = f" ({size_of(one.here)} more are here)" if one.here else ""
    return f"{one.name}, {one.kind}: {size_of(one.bytes)}{here}. {one.license.title}, {one.license.url}"


class Reporter(Protocol):
    """Is told about a download."""

    def plan(self, plan: FetchPlan) -> None:
        """Say what is about to be fetched, before its first byte."""

    def announce(self, line: str) -> None:
        """Say something a person should read: a warning, a wait."""

    def progress(self, done: int, total: int) -> None:
        """Say how many bytes are here, of how many."""

    def named(self, name: str) -> AbstractContextManager[None]:
        """Say that inside this context `name` is being fetched."""


class _Silent:
    """Shows no progress; what a person should read goes to the log."""

    def plan(self, plan: FetchPlan) -> None:
        self.announce(plan.text())

    def announce(self, line: str) -> None:
        logging.getLogger("radseg").warning(line)

    def progress(self, done: int, total: int) -> None:
        pass

    def named(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


SILENT: Reporter = _Silent()
"""Tells nobody of progress; plans, licences and warnings go to the "radseg" logger."""


Known = dict[str, "Published"]
"""What a command knows of the published files of each row it has asked the hub about."""


@dataclass(frozen=True)
class DownloadOptions:
    """How weights are to be fetched and converted.

    Attributes:
        accept_license: the caller has accepted the licence where that is needed.
        drop: prefixes of tensors to leave out when a published RADIO file holds some this version cannot
            place; a whole adaptor is "adaptors.<teacher>.".
        reporter: is told what is fetched, and how far it is.
        keep_original: keep the published file, if it is fetched whole, beside what is made from it.
        rows: what is known of each row's published files; one command asks the hub for it once.
    """

    accept_license: bool = False
    drop: tuple[str, ...] = ()
    reporter: Reporter = SILENT
    keep_original: bool = False
    rows: Known = field(default_factory=dict, compare=False, repr=False)
