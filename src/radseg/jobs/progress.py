"""Who receives the progress of a run over images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from radseg.errors import ResourceError
from radseg.jobs.folder import Report
from radseg.jobs.manifest import Record

ResultT_contra = TypeVar("ResultT_contra", contravariant=True)


class RunReporter(Protocol[ResultT_contra]):
    """Receives the progress of a run over images, in this order."""

    def found(self, images: int, notes: Sequence[str]) -> None:
        """Say how many images there are, and in plain sentences what was left out."""

    def loading(self, model: str) -> None:
        """Say that the weights are being read or downloaded: it can take a while."""

    def note(self, text: str) -> None:
        """Say in a plain sentence what else there is to know."""

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Begin `todo` images, after `earlier` ones that an interrupted run finished."""

    def finished(self, record: Record, result: ResultT_contra | None) -> None:
        """Report one image, done (with its result) or failed (without)."""

    def stopped(self, folder: Path) -> None:
        """Say that the run broke off and how it goes on; the reason follows from elsewhere."""

    def ended(self, report: Report, folder: Path, extra: Sequence[str]) -> None:
        """Sum up; `extra` are the files of the whole run, such as classes.json."""


@contextmanager
def announcing_stops(reporter: RunReporter[Any], folder: Path) -> Iterator[None]:
    """Let the reporter say how the run goes on where a full disk or a person ends it."""
    try:
        yield
    except (KeyboardInterrupt, ResourceError, OSError):
        reporter.stopped(folder)
        raise
