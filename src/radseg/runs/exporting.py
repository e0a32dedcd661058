"""From the folder of a run to a data set of another tool: its images one by one, its files as they come."""

import difflib
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from radseg.errors import InputError, MissingFileError
from radseg.extras import require
from radseg.files import (
    bytes_of,
    json_of,
    listed,
    shown,
)
from radseg.io import read_label_map
from radseg.io.formats.catalog import FORMATS
from radseg.io.formats.dataset import Format, LabelledImage
from radseg.io.labels import LabelMap
from radseg.jobs.manifest import Record
from radseg.objects import ImageObject, connected_objects, objects_of_json
from radseg.review.decisions import read_review
from radseg.runs.folders import appearing, is_dataset, pieces_of, write_in
from radseg.runs.outputs import EXPORTS_NAME
from radseg.runs.stored import StoredRun, read_run

SPECKLE = 100
"""Pixels below which a part is counted as small: what `min_area` would leave out is said."""
MAX_OBJECTS_BYTES = 2**30


@dataclass(frozen=True)
class ExportRequest:
    """What a person asked for.

    Attributes:
        run: the output folder of `radseg segment`.
        form: one of `FORMATS`.
        output: folder for the data set.
        images: folder of the run's images, which are then copied into the data set; None leaves them out.
        min_area: parts of fewer pixels are left out.
        replace: whether an earlier export in the folder is replaced.
        review: list of decisions of `radseg review`: only what was accepted is exported; None exports all.
    """

    run: Path
    form: str
    output: Path
    images: Path | None = None
    min_area: int = 1
    replace: bool = False
    review: Path | None = None


@dataclass
class ExportReport:
    """What was exported.

    Attributes:
        images: how many images.
        empty: how many of them have no part.
        parts: masks by the name of their class.
        small: how many parts have fewer than SPECKLE pixels.
        failed: how many images of the run failed there, so that they are not in the data set.
        rejected, undecided: how many were left out because a person rejected them, or did not decide.
    """

    images: int = 0
    empty: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    small: int = 0
    failed: int = 0
    rejected: int = 0
    undecided: int = 0

    def add(self, image: LabelledImage) -> None:
        """Count one image."""
        self.images += 1
        self.empty += not image.parts
        self.parts.update(part.name for part in image.parts)
        self.small += sum(part.area < SPECKLE for part in image.parts)


def export_run(request: ExportRequest) -> ExportReport:
    """Write the data set.

    Raises:
        InputError: no such format, the folder holds no run or is not to be replaced, the review is of
            another run or accepts nothing, or something cannot be exported; the message says what.
        MissingFileError: an image is not where it is said to be.
        MissingExtraError: the format needs a package that is absent.
        ResourceError: the disk stands in the way.
    """
    form = format_of(request.form)
    run = _finished(request.run)
    report = ExportReport(failed=len(run.failed))
    records, names = _accepted(run, request.review, report), run.names
    placed = names_in_dataset(
        [(record.source, record.name) for record in records], form, copied=request.images is not None
    )
    files = None if request.images is None else _files_of(records, request.images)

    def images(folder: Path) -> Iterator[LabelledImage]:
        for record, name in zip(records, placed, strict=True):
            image = _image_of(run, record, name, request.min_area)
            if files is not None:
                write_in(folder, form.image_path(name), pieces_of(files[record.name]))
            report.add(image)
            yield image

    with appearing(request.output, replace=request.replace) as folder:
        for path, pieces in form.write(images(folder), names):
            write_in(folder, path, pieces)
    return report


def _accepted(run: StoredRun, review: Path | None, report: ExportReport) -> Sequence[Record]:
    """Return the images that a person accepted, all without a review; count the others in the report."""
    if review is None:
        return run.done
    decisions = read_review(review, run.parameters, (*run.done, *run.failed))
    decided = Counter(decisions.get(record.name) for record in run.done)
    report.rejected, report.undecided = decided["reject"], decided[None]
    if not decided["accept"]:
        raise InputError(
            f"No image is accepted in {shown(review)} ({report.rejected} rejected, {report.undecided} "
            "undecided); there is nothing to export."
        )
    return [record for record in run.done if decisions.get(record.name) == "accept"]


def format_of(name: str) -> Format:
    """Return the format of this name, after looking for what it needs.

    Raises:
        InputError: there is none; the message has the nearest.
        MissingExtraError: a package is absent.
    """
    if name not in FORMATS:
        near = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise InputError(f"There is no format {name!r}{hint} There are {', '.join(FORMATS)}.")
    form = FORMATS[name]
    if form.needs is not None:
        require(*form.needs)
    return form


def remove_exports(run: Path) -> None:
    """Delete the data sets that were written as part of a run: what they were made from changes."""
    folder = run / EXPORTS_NAME
    for name in FORMATS:
        if is_dataset(folder / name) and not folder.is_symlink():
            shutil.rmtree(folder / name)


def export_within(run: Path, name: str) -> str:
    """Write the data set of one format as part of a run; return its place below the run's folder."""
    place = f"{EXPORTS_NAME}/{name}"
    export_run(ExportRequest(run, name, run / place, replace=True))
    return f"{place}/"


