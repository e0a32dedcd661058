"""Fetching files of a hub, or parts of them: resumed, checked, complete or not at all.

`hf_hub_download` is not used: since its version 2 it throws away what a stopped run had fetched. Here that is
kept under a name made from what the source is, so a later run goes on with the very same content only. Nor is
`http_get`: it hands over a megabyte at once, so nothing moves on a slow line, and it waits without a word.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from huggingface_hub import constants
from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff

from radseg.errors import CheckpointError, RadsegError, ResourceError, WeightsUnavailableError
from radseg.files import sync_folder
from radseg.weights.catalog import size_text
from radseg.weights.home import discard, sha256_of, writing
from radseg.weights.hub import COMMIT, RemoteFile
from radseg.weights.outages import HTTP, Patience
from radseg.weights.reporters import LOGGED, Reporter

_SPARE = 64 * 1024 * 1024  # bytes to leave free on the disk
_SYNC = 64 * 1024 * 1024  # bytes that a power failure may cost
_WORTH_SAYING = 10**9  # bytes; checking less takes a few seconds
_SMALL = 64 * 1024 * 1024  # bytes; files checked by git's hash are read whole


class UnexpectedContentError(WeightsUnavailableError):
    """What came is not what was announced; nothing of it is kept."""


class Span(NamedTuple):
    """The bytes [start, stop) of a remote file."""

    source: RemoteFile
    start: int
    stop: int


def whole(source: RemoteFile) -> tuple[Span, ...]:
    """Return the one span that a file fetched whole is made of."""
    return (Span(source, 0, source.size),)


def download(source: RemoteFile, target: Path, *, sha256: str | None = None, reporter: Reporter) -> str:
    """Fetch a whole file to `target` and return its sha256.

    Args:
        sha256: a pinned digest, which wins over the hub's.
        reporter: is told bytes done and in total, and of waits.

    Raises:
        WeightsUnavailableError: the server fails for good, or the content is not the expected one.
        ResourceError: the disk is full or cannot be written.
    """
    expected = sha256 or source.sha256

    def verified(part: Path) -> str:
        digest, wrong = sha256_of(part), False
        if expected is not None:
            wrong = digest != expected
        elif COMMIT.fullmatch(source.etag) and source.size <= _SMALL:
            wrong = git_blob_sha1(part.read_bytes()) != source.etag
        if wrong:
            raise UnexpectedContentError(
                f"{target.name} arrived with sha256 {digest}; {expected or source.etag} is expected. It was "
                "removed. Try again; if it happens twice, the file at the source is not the one this release "
                "knows."
            )
        return digest

    return fetch(target, b"", whole(source), verified, reporter)


def remaining(target: Path, begin: bytes, spans: Sequence[Span]) -> int:
    """Return how many bytes `fetch` would ask for: those of `spans` less what an earlier run left."""
    part = _part(target, begin, spans)
    have = part.stat().st_size - len(begin) if part.is_file() else 0
    return sum(s.stop - s.start for s in spans) - max(0, have)


def fetch(
    target: Path, begin: bytes, spans: Sequence[Span], check: Callable[[Path], str], reporter: Reporter
) -> str:
    """Make `target` from `begin` and then the bytes of `spans`: complete and checked, or not at all.

    Args:
        check: looks at the finished file under its temporary name; what it returns is returned.

    Raises:
        WeightsUnavailableError: a source fails; what came so far is kept for the next run.
        ResourceError: the disk is full or cannot be written.
    """
    part = _part(target, begin, spans)
    total = sum(s.stop - s.start for s in spans)
    with writing(target):
        for other in target.parent.glob(f".{target.name}.*.part"):
            if other != part:
                discard(other)
        try:
            with part.open("r+b" if part.exists() else "w+b") as file:
                have = file.seek(0, os.SEEK_END)
                require_space(target.parent, len(begin) + total - have, target.name)
                if have < len(begin):
                    file.seek(0)
                    file.write(begin)
                base = len(begin)
                for span in spans:
                    tell = _from(reporter.progress, base - len(begin), total)
                    sink = _Sink(file, base, span.stop - span.start, tell)
                    sink.start_at(min(sink.length, max(0, have - base)))
                    _stream(span, sink, Patience(span.source.name, reporter.announce))
                    base += sink.length
                file.flush()
                os.fsync(file.fileno())
            if total > _WORTH_SAYING:
                reporter.announce(f"Checking {size_text(total)} of {target.name} …")
            result = check(part)
        except (CheckpointError, UnexpectedContentError):
            discard(part)
            raise
        part.replace(target)
        sync_folder(target.parent)
    return result


def read_range(source: RemoteFile, start: int, stop: int, reporter: Reporter = LOGGED) -> bytes:
    """Return a few bytes of a remote file. Raises as `fetch`."""
    with tempfile.TemporaryFile() as file:
        sink = _Sink(file, 0, stop - start, lambda _: None)
        _stream(Span(source, start, stop), sink, Patience(source.name, reporter.announce))
        file.seek(0)
        return file.read()


def git_blob_sha1(data: bytes) -> str:
    """Return git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Sink:
    """Takes the bytes of one span, from `base` on in an open file, and no more."""

    def __init__(self, file: BinaryIO, base: int, length: int, tell_progress: Callable[[int], None]) -> None:
        self._file, self._base, self._tell = file, base, tell_progress
        self.length, self.done = length, 0

    def start_at(self, done: int) -> None:
        """Go on after the first `done` bytes; what is there beyond is dropped."""
        self._file.seek(self._base + done)
        self._file.truncate()
        self.done = done

    def write(self, data: bytes) -> None:
        """Take what came."""
        before, self.done = self.done, self.done + len(data)
        if self.done > self.length:
            raise _too_much(self.length)
        self._file.write(data)
        if before // _SYNC != self.done // _SYNC:
            self._file.flush()
            os.fsync(self._file.fileno())  # the length of the file is what the next run trusts
        self._tell(self.done)


