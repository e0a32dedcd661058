"""What a hub has: facts about published files, asked for through the hub's own library.

The library builds addresses and headers, so HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE and proxies act as its
documentation says. Fetching is in `weights/fetch.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from huggingface_hub.utils import build_hf_headers

from radseg.errors import ResourceError, WeightsUnavailableError
from radseg.weights.outages import FIRST_ATTEMPTS, HTTP, Patience
from radseg.weights.reporters import LOGGED

# The client would say which torch and which coding agent call it, and ask its hub for a list of agents to
# recognise. We promise no telemetry; the environment variable of the same name is read too early to help.
constants.HF_HUB_DISABLE_TELEMETRY = True

COMMIT = re.compile(r"[0-9a-f]{40}")


class NotPublishedError(WeightsUnavailableError):
    """The repository is there, the file is not."""


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


def is_offline() -> bool:
    """Return whether the user forbids the network (HF_HUB_OFFLINE)."""
    return bool(constants.HF_HUB_OFFLINE)


class Repository:
    """A repository whose revision is settled by the first file found, and then used for every other."""

    def __init__(self, name: str, revision: str, announce: Callable[[str], None] = LOGGED.announce) -> None:
        self.name, self.revision, self._announce = name, revision, announce
        self._asked: dict[str, RemoteFile | NotPublishedError] = {}

    def cached(self, file: str) -> Path | None:
        """Return the file in the hub client's own cache, where other programs may have put it, or None.

        Raises:
            ResourceError: the cache holds it, but this user may not read it.
        """
        with _readable_cache():
            found = try_to_load_from_cache(self.name, file, revision=self.revision)
            if not isinstance(found, str):
                return None
            Path(found).open("rb").close()  # raises here, where the cure is known
        folder = Path(found).parent
        if folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name):
            self.revision = folder.name
        return Path(found)

    def locate(self, file: str) -> RemoteFile:
        """Return the facts the hub reports about a file, addressed by commit; asked once.

        Raises:
            NotPublishedError: the repository has no such file, by the hub or by the notes in its cache.
            WeightsUnavailableError: offline, not to be had, or access is not granted.
        """
        if file not in self._asked:
            try:
                self._asked[file] = self._ask(file)
            except NotPublishedError as error:
                self._asked[file] = error
        found = self._asked[file]
        if isinstance(found, NotPublishedError):
            raise found
        return found

    def _ask(self, file: str) -> RemoteFile:
        with _readable_cache():
            absent = try_to_load_from_cache(self.name, file, revision=self.revision) is _CACHED_NO_EXIST
        if absent:
            raise NotPublishedError(f"The repository {self.name} has no file {file} (by the hub cache).")
        if is_offline():
            raise WeightsUnavailableError(f"HF_HUB_OFFLINE is set, so {self.name}/{file} is not fetched.")
        url = hf_hub_url(self.name, file, revision=self.revision)
        with _readable_cache():  # the token may lie there
            headers = build_hf_headers(library_name="radseg", library_version=version("radseg"))
        facts = self._facts(file, url, headers)
        if facts.size is None:
            raise WeightsUnavailableError(f"The hub does not say how long {self.name}/{file} is.")
        self.revision = str(facts.commit_hash or self.revision)
        url = hf_hub_url(self.name, file, revision=self.revision)
        # as it is stored: a compressed answer could not be taken up in the middle
        headers |= {"Accept-Encoding": "identity"}
        return RemoteFile(file, url, facts.size, str(facts.etag or ""), self.revision, headers)

    def _facts(self, file: str, url: str, headers: dict[str, str]) -> Any:
        """Return the library's own account of the hub's answer, asked for again while the hub is busy."""
        patience = Patience(f"{self.name}/{file}", self._announce, FIRST_ATTEMPTS)
        while True:
            try:
                return get_hf_file_metadata(url, headers=headers)
            except EntryNotFoundError as error:
                raise NotPublishedError(f"The repository {self.name} has no file {file}.") from error
            except (HTTP.HTTPError, OSError) as error:
                if _is_plain_404(error):  # a mirror that does not say which of the two is missing
                    raise NotPublishedError(f"There is no {file} of {self.name} at {url}.") from error
                patience.after(error)


def _is_plain_404(error: Exception) -> bool:
    return (
        isinstance(error, HfHubHTTPError)
        and error.response.status_code == 404
        and not error.response.headers.get("X-Error-Code")
    )


@contextmanager
def _readable_cache() -> Iterator[None]:
    """Inside, what the disk refuses of the hub client's folder is said with the variable that moves it."""
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"Cannot read {error.filename or constants.HF_HOME}: {error.strerror or error}. It is the hub's "
            "own cache; set HF_HOME to a folder of yours, or make it readable."
        ) from error
