"""Where published files lie and what their hub says about them; a remote file as a byte source.

The hub client library builds the addresses and headers, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and
proxies act as its documentation says.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import build_hf_headers, get_session

from radseg.errors import WeightsUnavailableError
from radseg.weights.ranges import require_inside

try:
    import httpx2 as httpx
except ImportError:  # hub client 1.x
    import httpx  # type: ignore[import-not-found, no-redef]

# The client would say which torch and which coding agent call it, and ask its hub for a list of agents to
# recognise. We promise no telemetry; the environment variable of the same name is read too early to help.
constants.HF_HUB_DISABLE_TELEMETRY = True

TIMEOUT = httpx.Timeout(60.0, connect=15.0)  # seconds without a byte
UNAVAILABLE = (httpx.HTTPError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError)
FORBIDDEN = (OfflineModeIsEnabled,)


class NotPublishedError(WeightsUnavailableError):
    """The repository is there, the file is not."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a hub.

    Attributes:
        url: its address.
        size: in bytes, None if the hub does not say.
        sha256: as the hub reports it; None for small files, which carry `git_sha1` instead.
        git_sha1: git's blob hash.
        revision: the commit it is from.
        headers: to send along (authorisation).
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
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
        revision=str(facts.commit_hash or revision),
        headers=headers,
    )


def cached(repository: str, file: str, revision: str) -> Path | None:
    """Return the file in the hub client's own cache, where other programs may have put it, or None."""
    found = try_to_load_from_cache(repository, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


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

    def __init__(self, remote: RemoteFile, name: str) -> None:
        if remote.size is None:
            raise WeightsUnavailableError(
                f"The hub does not say how long {name} is; it cannot be read in parts."
            )
        self.remote = remote
        self.fetched = 0
        self._name, self._size = name, remote.size

    @property
    def name(self) -> str:
        """The file's name."""
        return self._name

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def read(self, start: int, stop: int) -> memoryview:
        """Return the bytes [start, stop), fetched now.

        Raises:
            WeightsUnavailableError: the server does not answer, or not with the range asked for.
        """
        require_inside(self, start, stop)
        data = bytearray()
        for attempt in range(4):
            if len(data) == stop - start:
                break
            try:
                self._extend(data, start, stop)
            except UNAVAILABLE as error:
                if isinstance(error, WeightsUnavailableError) or attempt == 3:
                    raise WeightsUnavailableError(
                        f"Reading {self.name} failed: {_one_line(error)}."
                    ) from error
        if len(data) != stop - start:
            raise WeightsUnavailableError(f"Reading {self.name} failed: the answer ended early four times.")
        return memoryview(data)

    def _extend(self, data: bytearray, start: int, stop: int) -> None:
        begin = start + len(data)
        with open_stream(self.remote, {"Range": f"bytes={begin}-{stop - 1}"}) as response:
            if response.status_code != 206:
                raise WeightsUnavailableError(
                    f"the server answered {response.status_code} to a request for part of the file"
                )
            said = str(response.headers.get("Content-Range", ""))
            if not said.startswith(f"bytes {begin}-") or not said.endswith(f"/{self._size}"):
                raise WeightsUnavailableError(f"the server sent another part ({said[:80]!r})")
            for piece in response.iter_raw():
                self.fetched += len(piece)
                data += piece[: stop - begin - (len(data) - (begin - start))]


def git_blob_sha1(data: bytes) -> str:
    """Return git's hash of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300].rstrip(".")
