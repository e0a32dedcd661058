"""The run over many images: opens the output folder, does what is not done yet, records each finished image.

What a network does with an image and how a result is stored come in as functions; nothing here imports torch.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import filelock

from radseg.errors import InputError, ResourceError, SpaceMismatchError, VocabularyError
from radseg.jobs.atomic import clear_staging, write_whole
from radseg.jobs.manifest import (
    MANIFEST_NAME,
    History,
    ManifestWriter,
    Parameters,
    Record,
    parameters_hash,
    read_manifest,
    require_same,
)
from radseg.jobs.naming import inside, output_names
from radseg.jobs.sources import SourceImage

LOCK_NAME = ".radseg-lock"
RELIEF = "Lower --memory-budget or --short-side."
OnExisting = Literal["refuse", "resume", "overwrite"]
ResultT = TypeVar("ResultT")
ResultT_contra = TypeVar("ResultT_contra", contravariant=True)
"""What segmenting one image gives; the run hands it on without looking inside."""

OutputFile = tuple[str, Callable[[Path], None]]
"""The end of a file name, such as ".overlay.png", and the function that writes that file."""


class Watcher(Protocol[ResultT_contra]):
    """Receives the progress of the run."""

    def finished(self, record: Record, result: ResultT_contra | None) -> None:
        """One image is done (with its result) or failed (without)."""


@dataclass(frozen=True)
class Job:
    """One image and its output name."""

    image: Path
    name: str


@dataclass(frozen=True)
class Plan:
    """A run about to start in a folder that this process has locked.

    Attributes:
        todo: the images still to be done, in order.
        done: records of images that an earlier part of the run finished and whose outputs are still there.
    """

    folder: Path
    todo: tuple[Job, ...]
    done: tuple[Record, ...]
    parameters: Parameters
    history: History | None


@dataclass(frozen=True)
class Report:
    """How a run ended: every image of it is in exactly one of the three."""

    done: tuple[Record, ...]
    failed: tuple[Record, ...]
    earlier: tuple[Record, ...]


@contextmanager
def opened(
    folder: Path,
    images: Sequence[SourceImage],
    parameters: Parameters,
    *,
    endings: Sequence[str],
    existing: OnExisting = "refuse",
) -> Iterator[Plan]:
    """Lock the output folder and say what is to be done in it. Do this before loading a model: it is quick.

    Args:
        endings: of the files each image will get, such as ".png"; a file in their place stops a fresh run.
        existing: what to do with an earlier run in the folder. "resume" needs equal parameters; "overwrite"
            deletes the files that run recorded.

    Raises:
        InputError: the folder holds a run or files in the way, the parameters changed, an output would
            replace an input image, or a name would leave the folder.
        ResourceError: another process runs in the folder, or it cannot be written.
    """
    existed = folder.exists()
    make_folder(folder)
    try:
        yield from _planned(folder, images, parameters, endings, existing)
    finally:
        if not existed:
            _remove_if_unused(folder)


def _planned(
    folder: Path,
    images: Sequence[SourceImage],
    parameters: Parameters,
    endings: Sequence[str],
    existing: OnExisting,
) -> Iterator[Plan]:
    with locked(folder):
        clear_staging(folder)
        earlier = _earlier_run(folder, parameters, existing)
        history = earlier if existing == "resume" else None
        known = {record.source: record.name for record in history.records.values()} if history else {}
        names = output_names(images, known=known)
        jobs = tuple(Job(found.path, name) for found, name in zip(images, names, strict=True))
        done, todo = _split(folder, jobs, history)
        _check_targets(folder, todo, endings, may_replace=existing != "refuse")
        if existing == "overwrite":
            _delete_run(folder, earlier, keep={job.image.resolve() for job in jobs})
        yield Plan(folder, todo, done, parameters, history)
        clear_staging(folder)


def run(
    plan: Plan,
    segment: Callable[[Path], ResultT],
    files_of: Callable[[ResultT, Path], Sequence[OutputFile]],
    watcher: Watcher[ResultT],
) -> Report:
    """Do every image of the plan; one that fails is recorded and does not stop the others.

    Args:
        segment: turns an image file into a result.
        files_of: the files to store for a result, from the result and the image's path.

    Raises:
        VocabularyError, SpaceMismatchError: the prompts cannot work for any image.
        ResourceError, OSError: the disk or the weights stand in the way. What was finished is recorded.
        KeyboardInterrupt: likewise.
    """
    done: list[Record] = []
    failed: list[Record] = []
    digest = parameters_hash(plan.parameters)
    with ManifestWriter(plan.folder / MANIFEST_NAME, plan.parameters, plan.history) as manifest:
        for job in plan.todo:
            started = time.perf_counter()
            size, mtime_ns = _stamp(job.image)
            result, message = attempt(partial(segment, job.image), relief=RELIEF)
            outputs = () if result is None else _store(plan.folder, job.name, files_of(result, job.image))
            record = Record(
                source=os.path.abspath(job.image),  # noqa: PTH100 - lexical: links keep their own name
                name=job.name,
                size=size,
                mtime_ns=mtime_ns,
                status="failed" if result is None else "done",
                outputs=outputs,
                seconds=round(time.perf_counter() - started, 3),
                parameters=digest,
                message=message,
            )
            manifest.append(record)
            (failed if result is None else done).append(record)
            watcher.finished(record, result)
    return Report(tuple(done), tuple(failed), plan.done)


def attempt(work: Callable[[], ResultT], *, relief: str) -> tuple[ResultT | None, str]:
    """Return the result, or None and why there is none; let pass what would stop every image.

    Args:
        relief: what a person can do where the memory does not suffice, a sentence.
    """
    try:
        return work(), ""
    except (VocabularyError, SpaceMismatchError, ResourceError):
        raise
    except (InputError, OSError) as error:
        return None, str(error) or type(error).__name__
    except MemoryError:
        return None, f"Out of memory. {relief}"
    except Exception as error:  # a bug or a full GPU on one image must not cost the other nine thousand
        if os.environ.get("RADSEG_DEBUG") == "1":
            raise
        return None, f"{type(error).__name__}: {error}".splitlines()[0]


def _store(folder: Path, name: str, files: Sequence[OutputFile]) -> tuple[str, ...]:
    stored = []
    for ending, write in files:
        write_whole(folder, inside(folder, f"{name}{ending}"), write)
        stored.append(f"{name}{ending}")
    return tuple(stored)


def _earlier_run(folder: Path, parameters: Parameters, existing: OnExisting) -> History | None:
    try:
        history = read_manifest(folder / MANIFEST_NAME)
    except ResourceError:
        if existing != "overwrite":
            raise
        return None  # what a damaged manifest recorded is unknown; files in the way are replaced one by one
    if history is not None and existing == "refuse":
        raise InputError(
            f"{folder} holds an earlier run ({len(history.of('done'))} images done). "
            "Continue it with --resume, start it again with --overwrite, or choose another folder with -o."
        )
    if history is not None and existing == "resume":
        require_same(history.parameters, parameters)
    return history


def _delete_run(folder: Path, earlier: History | None, keep: set[Path]) -> None:
    """Delete the outputs an earlier run recorded, then its manifest; never an image of this run."""
    for record in earlier.records.values() if earlier else ():
        for output in record.outputs:
            target = inside(folder, output)
            if target.resolve() not in keep:
                target.unlink(missing_ok=True)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)


def _split(
    folder: Path, jobs: Sequence[Job], history: History | None
) -> tuple[tuple[Record, ...], tuple[Job, ...]]:
    """Divide the jobs into those finished earlier, outputs in place and image unchanged, and the others."""
    records: Mapping[str, Record] = history.records if history else {}
    done, todo = [], []
    for job in jobs:
        record = records.get(os.path.abspath(job.image))  # noqa: PTH100
        if record and record.status == "done" and _still_true(folder, job, record):
            done.append(record)
        else:
            todo.append(job)
    return tuple(done), tuple(todo)


def _still_true(folder: Path, job: Job, record: Record) -> bool:
    unchanged = _stamp(job.image) == (record.size, record.mtime_ns)
    return unchanged and all(inside(folder, output).is_file() for output in record.outputs)


def _check_targets(folder: Path, jobs: Sequence[Job], endings: Sequence[str], *, may_replace: bool) -> None:
    images = {job.image.resolve() for job in jobs}
    in_the_way = []
    for job in jobs:
        for ending in endings:
            target = inside(folder, f"{job.name}{ending}")
            if not os.path.lexists(target):
                continue
            if target.resolve() in images:
                raise InputError(
                    f"The output {target} would replace an input image. Choose another folder with -o."
                )
            in_the_way.append(target)
    if in_the_way and not may_replace:
        more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
        raise InputError(
            f"{in_the_way[0]}{more} would be replaced. "
            "Choose another folder with -o, or allow it with --overwrite."
        )


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder made for a run that never began, so that a failed start leaves nothing behind."""
    if [path.name for path in folder.iterdir()] in ([], [LOCK_NAME]):
        (folder / LOCK_NAME).unlink(missing_ok=True)
        folder.rmdir()


