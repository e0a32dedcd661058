"""From the folder of a run to a page to review it: which original belongs to which mask, one at a time."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from radseg.errors import InputError, MissingFileError, RadsegError
from radseg.files import shown, write_pieces
from radseg.io import read_label_map, read_pixels
from radseg.jobs.manifest import Record
from radseg.jobs.naming import inside
from radseg.review.decisions import review_key
from radseg.review.page import Heading, ReviewImage, page_pieces
from radseg.runs.stored import StoredRun, read_run

PAGE_NAME = "review.html"


@dataclass(frozen=True)
class ReviewReport:
    """What is on the page.

    Attributes:
        images: how many, those that failed too.
        failed: those that failed, in the run or now.
        without_original: those whose file was not found, so that only their masks are shown.
    """

    page: Path
    images: int
    failed: int
    without_original: int


def write_review(
    folder: Path,
    page: Path | None = None,
    *,
    images: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ReviewReport:
    """Write the page for a run.

    Args:
        folder: of the run.
        page: the file; None is `review.html` in the folder of the run.
        images: folder of the run's images; None looks where the run kept that (`--keep-paths`).
        progress: is called after each image with how many are done, and of how many.

    Raises:
        InputError: the folder holds no run, or no label maps.
        MissingFileError: no folder `images`, or none of the run's images in it.
        ResourceError: the disk stands in the way.
    """
    run, target = read_run(folder), page or folder / PAGE_NAME
    records = sorted((*run.done, *run.failed), key=lambda record: record.name)
    if not any(run.has("labels", record) for record in run.done):
        raise InputError(f"The run {shown(folder)} has no label maps to review. Run it with --save labels.")
    originals = {record.name: _original(run, record, images) for record in run.done}
    if images is not None and not any(originals.values()):
        raise MissingFileError(
            f"None of the run's images is below {shown(images)} as it was segmented. Name the folder that "
            "was given to `radseg segment`."
        )
    counts: Counter[str] = Counter()

    def every() -> Iterator[ReviewImage]:
        for number, record in enumerate(records, start=1):
            one = _review_image(run, record, originals.get(record.name), target.parent)
            counts["failed"] += bool(one.message)
            counts["without"] += not one.message and one.photo is None
            yield one
            progress(number, len(records))

    title = Path(os.path.realpath(folder)).name
    heading = Heading(title, review_key(run.parameters, records), run.names)
    write_pieces(target, page_pieces(heading, every()))
    return ReviewReport(target, len(records), counts["failed"], counts["without"])


def _original(run: StoredRun, record: Record, images: Path | None) -> Path | None:
    """Return the file of an image where it lies as it was segmented: known by its path and its size."""
    root = images or (Path(run.roots[record.folder]) if record.folder in run.roots else None)
    if root is None:
        return None
    try:
        path = inside(root, record.source)
        return path if path.is_file() and path.stat().st_size == record.size else None
    except (InputError, OSError, ValueError):
        return None


def _review_image(run: StoredRun, record: Record, original: Path | None, start: Path) -> ReviewImage:
    """Return what the page shows of an image; what cannot be read by now has failed, too."""
    if record.status == "failed":
        return ReviewImage(record.name, record.source, record.message or "failed")
    try:
        labels = read_label_map(run.file("labels", record))
    except RadsegError as error:
        return ReviewImage(record.name, record.source, str(error), record.classes)
    try:
        photo = None if original is None else read_pixels(original)
    except RadsegError:
        photo = None  # counted as not found, and the page shows the mask alone
    address = "" if original is None or photo is None else _address(original, start)
    return ReviewImage(record.name, record.source, "", record.classes, labels, photo, address)


def _address(path: Path, start: Path) -> str:
    """Return the relative address of a file from a page in the folder `start`.

    Raises:
        InputError: it lies on another drive.
    """
    try:
        relative = Path(os.path.relpath(path, os.path.realpath(start)))
    except ValueError as error:
        raise InputError(
            f"{shown(path)} and the page are on different drives; write the page to that one with -o."
        ) from error
    return quote(os.fsencode(relative.as_posix()))
