"""The folder on this machine where weights are kept, and the notes about them. No torch, no network."""

import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radseg.errors import MissingFileError, RadsegError, ResourceError
from radseg.files import json_of, sync_folder


def home() -> Path:
    """Return the folder for everything radseg keeps: $RADSEG_HOME, else the platform's cache folder."""
    given = os.environ.get("RADSEG_HOME")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "radseg"


def model_folder(name: str) -> Path:
    """Return the folder of a catalogue row's files."""
    return home() / "models" / name


def converted_folder() -> Path:
    """Return the folder of converted files."""
    return home() / "converted"


@dataclass(frozen=True)
class FileRecord:
    """What was known about a file when it came.

    Attributes:
        file: its name in the model's folder, or in the folder of converted files.
        sha256: of its content, as it was verified or, where nothing was to compare with, as it was written.
        bytes: its length.
        origin: address and revision it came from, "placed by hand", "hub cache", "torch hub", "catalogue", or
            "converted".
        verified: what the digest was compared with: "pinned", "hub", "none".
        kept: a person asked to keep it beside what is made of it.
    """

    file: str
    sha256: str
    bytes: int
    origin: str
    verified: str
    kept: bool = False


def read_records(name: str) -> dict[str, FileRecord]:
    """Return what is written down about a model's files, by file name; empty if nothing or unreadable."""
    try:
        listed = json_of((model_folder(name) / "record.json").read_text(encoding="utf-8"))
        return {entry["file"]: FileRecord(**entry) for entry in listed["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_record(name: str, record: FileRecord) -> None:
    """Add or replace the note about one file of a model."""
    _write_records(name, read_records(name) | {record.file: record})


def forget_record(name: str, file: str) -> None:
    """Remove the note about a file of a model that is needed no more."""
    _write_records(name, {key: record for key, record in read_records(name).items() if key != file})


def _write_records(name: str, records: Mapping[str, FileRecord]) -> None:
    content = {"name": name, "files": [asdict(r) for r in records.values()]}
    _write_json(model_folder(name) / "record.json", content)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as part:
        part.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a name beside `target`; what is written there takes its place when the block ends well.

    Raises:
        ResourceError: the folder cannot be written or the disk is full.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    with writing(target):
        try:
            part.touch()
            mode = (
                part.stat().st_mode
            )  # what others may do: safetensors makes files only their owner can read
            yield part
            part.chmod(mode)
            with part.open("r+b") as file:
                os.fsync(file.fileno())
            part.replace(target)
            sync_folder(target.parent)
        finally:
            discard(part)


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make the folder of `target`; inside, what the disk refuses is said in one line.

    Raises:
        ResourceError: the folder cannot be written or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if isinstance(error, RadsegError) or error.errno is None:
            raise
        raise ResourceError(
            f"Cannot write {target}: {error.strerror or error}. Set RADSEG_HOME to another folder."
        ) from error


def discard(path: Path) -> None:
    """Remove a file if it is there; never fail, so that the error that led here is the one that is seen."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file's content.

    Raises:
        MissingFileError: there is no such file.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity_of(files: Sequence[Path]) -> str:
    """Return the sha256 of weights: of their file, or of its shards' digests one after the other."""
    digests = [remembered_sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def remembered_sha256(path: Path) -> str:
    """Return the sha256 of a file, from an earlier note if length and time of change are unchanged."""
    where, state = str(path.resolve()), path.stat()
    stamp = [where, state.st_size, state.st_mtime_ns]
    note = home() / "stamps" / f"{hashlib.sha256(where.encode()).hexdigest()[:24]}.json"
    try:
        kept = json_of(note.read_text(encoding="utf-8"))
        if kept["stamp"] == stamp:
            return str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = sha256_of(path)
    # only saves time; a store on a read-only disk is still of use
    with contextlib.suppress(ResourceError):
        _write_json(note, {"stamp": stamp, "sha256": digest})
    return digest