def make_folder(folder: Path) -> None:
    """Make the output folder; raises InputError or ResourceError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"The output folder {folder} is a file. Choose another with -o.") from error
    except OSError as error:
        raise ResourceError(f"The output folder {folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise ResourceError(f"The output folder {folder} is not writable. Choose another with -o.")


@contextmanager
def locked(folder: Path, name: str = LOCK_NAME, *, wait: float = 0) -> Iterator[None]:
    """Hold the folder for this process; the system releases it even after kill -9.

    `wait` is how many seconds to wait for another process that holds it.
    """
    lock = filelock.FileLock(folder / name, timeout=wait)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise ResourceError(
            f"Another radseg is writing to {folder}. Wait for it, or choose another folder with -o."
        ) from error
    except OSError as error:
        raise ResourceError(f"The output folder {folder} cannot be locked: {error.strerror}.") from error
    try:
        yield
    finally:
        lock.release()


def _stamp(image: Path) -> tuple[int, int]:
    try:
        status = image.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def free_folder(wanted: Path) -> Path:
    """Return `wanted`, or the first of `wanted-2`, `wanted-3`, … that does not exist yet."""
    number, folder = 2, wanted
    while os.path.lexists(folder):
        folder = wanted.with_name(f"{wanted.name}-{number}")
        number += 1
    return folder


def free_bytes(folder: Path) -> int:
    """Return the free bytes on the disk that holds `folder` (or the nearest folder above it that exists)."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
