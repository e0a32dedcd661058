"""How a download is carried out and told about. No network, no torch."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Reporter(Protocol):
    """Is told about a download."""

    def announce(self, line: str) -> None:
        """Say something a person should read: the licence, a warning."""

    def progress(self, done: int, total: int) -> None:
        """Say how many bytes are here, of how many."""

    def named(self, name: str) -> AbstractContextManager[None]:
        """Say that inside this context `name` is being fetched."""


class _Silent:
    """Shows no progress; what a person should read goes to the log."""

    def announce(self, line: str) -> None:
        logging.getLogger("radseg").warning(line)

    def progress(self, done: int, total: int) -> None:
        pass

    def named(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


SILENT: Reporter = _Silent()
"""Tells nobody of bytes; licences and warnings go to the "radseg" logger."""


@dataclass(frozen=True)
class DownloadOptions:
    """How weights are to be fetched and converted.

    Attributes:
        accept_license: the caller has accepted the licence where that is needed.
        drop: prefixes of tensors to leave out when a published RADIO file holds some this version cannot
            place; a whole adaptor is "adaptors.<teacher>.".
        reporter: is told what is fetched, and how far it is.
    """

    accept_license: bool = False
    drop: tuple[str, ...] = ()
    reporter: Reporter = SILENT
