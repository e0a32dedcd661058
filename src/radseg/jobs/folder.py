"""The run over many images: opens the output folder, does what is not done yet, records each finished image.

What is done with an image and how a result becomes files come in as functions; nothing here knows a model.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import filelock

from radseg.errors import InputError, ResourceError
from radseg.files import clear_parts, counted, is_about_path, make_folder, without_folders, write_bytes
from radseg.jobs.attempt import attempt
from radseg.jobs.manifest import MANIFEST_NAME, History, ManifestWriter, Record, read_manifest
from radseg.jobs.matching import earlier_records, folder_mark, stamp_of
from radseg.jobs.naming import inside, output_names
from radseg.jobs.record import Parameters, parameters_hash, require_same
from radseg.jobs.sources import SourceImage

LOCK_NAME = ".radseg-lock"
OnExisting = Literal["refuse", "resume", "overwrite"]
ResultT = TypeVar("ResultT")
"""What is made of one image; the run hands it on without looking inside."""


class OutputFile(NamedTuple):
    """A file to store for an image: the folder of its kind in the run's, the end of its name, its bytes."""

    folder: str
    ending: str
    content: bytes


@dataclass(frozen=True)
class Job:
    """One image, its output name, the mark of its folder, and what an earlier part recorded of it."""

    found: SourceImage
    name: str
    folder: str
    earlier: Record | None = None

    @property
    def image(self) -> Path:
        """The file."""
        return self.found.path


@dataclass(frozen=True)
class Plan:
    """A run about to start in a folder that this process has locked.

    Attributes:
        todo: the images still to be done, in order.
        done: records of images that an earlier part of the run finished and whose outputs are still there.
        roots: absolute paths of the folders that the images are from, by the marks that records have.
    """

    folder: Path
    todo: tuple[Job, ...]
    done: tuple[Record, ...]
    parameters: Parameters
    history: History | None
    roots: Mapping[str, str]


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
    places: Mapping[str, str | None],
    existing: OnExisting = "refuse",
) -> Iterator[Plan]:
    """Lock the output folder and say what is to be done in it. Do this before loading a model: it is quick.

    Args:
        places: the folders below this one and how the file of each image ends there, such as masks and .png;
            a file in its place stops a fresh run. None where only the result tells the ending.
        existing: what to do with an earlier run in the folder. "resume" needs equal parameters; "overwrite"
            deletes the files that run recorded.

    Raises:
        InputError: the folder holds a run or files in the way, the parameters changed, an output would
            replace an input image, or a name would leave the folder.
        ResourceError: another process runs in the folder, or it cannot be written.
    """
    with claimed(folder):
        clear_parts(folder)
        earlier = _earlier_run(folder, parameters, existing)
        history = earlier if existing == "resume" else None
        jobs = _jobs(images, history.records if history else {})
        done, todo = _split(folder, jobs)
        _check_targets(folder, todo, places, may_replace=existing != "refuse")
        for subfolder in {inside(folder, f"{kind}/{job.name}").parent for kind in places for job in todo}:
            clear_parts(subfolder)
        if existing == "overwrite":
            _delete_run(folder, earlier, keep={os.path.realpath(job.image) for job in jobs})
        roots = {job.folder: os.path.abspath(job.found.root) for job in jobs}  # noqa: PTH100
        yield Plan(folder, todo, done, parameters, history, roots)


