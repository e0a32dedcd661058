"""The zip archive `torch.save` writes: its structure and checksums checked, its tensors mapped, not unpacked.

What torch itself would accept is wider; a published checkpoint never needs more than this.
"""

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from radseg.errors import CheckpointError, MissingFileError
from radseg.weights.convert.pickles import read_pickle, require_read

_ENCRYPTED = 0x1


def read_checkpoint(path: Path) -> Any:
    """Return what a checkpoint holds: plain data and tensors that are views of the file (see `read_pickle`).

    Raises:
        MissingFileError: there is no such file.
        UnsafeCheckpointError: a pickle that wants more than tensors and plain values.
        CheckpointError: the file is damaged.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}.")
    _require_zip(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
            if (bad := archive.testzip()) is not None:
                raise _damaged(path, f"{bad!r:.100} does not match its checksum or the directory")
            (pickled,) = [n for n in members if n.split("/")[1:] == ["data.pkl"]]
            root = pickled.removesuffix("data.pkl")
            if f"{root}byteorder" in members and archive.read(f"{root}byteorder") != b"little":
                raise CheckpointError(f"{path.name} was written on a big-endian machine; that is not read.")
            data = archive.read(pickled)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(path, f"it has no readable directory at its end, {error}") from error
    mapped = torch.from_file(str(path), shared=False, size=path.stat().st_size, dtype=torch.uint8)

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        info = members.get(f"{root}data/{key}")
        if info is None or info.file_size != count * dtype.itemsize:
            found = "is missing" if info is None else f"has {info.file_size} bytes"
            raise CheckpointError(
                f"{path.name}: storage {key[:40]!r} {found}; {count} × {dtype} are needed. The file is "
                "damaged; fetch it again."
            )
        return _numbers(mapped, info, dtype)

    return require_read(read_pickle(data, file=path.name, storage=storage), "its content", path.name)


def _numbers(mapped: Tensor, info: zipfile.ZipInfo, dtype: torch.dtype) -> Tensor:
    """Return a stored member's values as a flat view of the file."""
    head = info.header_offset
    name, extra = struct.unpack("<HH", bytes(mapped[head + 26 : head + 30].tolist()))
    start = head + 30 + name + extra
    raw = mapped[start : start + info.file_size]
    return (raw.clone() if start % dtype.itemsize else raw).view(dtype)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by name after checking what the directory says of them."""
    infos = archive.infolist()
    for info in infos:
        name = info.orig_filename
        if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
            raise _damaged(path, f"a member's name, {name!r:.100}, leads out of the archive")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise _damaged(path, f"{name!r:.100} is compressed, which torch.save never does")
        if info.flag_bits & _ENCRYPTED:
            raise _damaged(path, f"{name!r:.100} is encrypted")
    if sum(info.file_size for info in infos) > path.stat().st_size:
        raise _damaged(path, "its members overlap, or one claims more bytes than there are")
    members = {info.orig_filename: info for info in infos}
    if len(members) != len(infos):
        raise _damaged(path, "a name occurs twice in it")
    if sum(name.split("/")[1:] == ["data.pkl"] for name in members) != 1:
        raise CheckpointError(
            f"{path.name} is a zip archive but not one that torch.save wrote (no data.pkl inside)."
        )
    return members


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path.name} is not a sound checkpoint archive: {why}. Fetch it again.")


def _require_zip(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise CheckpointError(f"{path.name} is empty (0 bytes). Fetch it again.")
    if not head.startswith(b"PK\x03\x04"):
        kind, way_out = _what_else(head)
        raise CheckpointError(f"{path.name} is not a torch checkpoint archive but {kind}. {way_out}")


def _what_else(head: bytes) -> tuple[str, str]:
    current = "It is not opened. Use the publisher's current file, or a safetensors version."
    again = "Fetch the published file again."
    for begin, kind, way_out in (
        (b"\x80", "a bare or pre-2020 pickle", current),
        (b"<", "a web page", f"The download saved an error page. {again}"),
        (b"version https://git-lfs", "a git-lfs pointer", "Run `git lfs pull`, or fetch the file itself."),
        (b"\x1f\x8b", "a gzip file", "Unpack it first."),
    ):
        if head.lstrip(b"\r\n\t ").startswith(begin):
            return kind, way_out
    if head[257:262] == b"ustar":
        return "a tar archive (torch before 0.4)", current
    return f"something that begins with {head[:8]!r}", again
