"""Benchmark: the facts of a published dataset, and how its folder becomes an ImageSet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from radseg.datasets.base import FileSet, Item, LabelCode
from radseg.errors import InputError, MissingFileError
from radseg.files import bytes_of, lines_of, shown, text_of


@dataclass(frozen=True)
class Benchmark:
    """One dataset with a fixed set of images and classes.

    Attributes:
        name: as typed.
        title: as people call it.
        split: the part that is evaluated.
        images: how many that part has, officially.
        roots: where its top folder may lie below the folder a person names.
        needs: what the top folder must hold, relative to it: of each group any one.
        source: where the files come from, in words.
        items_of: lists the items of a top folder.
        code_of: see FileSet.
    """

    name: str
    title: str
    split: str
    images: int
    roots: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]
    source: str
    items_of: Callable[[Path], tuple[Item, ...]]
    code_of: Callable[[Path], LabelCode]

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in mmsegmentation's spelling and order."""
        return class_names(self.name)

    def open(self, data: Path, *, partial: bool = False) -> FileSet:
        """Return the images below `data`.

        Args:
            data: the dataset's top folder, or one above it.
            partial: whether fewer images than the official number will do; the split then says so.

        Raises:
            MissingFileError: the folder does not hold the dataset; says what is missing and where to get it.
            InputError: the number of images is not the official one.
        """
        items = self.items_of(self.root(data))
        split = self.split
        if len(items) != self.images:
            if not partial or not items:
                raise InputError(
                    f"{self.title} {self.split} has {self.images} images, {data} lists {len(items)}. "
                    f"Complete it ({self.source}), or evaluate what is there with --partial."
                )
            split = f"{self.split} ({len(items)} of {self.images} images)"
        return FileSet(self.name, split, self.names, items, self.code_of)

    def root(self, data: Path) -> Path:
        """Return the top folder of the dataset at or below `data`; raises as `open`."""
        lacking = {data / root: self._lacking(data / root) for root in self.roots}
        nearest = min(lacking, key=lambda root: len(lacking[root]))
        if not lacking[nearest]:
            return nearest
        missing = ", ".join(" or ".join(group) for group in lacking[nearest])
        raise MissingFileError(
            f"{data} does not hold {self.title}: there is no {missing} in {nearest}. Get it: {self.source}."
        )

    def _lacking(self, root: Path) -> list[tuple[str, ...]]:
        return [group for group in self.needs if not any((root / name).exists() for name in group)]


def class_names(name: str) -> tuple[str, ...]:
    """Return the class list of a benchmark, in the order of its indices."""
    return tuple((files("radseg.datasets") / "names" / f"{name}.txt").read_text("utf-8").splitlines())


def listed(path: Path) -> tuple[str, ...]:
    """Return the ids of a split file such as `val.txt`, one a line.

    Raises:
        InputError: it is not text.
    """
    try:
        lines = [line.strip() for line in lines_of(text_of(bytes_of(path)))]
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not a list of names: {error}.") from error
    return tuple(dict.fromkeys(line for line in lines if line))


def paired(images: Iterable[Path], labels_of: Callable[[Path], Sequence[Path]]) -> tuple[Item, ...]:
    """Return one item per image, by name; of the files its labels may be in, the first that exists.

    Hidden files are left out: macOS keeps a `._name.jpg` beside each image on other people's disks.
    """
    items = []
    for image in sorted(image for image in images if not image.name.startswith(".")):
        candidates = labels_of(image)
        found = next((path for path in candidates if path.is_file()), candidates[0])
        items.append(Item(image.stem, image, found))
    return tuple(items)