def run(
    plan: Plan,
    work: Callable[[Path], ResultT],
    files_of: Callable[[ResultT, Path], Iterable[OutputFile]],
    finished: Callable[[Record, ResultT | None], None],
    *,
    relief: str = "",
) -> Report:
    """Do every image of the plan; one that fails is recorded and does not stop the others.

    Args:
        work: turns an image file into a result.
        files_of: the files to store for a result, from the result and the image's path; each is written
            before the next is asked for.
        finished: receives each image that is done (with its result) or failed (without).
        relief: what a person can do where the memory does not suffice, a sentence.

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
            size, mtime_ns = stamp_of(job.image)
            one = partial(_do, plan.folder, job, work, files_of)
            finding, message = attempt(one, relief=relief)
            result, outputs = finding or (None, ())
            record = Record(
                source=job.found.below,
                name=job.name,
                size=size,
                mtime_ns=mtime_ns,
                status="failed" if result is None else "done",
                outputs=outputs,
                seconds=round(time.perf_counter() - started, 3),
                parameters=digest,
                message=without_folders(message, job.found.root, plan.folder),
                folder=job.folder,
            )
            manifest.add(record)
            (failed if result is None else done).append(record)
            finished(record, result)
            del finding, result  # not beside the next one
    return Report(tuple(done), tuple(failed), plan.done)


def _do(
    folder: Path,
    job: Job,
    work: Callable[[Path], ResultT],
    files_of: Callable[[ResultT, Path], Iterable[OutputFile]],
) -> tuple[ResultT, tuple[str, ...]]:
    """Return the result of one image and the files written for it: all of them, or none."""
    result = work(job.image)
    stored: list[str] = []
    try:
        for kind, ending, content in files_of(result, job.image):
            output = f"{kind}/{job.name}{ending}"
            target = inside(folder, output)
            make_folder(target.parent)
            write_bytes(target, content)
            stored.append(output)
    except BaseException:
        for name in stored:
            inside(folder, name).unlink(missing_ok=True)
        raise
    return result, tuple(stored)


def _earlier_run(folder: Path, parameters: Parameters, existing: OnExisting) -> History | None:
    try:
        history = read_manifest(folder / MANIFEST_NAME)
    except ResourceError:
        if existing != "overwrite":
            raise
        return None  # what a damaged manifest recorded is unknown; files in the way are replaced one by one
    if history is not None and existing == "refuse":
        done = sum(record.status == "done" for record in history.records.values())
        raise InputError(
            f"{folder} holds an earlier run ({counted(done, 'image')} done). "
            "Continue it with --resume, start it again with --overwrite, or choose another folder with -o."
        )
    if history is not None and existing == "resume":
        require_same(history.parameters, parameters)
    return history


def _delete_run(folder: Path, earlier: History | None, keep: set[str]) -> None:
    """Delete the outputs an earlier run recorded, then its manifest; never an image of this run."""
    for record in earlier.records.values() if earlier else ():
        for output in record.outputs:
            target = inside(folder, output)
            if os.path.realpath(target) not in keep:
                _delete(target)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)


def _delete(output: Path) -> None:
    """Delete an output; what is in its place by now, a folder say, is not one."""
    try:
        output.unlink(missing_ok=True)
    except OSError as error:
        if not (is_about_path(error) or output.is_dir()):
            raise


def _jobs(images: Sequence[SourceImage], records: Mapping[str, Record]) -> tuple[Job, ...]:
    """Return what is to be done for each image, after the records of an earlier part of the run by name."""
    marks = {root: folder_mark(root) for root in {image.root for image in images}}
    folders = [marks[image.root] for image in images]
    earlier = earlier_records(images, folders, records.values())
    names = output_names(images, known=[one.name if one else None for one in earlier], taken=records)
    return tuple(map(Job, images, names, folders, earlier))


def _split(folder: Path, jobs: Sequence[Job]) -> tuple[tuple[Record, ...], tuple[Job, ...]]:
    """Divide the jobs into those finished earlier, outputs in place and image unchanged, and the others."""
    done, todo = [], []
    for job in jobs:
        record = job.earlier
        if record and record.status == "done" and _still_true(folder, job, record):
            done.append(record)
        else:
            todo.append(job)
    return tuple(done), tuple(todo)


def _still_true(folder: Path, job: Job, record: Record) -> bool:
    unchanged = stamp_of(job.image) == (record.size, record.mtime_ns)
    return unchanged and all(_is_file(inside(folder, output)) for output in record.outputs)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - pathlib's raises where a name is too long


def _check_targets(
    folder: Path, jobs: Sequence[Job], places: Mapping[str, str | None], *, may_replace: bool
) -> None:
    images = {os.path.realpath(job.image) for job in jobs}
    in_the_way = []
    for job in jobs:
        for kind, ending in places.items():
            target = inside(folder, f"{kind}/{job.name}{ending}")
            if ending is None or not os.path.lexists(target):
                continue
            if os.path.realpath(target) in images:
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


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make the output folder, hold it for this process, and remove it again if nothing came of it.

    Raises:
        InputError: it is a file.
        ResourceError: it cannot be made or written to, or another process holds it.
    """
    existed = folder.exists()
    make_folder(folder)
    with locked(folder):
        try:
            yield
        finally:  # while the lock is held: the folder may be another's as soon as it is not
            if not existed and [path.name for path in folder.iterdir()] == [LOCK_NAME]:
                with contextlib.suppress(OSError):  # Windows keeps files that are open
                    (folder / LOCK_NAME).unlink()
                    folder.rmdir()


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


def free_folder(wanted: Path) -> Path:
    """Return `wanted`, or the first of `wanted-2`, `wanted-3`, … that does not exist yet."""
    number, folder = 2, wanted
    while os.path.lexists(folder):
        folder = wanted.with_name(f"{wanted.name}-{number}")
        number += 1
    return folder
