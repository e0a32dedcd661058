"""A run as it lies on the disk: what its label values mean, and which files each image has.

Whoever reads a run's folder reads it here: the folder may be anybody's, so every value is checked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radseg.errors import InputError
from radseg.files import given_bytes, json_of, shown
from radseg.io.formats.classes import CLASSES_FORMAT
from radseg.jobs.manifest import MANIFEST_NAME, Record, read_manifest
from radseg.jobs.naming import inside
from radseg.runs.outputs import CLASSES_NAME, Kind, place_of


@dataclass(frozen=True)
class StoredRun:
    """A run in its folder.

    Attributes:
        names: the class names; name i is label i + 1 in the masks, 0 is none.
        parameters: what decided the results; see `runs.segmentation.parameters_of`.
        roots: the folders of the images by the marks that records have; empty unless paths were kept.
        done: the images that were done, by their output name; `Record.source` is the path below the source.
        failed: those that were not, with the reason.
    """

    folder: Path
    names: tuple[str, ...]
    parameters: Mapping[str, Any]
    roots: Mapping[str, str]
    done: tuple[Record, ...]
    failed: tuple[Record, ...]

    def has(self, kind: Kind, record: Record) -> bool:
        """Return whether the run stored this kind of file for an image."""
        return place_of(kind, record.name) in record.outputs

    def file(self, kind: Kind, record: Record) -> Path:
        """Return the path of a file of an image, such as its label map ("labels") or its objects.

        Raises:
            InputError: the run did not store it, or a link leads out of the folder.
        """
        if not self.has(kind, record):
            raise InputError(
                f"The run {shown(self.folder)} has no {kind} of {shown(record.name)}. "
                f"Add {kind} to its --save and continue it with --resume."
            )
        return inside(self.folder, place_of(kind, record.name))


def read_run(folder: Path) -> StoredRun:
    """Return what lies in the output folder of a run; no image and no label map is opened.

    Raises:
        InputError: it is no run's folder, or its classes are not as radseg writes them.
        MissingFileError: its classes.json is gone.
        ResourceError: its manifest is damaged or cannot be read.
    """
    history = read_manifest(folder / MANIFEST_NAME)
    if history is None:
        raise InputError(
            f"{shown(folder)} holds no run: there is no {MANIFEST_NAME}. Name the -o of a `radseg segment`."
        )
    path = folder / CLASSES_NAME
    content = given_bytes(path, "file of classes")
    try:
        names, roots = _classes_of(json_of(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{shown(path)} is not one that radseg wrote ({error}).") from error
    records = sorted(history.records.values(), key=lambda record: record.name)
    done, failed = (
        [one for one in records if (one.status == "done") is is_done] for is_done in (True, False)
    )
    return StoredRun(folder, names, history.parameters, roots, tuple(done), tuple(failed))


def _classes_of(raw: Any) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the names in order and the roots; ValueError, TypeError or KeyError where it is none of ours."""
    if raw["format"] != CLASSES_FORMAT:
        raise ValueError(f"its format is not {CLASSES_FORMAT}")
    entries, roots = raw["classes"], raw.get("roots", {})
    if [one["id"] for one in entries] != list(range(1, len(entries) + 1)):
        raise ValueError("its ids do not count from 1")
    if not all(isinstance(text, str) for text in (*(one["name"] for one in entries), *roots.values())):
        raise TypeError("a name or a root is no text")
    return tuple(one["name"] for one in entries), roots
