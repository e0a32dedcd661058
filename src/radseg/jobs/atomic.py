"""Files that appear whole or not at all: written under another name, synced to disk, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from radseg.errors import ResourceError

STAGING = ".radseg-partial"
"""Folder inside the output folder where files grow; emptied when a run starts and when it ends."""


def write_whole(folder: Path, target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file in the staging folder of `folder`, then put it at `target` in one step.

    Whatever was at `target` (a link too) is replaced, never written through.

    Raises:
        OSError: the disk is full or not writable; `target` is then as it was.
    """
    staging = folder / STAGING
    if staging.is_symlink():
        raise ResourceError(f"{staging} is a link; it must be a folder. Remove it.")
    staging.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=staging, suffix=target.suffix)
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(_ordinary_mode())
        _sync(partial)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.replace(target)
        from radseg.io.writing import sync_folder  # noqa: PLC0415 - `radseg.io` loads numpy

        sync_folder(target.parent)
    finally:
        partial.unlink(missing_ok=True)


def clear_staging(folder: Path) -> None:
    """Remove what an interrupted run left half written."""
    staging = folder / STAGING
    if staging.is_symlink():
        staging.unlink()
    elif staging.exists():
        shutil.rmtree(staging)


def _ordinary_mode() -> int:
    """Return the mode a plain `open` would give (mkstemp makes files only their owner can read)."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