def _too_much(length: int) -> UnexpectedContentError:
    return UnexpectedContentError(
        f"The server sends more than the {length} bytes asked for. Behind a mirror or a proxy that cannot "
        "send parts of files, fetch the file in another way and pass its path."
    )


def _stream(span: Span, sink: _Sink, patience: Patience) -> None:
    """Fetch the bytes of `span` that `sink` does not have yet."""
    while sink.done < sink.length:
        before = sink.done
        try:
            _receive(span, sink)
            if sink.done < sink.length:
                raise OSError("the answer ended early")
        except RadsegError:
            raise
        except (HTTP.HTTPError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the disk
                raise
            patience.after(error, at=span.start + sink.done, moved=sink.done > before)
            sink.start_at(sink.done)


def _receive(span: Span, sink: _Sink) -> None:
    """Ask once for what is missing, and hand it on as it comes."""
    source, first = span.source, span.start + sink.done
    is_part = sink.length < source.size
    headers = dict(source.headers)
    if is_part or sink.done:
        headers["Range"] = f"bytes={first}-{span.stop - 1 if is_part else ''}"
    with http_stream_backoff(
        "GET", source.url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
        retry_on_exceptions=(), retry_on_status_codes=(),
    ) as response:  # fmt: skip
        hf_raise_for_status(response)
        if "Range" in headers and response.status_code == 200:
            if is_part:
                raise _too_much(sink.length)
            sink.start_at(0)  # the whole file comes again
        said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if said and int(said[1]) != first:
            raise UnexpectedContentError(
                f"Of {source.name} the bytes from {first} on were asked for; those from {said[1]} on came."
            )
        for chunk in response.iter_bytes():
            sink.write(chunk)


def _from(progress: Callable[[int, int], None], before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def _part(target: Path, begin: bytes, spans: Sequence[Span]) -> Path:
    """Return where a file is built before it is complete."""
    return target.with_name(f".{target.name}.{_identity(begin, spans)}.part")


def _identity(begin: bytes, spans: Sequence[Span]) -> str:
    """Return what stays the same exactly as long as the content to be fetched does."""
    marks = [[s.source.name, s.source.etag or s.source.commit, s.start, s.stop] for s in spans]
    if not all(s.source.etag or COMMIT.fullmatch(s.source.commit) for s in spans):
        marks.append([secrets.token_hex(8)])  # nothing to recognise the content by: never go on with it
    return hashlib.sha256(json.dumps(marks).encode() + begin).hexdigest()[:24]


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise ResourceError unless the disk of a folder, which need not be there yet, has room for more."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > 0 and free < needed + _SPARE:
        raise ResourceError(
            f"{what} needs {needed / 1e6:.0f} MB more in {folder}; {free / 1e6:.0f} MB are free. Free "
            "some, or set RADSEG_HOME to a larger disk."
        )
