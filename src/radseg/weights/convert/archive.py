"""The zip archive `torch.save` writes: its structure checked, its members read by position, never unpacked.

What torch itself would accept is wider; a published checkpoint never needs more than this.
"""

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from radseg.errors import CheckpointError
from radseg.weights.convert.pickles import TensorRef, read_pickle
from radseg.weights.lazy import LazyTensor, decode
from radseg.weights.ranges import PrefetchedSource, RangeSource, SourceReader

_LOCAL_HEADER = 30  # bytes before the name in a member's own header
_TAIL = 256 * 1024  # bytes read ahead from the end: the directory of a few thousand members
_ENCRYPTED = 0x1
MAX_EXPANDED = 2**20  # numbers in a tensor that repeats its storage (stride 0); a constant or two, no weights


@dataclass(frozen=True)
class Member:
    """One stored file inside the archive: where its own header begins and what it must contain."""

    name: str
    start: int
    limit: int  # the next member's header or the directory begins here
    size: int
    crc: int


class TorchArchive:
    """A checked archive.

    Attributes:
        source: the bytes.
        root: the folder all members are in.
    """

    def __init__(self, source: RangeSource) -> None:
        _require_zip(source)
        self.source = PrefetchedSource(source, [(max(0, source.size - _TAIL), source.size)])
        self._members = _read_directory(self.source)
        pickles = [n for n in self._members if n.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise CheckpointError(
                f"{source.name} is a zip archive but not one that torch.save wrote (no data.pkl inside)."
            )
        self.root = pickles[0].split("/")[0]
        order = self._members.get(f"{self.root}/byteorder")
        if order is not None and bytes(self.read(order)) != b"little":
            raise CheckpointError(f"{source.name} was written on a big-endian machine; that is not read.")

    def value(self) -> Any:
        """Return the pickled value as plain data (see `read_pickle`)."""
        return read_pickle(bytes(self.read(self._members[f"{self.root}/data.pkl"])), file=self.source.name)

    def tensor(self, reference: TensorRef) -> LazyTensor:
        """Return the tensor a reference describes, unread.

        Raises:
            CheckpointError: its storage is missing or has another length than the pickle claims.
        """
        storage, dtype = reference.storage, getattr(torch, reference.storage.dtype)
        member = self._members.get(f"{self.root}/data/{storage.key}")
        if member is None or member.size != storage.numel * dtype.itemsize:
            found = "is missing" if member is None else f"has {member.size} bytes"
            raise CheckpointError(
                f"{self.source.name}: storage {storage.key[:40]!r} {found}; {storage.numel} × "
                f"{storage.dtype} are needed. The file is damaged; fetch it again."
            )

        def load() -> torch.Tensor:
            if prod(reference.shape) > max(storage.numel, MAX_EXPANDED):
                raise CheckpointError(
                    f"{self.source.name}: a tensor of shape {reference.shape} is expanded from "
                    f"{storage.numel} numbers; that is not read. Save a contiguous copy."
                )
            start, view = self._locate(member)
            flat = decode(view, dtype, start)
            return flat.as_strided(reference.shape, reference.stride, reference.offset).contiguous()

        return LazyTensor(reference.shape, dtype, load, (member.start, member.limit))

    def read_ahead(self, references: Iterable[TensorRef]) -> None:
        """Fetch the bytes of these tensors now, in few requests; their `load` then needs no other."""
        spans = [s for r in references if (s := self.tensor(r).span) is not None]
        self.source = PrefetchedSource(self.source, spans)

    def read(self, member: Member) -> memoryview:
        """Return a member's bytes after checking them against its checksum."""
        return self._locate(member)[1]

    def _locate(self, member: Member) -> tuple[int, memoryview]:
        header = self.source.read(member.start, min(member.start + _LOCAL_HEADER, self.source.size))
        if len(header) < _LOCAL_HEADER or bytes(header[:4]) != b"PK\x03\x04":
            raise _damaged(self.source, f"{member.name!r:.100} has no header of its own")
        name_length, extra = (int.from_bytes(header[a : a + 2], "little") for a in (26, 28))
        begin = member.start + _LOCAL_HEADER
        own_name = bytes(self.source.read(begin, begin + name_length))
        start = begin + name_length + extra
        if own_name != member.name.encode() or start + member.size > member.limit:
            raise _damaged(self.source, f"{member.name!r:.100} disagrees with the archive's directory")
        view = self.source.read(start, start + member.size)
        if zlib.crc32(view) != member.crc:
            raise _damaged(self.source, f"{member.name!r:.100} does not match its checksum")
        return start, view


def _read_directory(source: RangeSource) -> dict[str, Member]:
    try:
        with zipfile.ZipFile(SourceReader(source)) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            directory = archive.start_dir
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _damaged(source, f"it has no readable directory at its end, {error}") from error
    members: dict[str, Member] = {}
    limits = [info.header_offset for info in infos[1:]] + [directory]
    for info, limit in zip(infos, limits, strict=True):
        _require_plain(source, info, limit)
        if info.orig_filename in members:
            raise _damaged(source, f"the name {info.orig_filename!r:.100} occurs twice")
        members[info.orig_filename] = Member(
            info.orig_filename, info.header_offset, limit, info.file_size, info.CRC
        )
    return members


def _require_plain(source: RangeSource, info: zipfile.ZipInfo, limit: int) -> None:
    name = info.orig_filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or ":" in parts[0]:
        raise _damaged(source, f"a member's name, {name!r:.100}, leads out of the archive")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise _damaged(source, f"{name!r:.100} is compressed, which torch.save never does")
    if info.flag_bits & _ENCRYPTED:
        raise _damaged(source, f"{name!r:.100} is encrypted")
    if info.header_offset < 0 or info.header_offset + _LOCAL_HEADER + len(name) + info.file_size > limit:
        raise _damaged(source, f"{name!r:.100} overlaps another member or claims more bytes than there are")


def _damaged(source: RangeSource, why: str) -> CheckpointError:
    return CheckpointError(f"{source.name} is not a sound checkpoint archive: {why}. Fetch it again.")


def _require_zip(source: RangeSource) -> None:
    head = bytes(source.read(0, min(512, source.size)))
    if head.startswith(b"PK\x03\x04"):
        return
    kind, way_out = _what_else(head)
    raise CheckpointError(f"{source.name} is not a torch checkpoint archive but {kind}. {way_out}")


def _what_else(head: bytes) -> tuple[str, str]:
    again = "Fetch the published file again."
    if head[:1] == b"\x80":
        return (
            "a bare or pre-2020 pickle",
            "It is not opened. Use the publisher's current file, or a safetensors version.",
        )
    if head[257:262] == b"ustar":
        return "a tar archive (torch before 0.4)", "It is not opened. Use the publisher's current file."
    if head.lstrip()[:1] == b"<":
        return "a web page", f"The download saved an error page. {again}"
    if head.startswith(b"version https://git-lfs"):
        return "a git-lfs pointer", "Run `git lfs pull`, or fetch the file itself."
    if head[:2] == b"\x1f\x8b":
        return "a gzip file", "Unpack it first."
    return f"something that begins with {head[:8]!r}", again
