"""Published files on a hub, through the hub's own library: what is there, and fetching it or parts of it.

The library builds addresses and headers, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and proxies act as its
documentation says; it streams, takes a broken connection up where it broke, and waits when the hub is busy.
`hf_hub_download` is not used: since its version 2 it throws away what a stopped run had fetched. Here that is
kept under a name made from what the source is, so a later run goes on with the very same content only.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from huggingface_hub import (
    _CACHED_NO_EXIST,
    constants,
    get_hf_file_metadata,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers

from radseg.errors import CheckpointError, RadsegError, ResourceError, WeightsUnavailableError
from radseg.weights.home import discard, sha256_of, writing

# The client would say which torch and which coding agent call it, and ask its hub for a list of agents to
# recognise. We promise no telemetry; the environment variable of the same name is read too early to help.
constants.HF_HUB_DISABLE_TELEMETRY = True
# The library hands over 10 MB at once; what it holds is lost with the connection or the run.
constants.DOWNLOAD_CHUNK_SIZE = 1024 * 1024

_HTTP = import_module(
    next(c for c in HfHubHTTPError.__mro__ if c.__name__ == "HTTPError").__module__.split(".")[0]
)
"""The library whose errors the client raises: httpx, or httpx2, whichever it was built on."""
ATTEMPTS = 6  # in a row without a single new byte
_TRANSIENT = (
    500,
    502,
    503,
    504,
)  # answers after which it is worth asking again; the library itself does at 429
_REFUSED = {
    401: "it is gated, private, or not there. Accept the terms on its page and set HF_TOKEN",
    403: "access is not granted. Accept the terms on its page and set HF_TOKEN",
}
_SPARE = 64 * 1024 * 1024  # bytes to leave free on the disk
_SYNC = 64 * 1024 * 1024  # bytes that a power failure may cost
_SMALL = 64 * 1024 * 1024  # bytes; files checked by git's hash are read whole
_COMMIT = re.compile(r"[0-9a-f]{40}")
Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in total."""


class NotPublishedError(WeightsUnavailableError):
    """The repository is there, the file is not."""


class UnexpectedContentError(WeightsUnavailableError):
    """What came is not what was announced; nothing of it is kept."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        name: of the file in its repository.
        url: its address, by commit.
        size: in bytes.
        etag: the hub's mark of this content: its sha256, or git's hash of a small file; "" if it gives none.
        commit: the revision it is from.
        headers: to send along (authorisation).
    """

    name: str
    url: str
    size: int
    etag: str = ""
    commit: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def sha256(self) -> str | None:
        """The digest its hub reports, None for small files and hubs that report none."""
        return self.etag if re.fullmatch(r"[0-9a-f]{64}", self.etag) else None


class Span(NamedTuple):
    """The bytes [start, stop) of a remote file."""

    source: RemoteFile
    start: int
    stop: int


