"""The run over many images: opens the output folder, does what is not done yet, records each finished image.

What is done with an image and how a result becomes files come in as functions; nothing here knows a model.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import filelock

from radseg.errors import ResourceError
from radseg.files import clear_parts, is_about_path, make_folder, without_folders, write_bytes
from radseg.jobs.attempt import attempt
from radseg.jobs.manifest import MANIFEST_NAME, ClassRecord, History, ManifestWriter, Record, rewritten
from radseg.jobs.matching import Stamp, stamp_of
from radseg.jobs.naming import inside
from radseg.jobs.plan import (
    Job,
    OnEarlierRun,
    Place,
    Plan,
    check_targets,
    deciding,
    earlier_run,
    jobs_of,
    kept_outputs,
    of_all,
    split,
)
from radseg.jobs.record import Parameters, changed_keys
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
    places: Mapping[str, Place],
    existing: OnEarlierRun = "refuse",
    changeable: Callable[[str], bool] = lambda _: False,
) -> Iterator[Plan]:
    """Lock the output folder and say what is to be done in it. Do this before loading a model: it is quick.

    Args:
        places: by the folders below this one; a file in the place of one to come stops a fresh run.
        existing: what to do with an earlier run in the folder. "resume" needs equal parameters; "overwrite"
            deletes the files that run recorded; "change" makes again what the changed parameters decide.
        changeable: which parameters "change" may change: no lasting kind of file depends on them.

    Raises:
        InputError: the folder holds a run or files in the way, the parameters changed, an output would
            replace an input image, or a name would leave the folder.
        ResourceError: another process runs in the folder, or it cannot be written.
    """
    with claimed(folder):
        clear_parts(folder)
        earlier = earlier_run(folder, parameters, existing, changeable)
        history = earlier if existing in ("resume", "change") else None
        jobs = jobs_of(folder, images, history.records if history else {}, parameters, places)
        if existing == "change" and history is not None:
            history = of_all(folder, jobs, history)
        done, todo = split(jobs, places)
        check_targets(folder, todo, places, may_replace=existing != "refuse")
        for subfolder in {inside(folder, f"{kind}/{job.name}").parent for kind in places for job in todo}:
            clear_parts(subfolder)
        inputs = frozenset(os.path.realpath(job.image) for job in jobs)
        if existing == "overwrite":
            _delete_run(folder, earlier, inputs)
        roots = {job.folder: os.path.abspath(job.found.root) for job in jobs}  # noqa: PTH100
        yield Plan(folder, todo, done, parameters, history, roots, places, inputs)


def run(
    plan: Plan,
    work: Callable[[Job], ResultT],
    files_of: Callable[[ResultT, Job], Iterable[OutputFile]],
    finished: Callable[[Record, ResultT | None], None],
    *,
    classes_of: Callable[[ResultT], tuple[ClassRecord, ...]] = lambda _: (),
    relief: str = "",
) -> Report:
    """Do every image of the plan; one that fails is recorded and does not stop the others.

    Args:
        work: turns an image into a result; not asked where only files are to be taken away.
        files_of: the files of the job's kinds, from the result; each is written before the next is asked for.
        finished: receives each image that is done (with its result, if there is one) or failed.
        classes_of: what each class has of the image, for the record.
        relief: what a person can do where the memory does not suffice, a sentence.

    Raises:
        VocabularyError, SpaceMismatchError: the prompts cannot work for any image.
        ResourceError, OSError: the disk or the weights stand in the way. What was finished is recorded.
        KeyboardInterrupt: likewise.
    """
    done: list[Record] = []
    failed: list[Record] = []
    path, history = plan.folder / MANIFEST_NAME, plan.history
    if history is not None and changed_keys(history.parameters, plan.parameters):
        history = rewritten(path, plan.parameters, history)
    with ManifestWriter(path, plan.parameters, history) as manifest:
        for job in plan.todo:
            started, stamp = time.perf_counter(), stamp_of(job.image)
            one = partial(_do, plan.folder, job, work, files_of, classes_of)
            finding, message = attempt(one, relief=relief)
            record = replace(
                _settled(plan, job, stamp, None if finding is None else finding[1]),
                seconds=round(time.perf_counter() - started, 3),
                message=without_folders(message, job.found.root, plan.folder),
                classes=() if finding is None else finding[2],
            )
            manifest.add(record)
            (failed if finding is None else done).append(record)
            finished(record, None if finding is None else finding[0])
            del finding  # not beside the next one
    return Report(tuple(done), tuple(failed), plan.done)


def _settled(plan: Plan, job: Job, stamp: Stamp, written: Sequence[str] | None) -> Record:
    """Delete what an earlier part made of an image and holds no more; return the record of what is there.

    Before the record is written: then a kill in between leaves nothing that no record has.

    Args:
        written: the files that were made now; None where the image failed.
    """
    kept = () if written is None else kept_outputs(job, plan.places)
    outputs = (*kept, *(name for name in written or () if name not in kept))
    if job.earlier is not None:
        _delete_all(plan.folder, set(job.earlier.outputs) - set(outputs), plan.inputs)
    return Record(
        source=job.found.below,
        name=job.name,
        size=stamp[0],
        mtime_ns=stamp[1],
        status="failed" if written is None else "done",
        outputs=outputs,
        seconds=0,
        parameters=deciding(plan.parameters),
        folder=job.folder,
        kinds=() if written is None else tuple(plan.places),
    )


def _do(
    folder: Path,
    job: Job,
    work: Callable[[Job], ResultT],
    files_of: Callable[[ResultT, Job], Iterable[OutputFile]],
    classes_of: Callable[[ResultT], tuple[ClassRecord, ...]],
) -> tuple[ResultT | None, tuple[str, ...], tuple[ClassRecord, ...]]:
    """Return the result of one image, the files written for it, all of them or none, and its classes."""
    if not job.kinds:
        return None, (), job.earlier.classes if job.earlier and job.current else ()
    result = work(job)
    classes = classes_of(result)
    stored: list[str] = []
    try:
        for kind, ending, content in files_of(result, job):
            output = f"{kind}/{job.name}{ending}"
            target = inside(folder, output)
            make_folder(target.parent)
            write_bytes(target, content)
            stored.append(output)
    except BaseException:
        for name in stored:
            inside(folder, name).unlink(missing_ok=True)
        raise
    return result, tuple(stored), classes


def _delete_run(folder: Path, earlier: History | None, keep: frozenset[str]) -> None:
    """Delete the outputs an earlier run recorded, then its manifest; never an image of this run."""
    for record in earlier.records.values() if earlier else ():
        _delete_all(folder, record.outputs, keep)
    (folder / MANIFEST_NAME).unlink(missing_ok=True)


def _delete_all(folder: Path, outputs: Iterable[str], keep: frozenset[str]) -> None:
    for output in outputs:
        target = inside(folder, output)
        if os.path.realpath(target) not in keep:
            _delete(target)


def _delete(output: Path) -> None:
    """Delete an output; what is in its place by now, a folder say, is not one."""
    try:
        output.unlink(missing_ok=True)
    except OSError as error:
        if not (is_about_path(error) or output.is_dir()):
            raise


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
