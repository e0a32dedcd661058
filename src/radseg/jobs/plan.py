"""What is to be done in the folder of a run: of each image the kinds of file that lack or hold no more."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from radseg.errors import InputError, ResourceError
from radseg.files import counted, shown
from radseg.jobs.manifest import MANIFEST_NAME, History, Record, read_manifest
from radseg.jobs.matching import earlier_records, folder_mark, stamp_of
from radseg.jobs.naming import inside, output_names
from radseg.jobs.record import Parameters, changed_keys, parameters_hash, require_same
from radseg.jobs.sources import SourceImage

RESUME_ONLY = (
    "--resume continues only with equal settings: use the earlier ones, choose another folder with -o, "
    "or start again with --overwrite."
)
RESUME_OR_CHANGE = (
    "--resume continues only with equal settings. --change applies the new ones to the run and does again "
    "only what they decide; or choose another folder with -o."
)
FIXED = "With --change that must stay: choose another folder with -o, or start again with --overwrite."
SAVE = "save"
"""The parameter that decides which files there are, and nothing of what is in them."""
OnEarlierRun = Literal["refuse", "resume", "overwrite", "change"]


class Place(NamedTuple):
    """The files of one kind, in a folder of their own.

    Attributes:
        ending: how the file of each image ends, such as ".png"; None where only the result tells.
        lasting: whether it depends on the image alone and holds whatever prompts are asked.
    """

    ending: str | None
    lasting: bool = False


@dataclass(frozen=True)
class Job:
    """One image, and what is to be made of it.

    Attributes:
        name: its output name.
        folder: the mark of its source folder.
        earlier: what an earlier part of the run recorded of it; None where nothing.
        unchanged: whether it was done then, and its file is what it was.
        current: whether what was made of it then is what this run would make.
        kinds: the folders of the kinds of file that are to be made; those it has and lacks are not among it.
    """

    found: SourceImage
    name: str
    folder: str
    earlier: Record | None = None
    unchanged: bool = False
    current: bool = False
    kinds: tuple[str, ...] = ()

    @property
    def image(self) -> Path:
        """The file."""
        return self.found.path


@dataclass(frozen=True)
class Plan:
    """A run about to start in a folder that this process has locked.

    Attributes:
        todo: the images of which something is still to be made, or to be taken away, in order.
        done: records of images that an earlier part of the run finished and whose outputs are still there.
        roots: absolute paths of the folders that the images are from, by the marks that records have.
        inputs: real paths of all images, which nothing may replace or delete.
    """

    folder: Path
    todo: tuple[Job, ...]
    done: tuple[Record, ...]
    parameters: Parameters
    history: History | None
    roots: Mapping[str, str]
    places: Mapping[str, Place]
    inputs: frozenset[str]


def deciding(parameters: Parameters) -> str:
    """Return the hash of all parameters that decide what is in the files of a run."""
    return parameters_hash({key: value for key, value in parameters.items() if key != SAVE})


def kept_outputs(job: Job, places: Mapping[str, Place]) -> tuple[str, ...]:
    """Return the files of an earlier part of the run that still hold."""
    if job.earlier is None or not job.unchanged:
        return ()
    holding = {kind for kind, place in places.items() if job.current or place.lasting} - set(job.kinds)
    return tuple(output for output in job.earlier.outputs if kind_of(output) in holding)


def kind_of(output: str) -> str:
    """Return the folder of an output's kind."""
    return output.partition("/")[0]


def earlier_run(
    folder: Path, parameters: Parameters, existing: OnEarlierRun, changeable: Callable[[str], bool]
) -> History | None:
    """Return what an earlier run in the folder recorded, after checking that `existing` may go on there."""
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
    if history is None and existing == "change":
        raise InputError(
            f"There is no run in {shown(folder)} to change. Name the -o of one, or leave --change out."
        )
    if history is not None and existing in ("resume", "change"):
        before = history.parameters
        fixed = [key for key in changed_keys(before, parameters) if not changeable(key)]
        if fixed and existing == "change":
            require_same(_only(before, fixed), _only(parameters, fixed), FIXED)
        if existing == "resume":
            require_same(before, parameters, RESUME_ONLY if fixed else RESUME_OR_CHANGE)
    return history


def _only(parameters: Parameters, keys: Sequence[str]) -> Parameters:
    return {key: parameters[key] for key in keys if key in parameters}


def of_all(folder: Path, jobs: Sequence[Job], history: History) -> History:
    """Return what is recorded of these images, and refuse to change a run in part: it has one set of classes.

    What failed and is not there any more is forgotten.
    """
    names = {job.name for job in jobs}
    gone = sorted(name for name in history.records if name not in names)
    left_out = [name for name in gone if history.records[name].status == "done"]
    if left_out:
        raise InputError(
            f"{len(left_out)} images of the run in {shown(folder)} are not among these sources, such as "
            f"{shown(left_out[0])}. Name all its sources, or choose another folder with -o."
        )
    return replace(history, records={name: one for name, one in history.records.items() if name in names})


def jobs_of(
    folder: Path,
    images: Sequence[SourceImage],
    records: Mapping[str, Record],
    parameters: Parameters,
    places: Mapping[str, Place],
) -> tuple[Job, ...]:
    """Return what is to be done for each image, after the records of an earlier part of the run by name."""
    marks = {root: folder_mark(root) for root in {image.root for image in images}}
    folders = [marks[image.root] for image in images]
    earlier = earlier_records(images, folders, records.values())
    names = output_names(images, known=[one.name if one else None for one in earlier], taken=records)
    jobs, digest = map(Job, images, names, folders, earlier), deciding(parameters)
    return tuple(_planned(folder, job, places, digest) for job in jobs)


def _planned(folder: Path, job: Job, places: Mapping[str, Place], digest: str) -> Job:
    """Return the job with what still holds of the earlier part, and the kinds of file to be made."""
    record = job.earlier
    if record is None or record.status != "done":
        return replace(job, kinds=tuple(places))
    unchanged = stamp_of(job.image) == (record.size, record.mtime_ns)
    current = unchanged and record.parameters == digest
    lost = {kind_of(output) for output in record.outputs if not _is_file(inside(folder, output))}
    holding = {kind for kind in record.kinds if kind not in lost}
    kinds = tuple(
        kind
        for kind, place in places.items()
        if kind not in holding or not (current or (unchanged and place.lasting))
    )
    return replace(job, unchanged=unchanged, current=current, kinds=kinds)


def split(jobs: Sequence[Job], places: Mapping[str, Place]) -> tuple[tuple[Record, ...], tuple[Job, ...]]:
    """Divide the jobs into those of which all is there and nothing else, and the others."""
    done, todo = [], []
    for job in jobs:
        if job.earlier and job.current and not job.kinds and set(job.earlier.kinds) <= set(places):
            done.append(job.earlier)
        else:
            todo.append(job)
    return tuple(done), tuple(todo)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - pathlib's raises where a name is too long


def check_targets(
    folder: Path, jobs: Sequence[Job], places: Mapping[str, Place], *, may_replace: bool
) -> None:
    """Refuse to replace an image of the run, or a file that nobody said may be replaced."""
    images = {os.path.realpath(job.image) for job in jobs}
    in_the_way = []
    for job in jobs:
        for kind, (ending, _) in places.items():
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
