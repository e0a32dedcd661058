"""Where published files lie and what their hub says about them; a remote file as a byte source.

The hub client library builds the addresses and headers, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and
proxies act as its documentation says.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import (
    _CACHED_NO_EXIST,
    constants,
    get_hf_file_metadata,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import build_hf_headers, get_session

from radseg.errors import WeightsUnavailableError
from radseg.weights.ranges import require_inside

# The client would say which torch and which coding agent call it, and ask its hub for a list of agents to
# recognise. We promise no telemetry; the environment variable of the same name is read too early to help.
constants.HF_HUB_DISABLE_TELEMETRY = True


def _http_library() -> Any:
    """Return the library whose errors the hub client raises: httpx, or httpx2, whichever it was built on."""
    base = next(c for c in HfHubHTTPError.__mro__ if c.__name__ == "HTTPError")
    return import_module(base.__module__.partition(".")[0])


httpx = _http_library()
TIMEOUT = httpx.Timeout(60.0, connect=15.0)  # seconds without a byte
UNAVAILABLE = (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)
FORBIDDEN = (OfflineModeIsEnabled,)
TRANSIENT = (429, 500, 502, 503, 504)  # answers after which it is worth asking again
ATTEMPTS = 6  # in a row without a single new byte
_COMMIT = re.compile(r"[0-9a-f]{40}")


class NotPublishedError(WeightsUnavailableError):
    """The repository is there, the file is not."""


class ContentChangedError(WeightsUnavailableError):
    """The file at the source is another one than at the beginning of the read."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        url: its address.
        size: in bytes, None if the hub does not say.
        sha256: as the hub reports it; None for small files, which carry `git_sha1` instead.
        git_sha1: git's blob hash.
        etag: the hub's mark of this content, unquoted; "" if it gives none.
        revision: the commit it is from.
        headers: to send along (authorisation).
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    etag: str = ""
    revision: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def is_offline() -> bool:
    """Return whether the user forbids the network (HF_HUB_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


def locate(repository: str, file: str, revision: str) -> RemoteFile:
    """Return the facts the hub reports about a file.

    Raises:
        WeightsUnavailableError: offline, not there, or access is not granted.
    """
    url = hf_hub_url(repository, file, revision=revision)
    headers = build_hf_headers(library_name="radseg", library_version=version("radseg"))
    if is_offline():
        raise WeightsUnavailableError(f"HF_HUB_OFFLINE is set, so {repository}/{file} is not fetched.")
    try:
        facts = get_hf_file_metadata(url, headers=headers)
    except UNAVAILABLE as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise NotPublishedError(f"The repository {repository} has no file {file}.") from error
        raise WeightsUnavailableError(
            f"{repository}/{file} cannot be reached: {_one_line(error)}."
        ) from error
    etag = str(facts.etag or "")
    return RemoteFile(
        url=url,
        size=facts.size,
        sha256=etag if re.fullmatch(r"[0-9a-f]{64}", etag) else None,
        git_sha1=etag if re.fullmatch(r"[0-9a-f]{40}", etag) else None,
        etag=etag,
        revision=str(facts.commit_hash or revision),
        headers=headers,
    )


def at_commit(remote: RemoteFile, repository: str, file: str) -> RemoteFile:
    """Return the same file addressed by its commit, so that a push meanwhile cannot swap it."""
    return replace(remote, url=hf_hub_url(repository, file, revision=remote.revision))


def cached(repository: str, file: str, revision: str) -> Path | None:
    """Return the file in the hub client's own cache, where other programs may have put it, or None."""
    found = try_to_load_from_cache(repository, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def is_known_absent(repository: str, file: str, revision: str) -> bool:
    """Return whether the hub client has noted that this revision of the repository has no such file."""
    return try_to_load_from_cache(repository, file, revision=revision) is _CACHED_NO_EXIST


def commit_of(found: Path) -> str | None:
    """Return the commit of a file in the hub client's cache; None if its path does not say."""
    folder = found.parent
    return folder.name if folder.parent.name == "snapshots" and _COMMIT.fullmatch(folder.name) else None


def pause(failures: int) -> float:
    """Return how many seconds to wait after this many failures in a row."""
    return float(min(30.0, 0.5 * 2.0**failures))


@contextmanager
def open_stream(remote: RemoteFile, extra: Mapping[str, str]) -> Iterator[Any]:
    """Open a response to read from; raises httpx errors."""
    headers = {**remote.headers, "Accept-Encoding": "identity", **extra}
    with get_session().stream(
        "GET", remote.url, headers=headers, timeout=TIMEOUT, follow_redirects=True
    ) as response:
        yield response


class HttpSource:
    """A remote file by HTTP ranges; counts the bytes it fetched.

    Attributes:
        fetched: bytes received so far.
    """

    def __init__(self, remote: RemoteFile, name: str, *, wait: Callable[[float], None] = time.sleep) -> None:
        if remote.size is None:
            raise WeightsUnavailableError(
                f"The hub does not say how long {name} is; it cannot be read in parts."
            )
        self.remote = remote
        self.fetched = 0
        self._name, self._size, self._wait = name, remote.size, wait
        self._tag: str | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self._name

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    @property
    def identity(self) -> str:
        """The hub's mark of this content, else its commit; "" if the hub gives neither."""
        return self.remote.etag or (self.remote.revision if _COMMIT.fullmatch(self.remote.revision) else "")

    def read(self, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop), fetched now; a dropped connection is taken up where it broke.

        Raises:
            WeightsUnavailableError: the server does not answer, or not with the range asked for.
            ContentChangedError: the file is not the one that was read from before.
        """
        require_inside(self, start, stop)
        data, failures = bytearray(), 0
        while len(data) < stop - start:
            before, reason = len(data), "the answer ended early"
            try:
                self._extend(data, start, stop)
            except FORBIDDEN as error:
                raise WeightsUnavailableError(
                    f"HF_HUB_OFFLINE is set; {self.name} is not fetched."
                ) from error
            except WeightsUnavailableError:
                raise
            except UNAVAILABLE as error:
                reason = _one_line(error)
            if len(data) == stop - start:
                break
            failures = 1 if len(data) > before else failures + 1
            if failures >= ATTEMPTS:
                raise WeightsUnavailableError(
                    f"Reading {self.name} failed {failures} times at byte {start + len(data)}: {reason}. "
                    "Run the command again to go on from there."
                )
            self._wait(pause(failures))
        return memoryview(data)

    def _extend(self, data: bytearray, start: int, stop: int) -> None:
        begin = start + len(data)
        with open_stream(self.remote, {"Range": f"bytes={begin}-{stop - 1}"}) as response:
            if response.status_code in TRANSIENT:
                raise OSError(f"the server answered {response.status_code}")
            if response.status_code != 206:
                raise WeightsUnavailableError(
                    f"Reading {self.name} failed: the server answered {response.status_code} to a request "
                    "for part of the file."
                )
            said = str(response.headers.get("Content-Range", ""))
            if not said.startswith(f"bytes {begin}-") or not said.endswith(f"/{self._size}"):
                raise ContentChangedError(
                    f"Reading {self.name} failed: the server sent another part ({said[:80]!r})."
                )
            self._require_same(str(response.headers.get("ETag", "")))
            for piece in response.iter_raw():
                self.fetched += len(piece)
                data += piece[: stop - start - len(data)]

    def _require_same(self, tag: str) -> None:
        # compared with the first answer, not with the hub's own ETag: the file store behind it marks
        # content in its own way
        if not tag:
            return
        if self._tag not in (None, tag):
            raise ContentChangedError(
                f"{self.name} changed at its source while it was being read. Run the command again."
            )
        self._tag = tag


def git_blob_sha1(data: bytes) -> str:
    """Return git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300].rstrip(".")
