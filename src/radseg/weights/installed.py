"""Which weights are on this machine, and whether they are still what they were when they came."""

from pathlib import Path
from typing import NamedTuple

from radseg.errors import MissingFileError
from radseg.files import bytes_of
from radseg.weights import catalog, home
from radseg.weights.home import converted_folder, model_folder, read_records
from radseg.weights.options import DownloadOptions
from radseg.weights.shards import index_of, shards_of

CONVERTED = "converted"  # origin of a file made from a row's published ones


class Installed(NamedTuple):
    """A catalogue row's files on this machine."""

    row: catalog.Row
    files: tuple[Path, ...]
    bytes: int


def is_cached(row: catalog.Row) -> bool:
    """Return whether a row can be loaded without the network: from the store, or another program's cache."""
    return bool(stored(row) or conversions(row) or files_here(row))


def installed() -> tuple[Installed, ...]:
    """Return the catalogue rows that can be loaded without the network, with their files."""
    found = []
    for row in catalog.ROWS:
        files = stored(row) or files_here(row)
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
            path = next((p for p in files_here(row) if p.name == record.file), path)
        if not path.is_file() and (made or converted):
            continue
        expected = row.sha256 if row.sha256 and record.file == row.file else record.sha256
        found = home.sha256_of(path) if path.is_file() else "missing"
        checks.append(Check(path, found == expected, found, expected))
    return tuple(checks)


def stored(row: catalog.Row) -> tuple[Path, ...]:
    """Return the files in a row's folder, if none that is needed is missing."""
    folder = model_folder(row.name)
    names = row.files[:1] if row.stored or row.kind == "text" else row.candidates
    complete = all((folder / name).is_file() for name in row.beside)
    if not complete or not any(_holds(folder, name) for name in names):
        return ()
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return tuple(p for p in files if p.name != "record.json")


def _holds(folder: Path, name: str) -> bool:
    """Whether a folder has weights of that name, or all their shards."""
    index = index_of(name)
    if (folder / name).is_file() or index is None or not (folder / index).is_file():
        return (folder / name).is_file()
    shards = shards_of(bytes_of(folder / index), index, lambda _: True)
    return all((folder / shard).is_file() for shard in shards)


def conversions(row: catalog.Row) -> tuple[Path, ...]:
    """Return what was made from a row's published files, so that these are needed no more."""
    made = [r.file for r in read_records(row.name).values() if r.origin == CONVERTED]
    return tuple(path for name in made if (path := converted_folder() / name).is_file())


def files_here(row: catalog.Row) -> tuple[Path, ...]:
    """Return the published files that a row can be made of without the network, wherever they lie: the hub
    client's cache, its own folder, or torch.hub's where a known digest says what they are."""
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published(row, DownloadOptions())
    weights, beside = published.weights_here(), [published.local(name) for name in row.beside]
    words = [found for name in row.one_of if (found := published.local(name)) is not None]
    lacking = None in beside and not row.activation  # with it, the catalogue can write config.json
    if not weights or lacking or (row.one_of and not words):
        return ()
    return (*weights, *(path for path in beside if path is not None), *words)