def is_offline() -> bool:
    """Return whether the user forbids the network (HF_HUB_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


class Repository:
    """A repository whose revision is settled by the first file found, and then used for every other."""

    def __init__(self, name: str, revision: str) -> None:
        self.name, self.revision = name, revision

    def cached(self, file: str) -> Path | None:
        """Return the file in the hub client's own cache, where other programs may have put it, or None."""
        found = try_to_load_from_cache(self.name, file, revision=self.revision)
        if not isinstance(found, str):
            return None
        folder = Path(found).parent
        if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name):
            self.revision = folder.name
        return Path(found)

    def locate(self, file: str) -> RemoteFile:
        """Return the facts the hub reports about a file, addressed by commit.

        Raises:
            NotPublishedError: the repository has no such file, by the hub or by the notes in its cache.
            WeightsUnavailableError: offline, not to be had, or access is not granted.
        """
        if try_to_load_from_cache(self.name, file, revision=self.revision) is _CACHED_NO_EXIST:
            raise NotPublishedError(f"The repository {self.name} has no file {file} (by the hub cache).")
        if is_offline():
            raise WeightsUnavailableError(f"HF_HUB_OFFLINE is set, so {self.name}/{file} is not fetched.")
        url = hf_hub_url(self.name, file, revision=self.revision)
        headers = build_hf_headers(library_name="radseg", library_version=version("radseg"))
        try:
            facts = get_hf_file_metadata(url, headers=headers, retry_on_errors=True)
        except EntryNotFoundError as error:
            raise NotPublishedError(f"The repository {self.name} has no file {file}.") from error
        except (_HTTP.HTTPError, OSError) as error:
            raise _unavailable(f"{self.name}/{file}", error) from error
        if facts.size is None:
            raise WeightsUnavailableError(f"The hub does not say how long {self.name}/{file} is.")
        self.revision = str(facts.commit_hash or self.revision)
        url = hf_hub_url(self.name, file, revision=self.revision)
        # as it is stored: a compressed answer could not be taken up in the middle
        headers |= {"Accept-Encoding": "identity"}
        return RemoteFile(file, url, facts.size, str(facts.etag or ""), self.revision, headers)


def download(source: RemoteFile, target: Path, *, sha256: str | None = None, progress: Progress) -> str:
    """Fetch a whole file to `target` and return its sha256.

    Args:
        sha256: a pinned digest, which wins over the hub's.
        progress: called with bytes done and in total.

    Raises:
        WeightsUnavailableError: the server fails for good, or the content is not the expected one.
        ResourceError: the disk is full or cannot be written.
    """
    expected = sha256 or source.sha256

    def verified(part: Path) -> str:
        digest, wrong = sha256_of(part), False
        if expected is not None:
            wrong = digest != expected
        elif _COMMIT.fullmatch(source.etag) and source.size <= _SMALL:
            wrong = git_blob_sha1(part.read_bytes()) != source.etag
        if wrong:
            raise UnexpectedContentError(
                f"{target.name} arrived with sha256 {digest}; {expected or source.etag} is expected. It was "
                "removed. Try again; if it happens twice, the file at the source is not the one this release "
                "knows."
            )
        return digest

    return fetch(target, b"", [Span(source, 0, source.size)], verified, progress)


def fetch(
    target: Path, begin: bytes, spans: Sequence[Span], check: Callable[[Path], str], progress: Progress
) -> str:
    """Make `target` from `begin` and then the bytes of `spans`: complete and checked, or not at all.

    Args:
        check: looks at the finished file under its temporary name; what it returns is returned.

    Raises:
        WeightsUnavailableError: a source fails; what came so far is kept for the next run.
        ResourceError: the disk is full or cannot be written.
    """
    part = target.with_name(f".{target.name}.{_identity(begin, spans)}.part")
    total = sum(s.stop - s.start for s in spans)
    with writing(target):
        for other in target.parent.glob(f".{target.name}.*.part"):
            if other != part:
                discard(other)
        try:
            with part.open("r+b" if part.exists() else "w+b") as file:
                have = file.seek(0, os.SEEK_END)
                _require_space(target, len(begin) + total - have)
                if have < len(begin):
                    file.seek(0)
                    file.write(begin)
                base = len(begin)
                for span in spans:
                    sink = _Sink(
                        file, base, span.stop - span.start, _from(progress, base - len(begin), total)
                    )
                    _stream(span, sink, min(sink.length, max(0, have - base)))
                    base += sink.length
                file.flush()
                os.fsync(file.fileno())
            result = check(part)
        except (CheckpointError, UnexpectedContentError):
            discard(part)
            raise
        part.replace(target)
    return result


def read_range(source: RemoteFile, start: int, stop: int) -> bytes:
    """Return a few bytes of a remote file. Raises as `fetch`."""
    with tempfile.TemporaryFile() as file:
        _stream(Span(source, start, stop), _Sink(file, 0, stop - start, lambda _: None), 0)
        file.seek(0)
        return file.read()


