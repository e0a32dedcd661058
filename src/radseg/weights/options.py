"""How a download is carried out and told about. No network, no torch."""

import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["bytes", "prompts"]


class Reporter(Protocol):
    """Is told about what a person waits for before the first image: weights to fetch, prompts to embed."""

    def announce(self, line: str) -> None:
        """Say something a person should read: what begins, a licence, a warning."""

    def progress(self, done: int, total: int) -> None:
        """Say how many are done, of how many."""

    def named(self, name: str, unit: Unit = "bytes") -> AbstractContextManager[None]:
        """Say that inside this context `name` is worked on, and what `progress` counts."""


class _Silent:
    """Shows no progress; what a person should read goes to the log.

    Here Python's own log is the terminal, so there it says too how prompts get on.
    """

    def announce(self, line: str) -> None:
        logging.getLogger("radseg").warning(line)

    def progress(self, done: int, total: int) -> None:
        pass

    def named(self, name: str, unit: Unit = "bytes") -> AbstractContextManager[None]:
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
