"""A hub of a few files on loopback: its addresses, headers and ranges, and its bad days."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from quiet_server import QuietServer

COMMIT = "c" * 40


def address(repository: str, file: str) -> str:
    """Return the key of a file among `Hub.files`."""
    return f"{repository}/resolve/main/{file}"


class Answer(NamedTuple):
    """A refusal.

    Attributes:
        method: which requests it answers, "" all.
    """

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012 - a tuple's default is never changed
    method: str = ""


class Hub(BaseHTTPRequestHandler):
    """What it serves, what it was asked, and what it answers instead.

    Attributes:
        files: content by `address`.
        sent: path and bytes of each body.
        asked: path and user agent of each request.
        ranges: which bytes each body was asked for.
        refusals: answers to give before anything else, each once.
        rate: bytes in a second that a body comes with, 0 as fast as it goes.
        endpoint: its address.
    """

    files: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[list[tuple[str, int]]] = []
    seen_tokens: ClassVar[set[str | None]] = set()
    asked: ClassVar[list[tuple[str, str]]] = []
    ranges: ClassVar[list[str | None]] = []
    refusals: ClassVar[list[Answer]] = []
    rate: ClassVar[float] = 0
    endpoint: ClassVar[str] = ""

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        name = self.path.removeprefix("/").replace(COMMIT, "main")
        self.asked.append((self.path, self.headers.get("User-Agent", "")))
        self.seen_tokens.add(self.headers.get("Authorization"))
        if (refusal := self._refusal()) is not None:
            self._say(refusal.status, refusal.headers)
            return
        if name not in self.files:
            self._say(404, {"X-Error-Code": "EntryNotFound"})
            return
        whole = self.files[name]
        content, headers = whole, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(whole).hexdigest()}"'}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if body else None
        if wanted:
            content = whole[int(wanted[1]) : int(wanted[2]) + 1 if wanted[2] else None]
            headers["Content-Range"] = f"bytes {wanted[1]}-{int(wanted[1]) + len(content) - 1}/{len(whole)}"
        self._say(206 if wanted else 200, headers, len(content))
        if body:
            self.ranges.append(self.headers.get("Range"))
            with suppress(ConnectionError):  # whoever asked was killed
                self._send(content)

    def _refusal(self) -> Answer | None:
        if self.refusals and self.refusals[0].method in ("", self.command):
            return self.refusals.pop(0)
        return None

    def _say(self, status: int, headers: dict[str, str], length: int = 0) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(key, value)
        self.end_headers()

    def _send(self, content: bytes) -> None:
        step = 2**16 if self.rate else max(1, len(content))
        self.sent.append((self.path, len(content)))  # before: who has read all must find it
        for start in range(0, len(content), step):
            self.wfile.write(content[start : start + step])
            if self.rate:
                time.sleep(step / self.rate)


@contextmanager
def running_hub(patch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """Serve an empty hub, and let the hub client of this process ask it."""
    server = QuietServer(("127.0.0.1", 0), Hub)
    Hub.files, Hub.sent, Hub.seen_tokens, Hub.asked = {}, [], set(), []
    Hub.refusals, Hub.ranges, Hub.rate = [], [], 0
    Hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    use_endpoint(Hub.endpoint, patch)
    patch.setenv("HF_TOKEN", "hf_secret")
    yield Hub
    server.shutdown()
    thread.join()
    server.server_close()


def use_endpoint(endpoint: str, patch: pytest.MonkeyPatch) -> None:
    """Let the hub client ask another hub, as HF_ENDPOINT does for a new process."""
    patch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    patch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)


def into_hub_cache(
    folder: Path, files: dict[str, bytes], repository: str, absent: tuple[str, ...] = ()
) -> None:
    """Lay files down as the hub client does."""
    kept = folder / f"models--{repository.replace('/', '--')}"
    for name, content in files.items():
        path = kept / "snapshots" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for name in absent:
        path = kept / ".no_exist" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
