"""What a run reads: files, folders, globs and list files become one ordered list of images.

Paths only: nothing is opened but list files, nothing is decoded. Output names are given in `naming`.
"""

# ruff: noqa: PTH112, PTH113 - those of pathlib raise where a name is too long; a name that cannot be is no folder

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radseg.errors import InputError, MissingFileError
from radseg.files import given_or_piped_bytes, is_pipe, lines_of, text_of
from radseg.jobs.manifest import holds_run

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"}
    | {".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx"}
)
"""Suffixes taken from folders and globs. A file named on its own is taken whatever its suffix."""


@dataclass(frozen=True)
class SourceImage:
    """One image to read, and the folder that its output name and its record are relative to."""

    path: Path
    root: Path

    @property
    def below(self) -> str:
        """Its path below the root, with forward slashes; its name where it does not lie there."""
        inside = Path(os.path.relpath(self.path, self.root))
        return self.path.name if ".." in inside.parts else inside.as_posix()


@dataclass(frozen=True)
class Sources:
    """The images of a run in order, and what was left out.

    Attributes:
        images: each file once, in the order given, folders sorted by path.
        skipped: files in folders or globs that are hidden or have no image suffix, and links to folders.
        repeated: how often a file was named that was in the list already.
        earlier_outputs: folders left out because they hold the results of a run.
    """

    images: tuple[SourceImage, ...]
    skipped: tuple[Path, ...] = ()
    repeated: int = 0
    earlier_outputs: tuple[Path, ...] = ()


def collect(sources: Sequence[str], *, exclude: Sequence[Path] = ()) -> Sources:
    """Return the images named by files, folders (with all their subfolders), globs, and list files.

    A list file is `@any-name` or a name ending in .txt: one file or folder a line, `#` starts a comment line,
    relative paths count from the list's own folder. Its missing files stay in the run and fail there. `@-` is
    standard input and `@<(…)` a pipe of a shell; their paths count from the current folder.

    Args:
        sources: as typed by a person.
        exclude: folders not to be searched, such as the output folder of this run.

    Raises:
        MissingFileError: a source does not exist or a glob matches nothing.
        InputError: there is no image in all the sources, or one is an address of the web.
    """
    search = _Search(exclude={_absolute(folder) for folder in exclude})
    for source in sources:
        search.add(source)
    if not search.images:
        looked = f"; {len(search.skipped)} other files are there" if search.skipped else ""
        if search.earlier_outputs:
            looked += f"; {search.earlier_outputs[0]} holds the results of a run and is not searched"
        raise InputError(
            f"No image in {', '.join(sources) or 'an empty list of sources'}{looked}. "
            f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}."
        )
    return Sources(
        tuple(search.images.values()), tuple(search.skipped), search.repeated, tuple(search.earlier_outputs)
    )


class _Search:
    """The state of one search: what was found so far."""

    def __init__(self, exclude: set[Path]) -> None:
        self.exclude = exclude
        self.images: dict[Path, SourceImage] = {}
        self.skipped: list[Path] = []
        self.repeated = 0
        self.earlier_outputs: list[Path] = []

    def add(self, source: str) -> None:
        """Add everything one source names."""
        path = Path(source)
        if "\0" in source:
            raise InputError(f"The source {source!r} contains a NUL character; no file can have that name.")
        if source.startswith("@") and not os.path.lexists(path):
            self._add_list(Path(source[1:]))
        elif os.path.isdir(path):
            self._add_folder(path)
        elif os.path.isfile(path) and path.suffix.lower() == ".txt":
            self._add_list(path)
        elif os.path.lexists(path):
            self._take(path, path.parent)
        elif glob.has_magic(source) and "://" not in source:
            self._add_glob(source)
        elif "://" in source:
            raise InputError(
                f"{source} is an address, and only https:// is fetched: download it first, as with curl -O."
            )
        else:
            raise MissingFileError(f"There is no file or folder {source}.")

    def _add_list(self, path: Path) -> None:
        try:
            lines = lines_of(text_of(given_or_piped_bytes(path, "list file")))
        except UnicodeDecodeError as error:
            raise InputError(f"The list file {path} cannot be read: {error}.") from error
        folder = Path() if is_pipe(path) else path.parent
        for line in (line.strip() for line in lines):
            if not line or line.startswith("#"):
                continue
            if "\0" in line:
                raise InputError(f"The list file {path} contains a NUL character; it is not a list of paths.")
            entry = folder / line
            if os.path.isdir(entry):
                self._add_folder(entry)
            else:
                inside = not Path(line).is_absolute() and ".." not in Path(line).parts
                self._take(entry, folder if inside else entry.parent)

    def _add_glob(self, pattern: str) -> None:
        matches = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207
        if not matches:
            raise MissingFileError(f"Nothing matches {pattern}.")
        root = _fixed_part(pattern)
        for match in matches:
            if os.path.isfile(match):
                self._take_if_image(match, root)
            elif "**" not in pattern:  # there `**` lists folders beside their files
                self._add_folder(match)

    def _add_folder(self, folder: Path) -> None:
        if _absolute(folder) in self.exclude:
            raise InputError(f"{folder} is a source and the output folder. Choose another folder with -o.")
        for path in self._walk(folder):
            self._take_if_image(path, folder)

    def _walk(self, folder: Path) -> Iterator[Path]:
        for parent, folders, files in os.walk(folder):
            here = Path(parent)
            if _absolute(here) in self.exclude or holds_run(here):
                self.earlier_outputs.append(here)
                folders.clear()
                continue
            links = [name for name in folders if (here / name).is_symlink()]  # could loop, or lead anywhere
            self.skipped += [here / name for name in links]
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in links)
            yield from (here / name for name in sorted(files))

    def _take_if_image(self, path: Path, root: Path) -> None:
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            self._take(path, root)
        else:
            self.skipped.append(path)

    def _take(self, path: Path, root: Path) -> None:
        key = _absolute(path)
        if key in self.images:
            self.repeated += 1
        else:
            self.images[key] = SourceImage(path, root)


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - lexical on purpose: a link keeps its own name


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    fixed = [part for index, part in enumerate(parts) if not glob.has_magic("".join(parts[: index + 1]))]
    return Path(*fixed) if fixed else Path()