def git_blob_sha1(data: bytes) -> str:
    """Return git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Sink:
    """What the library streams into: the bytes of one span, from `base` on in an open file, and no more."""

    def __init__(self, file: BinaryIO, base: int, length: int, tell_progress: Callable[[int], None]) -> None:
        self.file, self.base, self.length, self.tell_progress = file, base, length, tell_progress
        self.seek, self.tell, self.truncate = file.seek, file.tell, file.truncate

    def write(self, data: bytes) -> int:
        before = self.tell() - self.base
        done = before + len(data)
        if done > self.length:
            raise UnexpectedContentError(
                f"The server sends more than the {self.length} bytes asked for. Behind a mirror or a proxy "
                "that cannot send parts of files, fetch the file in another way and pass its path."
            )
        self.file.write(data)
        if before // _SYNC != done // _SYNC:
            self.file.flush()
            os.fsync(self.file.fileno())  # the length of the file is what the next run trusts
        self.tell_progress(done)
        return len(data)


class _NoBar:
    """Takes the place of the library's own progress bar: the sink knows how far it is."""

    def __init__(self, **_: Any) -> None:
        pass

    def update(self, _: int) -> None:
        pass

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _stream(span: Span, sink: _Sink, done: int) -> None:
    """Fetch the bytes of `span` that are missing; `done` of them are there."""
    source, length, failures = span.source, span.stop - span.start, 0
    headers = dict(source.headers)
    if length < source.size:
        headers["Range"] = f"bytes={span.start}-{span.stop - 1}"
    while done < length:
        sink.seek(sink.base + done)
        sink.truncate()
        try:
            http_get(source.url, sink, resume_size=done, headers=headers, expected_size=length,
                     displayed_filename=source.name, tqdm_class=_NoBar)  # fmt: skip
            return
        except RadsegError:
            raise
        except (_HTTP.HTTPError, OSError) as error:
            if _is_disk(error):
                raise
            now = sink.tell() - sink.base
            failures = 1 if now > done else failures + 1
            if failures >= ATTEMPTS or not _worth_another(error):
                raise _unavailable(f"Byte {span.start + now} of {source.name}", error) from error
            done = now
            time.sleep(min(30.0, 0.5 * 2.0**failures))


def _is_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno is not None


def _worth_another(error: Exception) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _TRANSIENT
    return isinstance(error, _HTTP.TransportError) or type(error) is OSError  # an answer that ended early


def _unavailable(what: str, error: Exception) -> WeightsUnavailableError:
    if isinstance(error, OfflineModeIsEnabled):
        return WeightsUnavailableError(f"HF_HUB_OFFLINE is set; {what} is not fetched.")
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else 0
    text = " ".join(str(error).split()) or type(error).__name__
    reason = _REFUSED.get(status, text[:300].rstrip("."))
    answered = f"the server answered {status}: " if status else ""
    again = "" if status in _REFUSED else " Run the command again to go on from there."
    return WeightsUnavailableError(f"{what} cannot be reached: {answered}{reason}.{again}")


def _from(progress: Progress, before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress(before + done, total)


def _identity(begin: bytes, spans: Sequence[Span]) -> str:
    """Return what stays the same exactly as long as the content to be fetched does."""
    marks = [[s.source.name, s.source.etag or s.source.commit, s.start, s.stop] for s in spans]
    if not all(s.source.etag or _COMMIT.fullmatch(s.source.commit) for s in spans):
        marks.append([secrets.token_hex(8)])  # nothing to recognise the content by: never go on with it
    return hashlib.sha256(json.dumps(marks).encode() + begin).hexdigest()[:24]


def _require_space(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > 0 and free < needed + _SPARE:
        raise ResourceError(
            f"{target.name} needs {needed / 1e6:.0f} MB more in {target.parent}; {free / 1e6:.0f} MB are "
            "free. Set RADSEG_HOME to a larger disk."
        )
