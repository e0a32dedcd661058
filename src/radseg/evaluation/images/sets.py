"""From a name and a folder to the set of images that is evaluated."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from radseg.datasets.base import ImageSet
from radseg.datasets.catalog import BENCHMARKS, REGISTERED
from radseg.datasets.folder import CLASS_FILE, open_folder
from radseg.errors import InputError
from radseg.evaluation.images.rooms import ROOMS, Rooms
from radseg.presets.plugins import load_installed
from radseg.text.vocabulary import Vocabulary

FOLDER, MINIATURE = "folder", "miniature"


class Choice(Protocol):
    """What decides the set; the command line's options are one."""

    @property
    def dataset(self) -> str:
        """A benchmark's name, "folder" or "miniature"."""
        ...

    @property
    def data(self) -> Path | None:
        """The folder; none for the miniature."""
        ...

    @property
    def partial(self) -> bool:
        """Whether fewer images than officially there will do."""
        ...

    @property
    def limit(self) -> int | None:
        """Only the first images."""
        ...

    @property
    def classes(self) -> Path | None:
        """A class file."""
        ...

    @property
    def ignore(self) -> Sequence[int] | None:
        """Labels of a folder that are not judged."""
        ...

    @property
    def first_label(self) -> int | None:
        """Label of a folder's first class."""
        ...


def default_protocol(dataset: str) -> str:
    """Return the protocol for a dataset when none is named."""
    return "mid" if dataset in BENCHMARKS else "own"


def open_set(choice: Choice, *, partial: bool = False) -> ImageSet:
    """Return the set of images; `partial` accepts an incomplete one even if the choice does not.

    Raises:
        InputError: no such dataset, a missing or useless option, or the number of images is not the official.
        MissingFileError: the folder does not hold it.
    """
    load_installed()
    known = (*BENCHMARKS, FOLDER, MINIATURE, *REGISTERED)
    if choice.dataset not in known:
        raise InputError(
            f"There is no dataset {choice.dataset!r}; choose from {', '.join(known)}, or add your own with "
            "--plugin."
        )
    if choice.dataset != FOLDER and (choice.ignore is not None or choice.first_label is not None):
        raise InputError(
            "--ignore and --first-label are for the dataset `folder`; published labels are fixed."
        )
    if choice.dataset == MINIATURE:
        if choice.data is not None:
            raise InputError("The miniature's rooms are rendered; leave --data out.")
        return Rooms(min(choice.limit or ROOMS, ROOMS))
    if choice.dataset in REGISTERED:
        return REGISTERED[choice.dataset](choice.data)
    if choice.data is None:
        raise InputError(f"Where is the dataset? Add --data FOLDER. {_source(choice.dataset)}")
    if choice.dataset in BENCHMARKS:
        return BENCHMARKS[choice.dataset].open(choice.data, partial=partial or choice.partial)
    names = _folder_vocabulary(choice, choice.data).names
    return open_folder(choice.data, names, ignore=choice.ignore or (), first_label=choice.first_label or 0)


def vocabulary_of(choice: Choice) -> Vocabulary | None:
    """Return the names to ask for where they are not the protocol's: a class file, synonyms included."""
    if choice.dataset == FOLDER and choice.data is not None:
        return _folder_vocabulary(choice, choice.data)
    return None if choice.classes is None else Vocabulary.read(choice.classes)


def shortfall(choice: Choice) -> tuple[str, ...]:
    """Return, in a sentence, how many images a published dataset lacks; nothing if none."""
    if choice.dataset not in BENCHMARKS or choice.data is None:
        return ()
    benchmark = BENCHMARKS[choice.dataset]
    found = len(benchmark.items_of(benchmark.root(choice.data)))
    if found == benchmark.images:
        return ()
    return (f"{found} images, officially {benchmark.images}. {_source(choice.dataset)}",)


def _folder_vocabulary(choice: Choice, data: Path) -> Vocabulary:
    return Vocabulary.read(choice.classes or data / CLASS_FILE)


def _source(dataset: str) -> str:
    return f"Get it: {BENCHMARKS[dataset].source}." if dataset in BENCHMARKS else ""
