"""The identity of a text tower: a hash of everything in its folder that decides an embedding."""

import contextlib
import hashlib
import json
from pathlib import Path

from radseg.errors import MissingFileError, ResourceError
from radseg.files import json_of, write_bytes

_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_MEMO = "identity.json"


def tower_identity(folder: Path) -> str:
    """Return a hash of the files of a text tower; part of the name of every cached embedding.

    Hashing gigabytes takes seconds, so the result is kept in the folder beside them, with the sizes and times
    it is valid for. In a folder that cannot be written it is computed each time.

    Raises:
        MissingFileError: the folder lacks a file.
    """
    files = [folder / name for name in _FILES]
    for file in files:
        if not file.is_file():
            raise MissingFileError(f"The text tower's {file} does not exist. Fetch it: radseg models pull …")
    seen = [[file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    memo = folder / _MEMO
    remembered = _remembered(memo, seen)
    if remembered:
        return remembered
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    identity = digest.hexdigest()
    with contextlib.suppress(ResourceError):
        write_bytes(memo, json.dumps({"files": seen, "identity": identity}).encode(), durable=False)
    return identity


def _remembered(memo: Path, seen: list[list[int]]) -> str:
    try:
        note = json_of(memo.read_text(encoding="utf-8"))
        return str(note["identity"]) if note["files"] == seen else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