def require_formats(formats: Sequence[str], images: Sequence[tuple[str, str]]) -> None:
    """Raise before a long run what `export_run` would after it; `images` are as of `names_in_dataset`.

    Raises:
        InputError, MissingExtraError: as `format_of` and `names_in_dataset`.
    """
    for name in formats:
        names_in_dataset(images, format_of(name), copied=False)


def _finished(folder: Path) -> StoredRun:
    """Return a run that has something to export."""
    if not folder.is_dir():
        raise MissingFileError(
            f"There is no folder {shown(folder)}; name the output folder of `radseg segment`."
        )
    run = read_run(folder)
    if not run.done:
        raise InputError(f"No image of the run in {shown(folder)} is finished; there is nothing to export.")
    return run


def names_in_dataset(images: Sequence[tuple[str, str]], form: Format, *, copied: bool) -> list[str]:
    """Return the name of every image in the data set: its path below the source folder where that is unique.

    Sources of several folders may share one; then the folders that tell their outputs apart are put before
    it. What is copied may be called anything, so that output names can tell it apart in the end.

    Args:
        images: of each its path below its source folder and its output name.

    Raises:
        InputError: two images would have one name; the message says which.
    """
    ways = [
        [source for source, _ in images],
        [_below(source, name) for source, name in images],
    ]
    if copied:
        ways.append([f"{name}{PurePosixPath(source).suffix}" for source, name in images])
    key = _stem if form.by_stem or copied else str
    for names in ways:
        if len({key(name).casefold() for name in names}) == len(names):
            return names
    counts = Counter(key(name).casefold() for name in ways[-1])
    same = [name for name in ways[-1] if counts[key(name).casefold()] > 1]
    raise InputError(
        f"Images of this run have the same name in the data set: {listed(same, 4)}. Add --images FOLDER, "
        "which copies them under names that differ, or rename them and run again."
    )


def _below(source: str, name: str) -> str:
    return (PurePosixPath(name).parent / PurePosixPath(source).name).as_posix()


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _files_of(records: Sequence[Record], folder: Path) -> Mapping[str, Path]:
    """Return for every output name the file of its image below a folder, known by name and size in bytes."""
    if not folder.is_dir():
        raise MissingFileError(f"There is no folder {shown(folder)} of images.")
    by_name: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        by_name.setdefault(path.name, []).append(path)
    found, missing = {}, []
    for record in records:
        places = [
            folder / record.source,
            folder / _below(record.source, record.name),
            *by_name.get(PurePosixPath(record.source).name, ()),
        ]
        same = dict.fromkeys(path for path in places if path.is_file() and path.stat().st_size == record.size)
        if same:
            found[record.name] = next(iter(same))
        else:
            missing.append(record.source)
    if missing:
        raise MissingFileError(
            f"{len(missing)} of {len(records)} images are not below {shown(folder)} as they were segmented: "
            f"{listed(missing, 3)}. Name the folder that was given to `radseg segment`."
        )
    return found


def _image_of(run: StoredRun, record: Record, name: str, min_area: int) -> LabelledImage:
    """Return one image with its objects where the run found some, else with the parts of its label map."""
    if run.has("objects", record):
        path = run.file("objects", record)
        value = _our_json(path)
        objects = [one for one in objects_of_json(value) if one.area >= min_area]
        _require_labels(objects, run.names, path)
        height, width = value["size"]
        return LabelledImage(name, (height, width), objects, has_scores=True)
    path = run.file("labels", record)
    labels = read_label_map(path)
    if int(labels.max()) > len(run.names):
        raise InputError(f"{shown(path)} holds the label {labels.max()}; there are {len(run.names)} classes.")
    return LabelledImage(name, (labels.shape[0], labels.shape[1]), parts_of(labels, run.names, min_area))


def _our_json(path: Path) -> dict[str, Any]:
    try:
        value = json_of(bytes_of(path, most=MAX_OBJECTS_BYTES))
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no file {shown(path)}.") from error
    except ValueError as error:
        raise InputError(f"{shown(path)} is damaged: {error}.") from error
    return value if isinstance(value, dict) else {}


def _require_labels(objects: Sequence[ImageObject], names: Sequence[str], path: Path) -> None:
    for one in objects:
        if not 1 <= one.label <= len(names):
            raise InputError(f"{shown(path)} holds the label {one.label}; there are {len(names)} classes.")


def parts_of(labels: LabelMap, names: Sequence[str], min_area: int = 1) -> list[ImageObject]:
    """Return the connected parts of a label map; all of a name of stuff is one part.

    Args:
        min_area: connected pixels of fewer are left out, those of stuff too.
    """
    unknown = np.broadcast_to(np.float32(0), labels.shape)
    if min_area > 1:
        kept = np.zeros_like(labels)
        for one in connected_objects(labels, names, unknown, min_area=min_area, stuff=()):
            kept[one.slices][one.crop] = one.label
        labels = kept
    return connected_objects(labels, names, unknown, min_area=1)
