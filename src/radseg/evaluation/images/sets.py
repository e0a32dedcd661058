"""From a name and a folder to the set of images that is evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radseg.datasets.base import ImageSet
from radseg.datasets.catalog import BENCHMARKS, REGISTERED
from radseg.datasets.colour_table import TABLE, classes_of
from radseg.datasets.folder import CLASS_FILE, open_folder
from radseg.errors import InputError
from radseg.evaluation.images.rooms import ROOMS, Rooms
from radseg.presets.plugins import load_installed
from radseg.text.vocabulary import Vocabulary

FOLDER, MINIATURE = "folder", "miniature"


@dataclass(frozen=True)
class Selection:
    """What decides the set; None is "not given".

    Attributes:
        dataset: a benchmark's name, "folder", "miniature", or a registered one.
        data: the folder; none for the miniature.
        partial: whether fewer images than officially there will do.
        limit: only the first images.
        classes: a class file.
        ignore: labels of a folder that are not judged.
        first_label: label of a folder's first class.
    """

    dataset: str
    data: Path | None = None
    partial: bool = False
    limit: int | None = None
    classes: Path | None = None
    ignore: Sequence[int] | None = None
    first_label: int | None = None


def default_protocol(dataset: str) -> str:
    """Return the protocol for a dataset when none is named."""
    return "mid" if dataset in BENCHMARKS else "own"


def open_set(selection: Selection, *, partial: bool = False) -> ImageSet:
    """Return the set of images; `partial` accepts an incomplete one even if the selection does not.

    Raises:
        InputError: no such dataset, a missing or useless option, or the number of images is not the official.
        MissingFileError: the folder does not hold it.
    """
    load_installed()
    known = (*BENCHMARKS, FOLDER, MINIATURE, *REGISTERED)
    if selection.dataset not in known:
        raise InputError(
            f"There is no dataset {selection.dataset!r}; choose from {', '.join(known)}, or add your own "
            "with --plugin."
        )
    if selection.dataset != FOLDER and (selection.ignore is not None or selection.first_label is not None):
        raise InputError(
            "--ignore and --first-label are for the dataset `folder`; published labels are fixed."
        )
    if selection.dataset == MINIATURE:
        if selection.data is not None:
            raise InputError("The miniature's rooms are rendered; leave --data out.")
        return Rooms(min(selection.limit or ROOMS, ROOMS))
    if selection.dataset in REGISTERED:
        return REGISTERED[selection.dataset](selection.data)
    if selection.data is None:
        raise InputError(f"Where is the dataset? Add --data FOLDER. {_source(selection.dataset)}")
    if selection.dataset in BENCHMARKS:
        return BENCHMARKS[selection.dataset].open(selection.data, partial=partial or selection.partial)
    names = _folder_vocabulary(selection, selection.data).names
    first = selection.first_label or 0
    return open_folder(selection.data, names, ignore=selection.ignore or (), first_label=first)


def vocabulary_of(selection: Selection) -> Vocabulary | None:
    """Return the names to ask for where they are not the protocol's: a class file, synonyms included."""
    if selection.dataset == FOLDER and selection.data is not None:
        return _folder_vocabulary(selection, selection.data)
    return None if selection.classes is None else Vocabulary.read(selection.classes)


def shortfall(selection: Selection) -> tuple[str, ...]:
    """Return, in a sentence, how many images a published dataset lacks; nothing if none."""
    if selection.dataset not in BENCHMARKS or selection.data is None:
        return ()
    benchmark = BENCHMARKS[selection.dataset]
    found = len(benchmark.items_of(benchmark.root(selection.data)))
    if found == benchmark.images:
        return ()
    return (f"{found} images, officially {benchmark.images}. {_source(selection.dataset)}",)


def _folder_vocabulary(selection: Selection, data: Path) -> Vocabulary:
    """Return the names of a class file, or else of a table of colours."""
    if selection.classes is None and not (data / CLASS_FILE).exists() and (data / TABLE).is_file():
        return Vocabulary.parse(classes_of(data / TABLE))
    return Vocabulary.read(selection.classes or data / CLASS_FILE)


def _source(dataset: str) -> str:
    return f"Get it: {BENCHMARKS[dataset].source}." if dataset in BENCHMARKS else ""
