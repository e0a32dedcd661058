"""The folder on this machine where weights are kept, and the notes about them. No torch, no network."""

import contextlib
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radseg.errors import MissingFileError, ResourceError

_PIECE = 4 * 1024 * 1024  # bytes


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
        file: its name in the model's folder.
        sha256: of its content, as it was verified or, for parts read by range, as it was written.
        bytes: its length.
        origin: address and revision it came from, or "placed by hand".
        verified: what the digest was compared with: "pinned", "hub", "none".
    """

    file: str
    sha256: str
    bytes: int
    origin: str
    verified: str


def read_records(name: str) -> dict[str, FileRecord]:
    """Return what is written down about a model's files, by file name; empty if nothing or unreadable."""
    try:
        listed = json.loads((model_folder(name) / "record.json").read_text(encoding="utf-8"))
        return {entry["file"]: FileRecord(**entry) for entry in listed["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_record(name: str, record: FileRecord) -> None:
    """Add or replace the note about one file of a model."""
    records = read_records(name) | {record.file: record}
    content = {"name": name, "files": [asdict(r) for r in records.values()]}
    write_json(model_folder(name) / "record.json", content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small table in one step.

    Raises:
        ResourceError: the folder cannot be written.
    """
    write_whole(path, json.dumps(content, indent=1, sort_keys=True).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file in one step. Raises ResourceError as `write_json`."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise ResourceError(f"Cannot write {path}: {reason}. Set RADSEG_HOME to another folder.") from error
    finally:
        discard(part)


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
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def remembered_sha256(path: Path) -> str:
    """Return the sha256 of a file, from an earlier note if length and time of change are unchanged."""
    where, state = str(path.resolve()), path.stat()
    stamp = [where, state.st_size, state.st_mtime_ns]
    note = home() / "stamps" / f"{hashlib.sha256(where.encode()).hexdigest()[:24]}.json"
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["stamp"] == stamp:
            return str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = sha256_of(path)
    # only saves time; a store on a read-only disk is still of use
    with contextlib.suppress(ResourceError):
        write_json(note, {"stamp": stamp, "sha256": digest})
    return digest
