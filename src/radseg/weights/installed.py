"""Which weights are on this machine, and whether they are still what they were when they came."""

from pathlib import Path
from typing import NamedTuple

from radseg.errors import MissingFileError
from radseg.weights import catalog, home
from radseg.weights.home import converted_folder, model_folder, read_records
from radseg.weights.options import DownloadOptions

CONVERTED = "converted"  # origin of a file made from a row's published ones


class Installed(NamedTuple):
    """A catalogue row's files on this machine."""

    row: catalog.Row
    files: tuple[Path, ...]
    bytes: int


def is_cached(row: catalog.Row) -> bool:
    """Return whether a row can be loaded without the network: from the store, or the hub client's cache."""
    return bool(stored(row) or conversions(row) or in_hub_cache(row))


def installed() -> tuple[Installed, ...]:
    """Return the catalogue rows that can be loaded without the network, with their files."""
    found = []
    for row in catalog.ROWS:
        files = stored(row) or in_hub_cache(row)
        files = tuple(dict.fromkeys((*files, *conversions(row))))
        if files:
            found.append(Installed(row, files, sum(file.stat().st_size for file in files)))
    return tuple(found)


class Check(NamedTuple):
    """The outcome of verifying one file."""

    path: Path
    ok: bool
    found: str
    expected: str


def verify(row: catalog.Row) -> tuple[Check, ...]:
    """Return, for each file of a catalogue row on this machine, whether its content is what was recorded.

    A published file that was deleted after its conversion is not missed.

    Raises:
        MissingFileError: nothing of it is on this machine.
    """
    records = read_records(row.name)
    if not records:
        raise MissingFileError(
            f"{row.name} is not in {model_folder(row.name)}. `radseg models pull {row.name}`"
        )
    converted = conversions(row)
    checks = []
    for record in records.values():
        made = record.origin == CONVERTED
        path = (converted_folder() if made else model_folder(row.name)) / record.file
        if not path.is_file() and not made:
            path = next((p for p in in_hub_cache(row) if p.name == record.file), path)
        if not path.is_file() and (made or converted):
            continue
        expected = row.sha256 if row.sha256 and record.file == row.file else record.sha256
        found = home.sha256_of(path) if path.is_file() else "missing"
        checks.append(Check(path, found == expected, found, expected))
    return tuple(checks)


def stored(row: catalog.Row) -> tuple[Path, ...]:
    """Return the files in a row's folder, if none that is needed is missing."""
    folder = model_folder(row.name)
    if not all((folder / name).is_file() for name in row.files):
        return ()
    names = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return tuple(p for p in names if p.name != "record.json")


def conversions(row: catalog.Row) -> tuple[Path, ...]:
    """Return what was made from a row's published files, so that these are needed no more."""
    made = [r.file for r in read_records(row.name).values() if r.origin == CONVERTED]
    return tuple(path for name in made if (path := converted_folder() / name).is_file())


def in_hub_cache(row: catalog.Row) -> tuple[Path, ...]:
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published(row, DownloadOptions())
    weights, beside = published.weights(), [published.local(name) for name in row.beside]
    words = [found for name in row.one_of if (found := published.local(name)) is not None]
    if not weights or None in beside or (row.one_of and not words):
        return ()
    return (*weights, *(path for path in beside if path is not None), *words)
