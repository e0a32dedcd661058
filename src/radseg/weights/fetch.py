"""Whole-file downloads: resumable, checked while they stream, complete or absent.

An interrupted download leaves `<name>.part` and, beside it, the server's tag of the content; it goes on from
there only if the server still has that very content.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from radseg.errors import ResourceError, WeightsUnavailableError
from radseg.weights.hub import (
    ATTEMPTS,
    FORBIDDEN,
    TRANSIENT,
    UNAVAILABLE,
    RemoteFile,
    git_blob_sha1,
    open_stream,
    pause,
)
from radseg.weights.safefile import Progress

_PIECE = 1024 * 1024  # bytes
_SPARE = 64 * 1024 * 1024  # bytes to leave free on the disk
_SMALL = 64 * 1024 * 1024  # bytes; files checked by git's hash are read whole


@dataclass(frozen=True)
class Expected:
    """What a download must turn out to be; None where nothing is known."""

    sha256: str | None = None
    git_sha1: str | None = None
    size: int | None = None


def download(
    remote: RemoteFile,
    target: Path,
    *,
    sha256: str | None = None,
    progress: Progress | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> str:
    """Fetch `remote` to `target` and return its sha256.

    Args:
        remote: where it is, and the digest its hub reports.
        target: the finished file; written in one step at the end.
        sha256: a pinned digest, which wins over the hub's.
        progress: called with bytes done and in total (0 if not known).
        wait: how to pass time between attempts.

    Raises:
        WeightsUnavailableError: the server fails for good, or the content is not the expected one.
        ResourceError: the disk is full or cannot be written.
    """
    expected = Expected(sha256 or remote.sha256, remote.git_sha1, remote.size)
    job = _Job(remote, target, expected, progress)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = job.run(wait)
        job.part.replace(target)
        job.tag.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, (ResourceError, FileNotFoundError)) or error.errno is None:
            raise
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise ResourceError(f"Cannot write {target}: {reason}.") from error
    return digest


class _Job:
    """One download with its state on disk."""

    def __init__(
        self, remote: RemoteFile, target: Path, expected: Expected, progress: Progress | None
    ) -> None:
        self.remote, self.target, self.expected, self.progress = remote, target, expected, progress
        self.part = target.with_name(target.name + ".part")
        self.tag = target.with_name(target.name + ".part.json")
        self.hash = hashlib.sha256()
        self.done = 0

    def run(self, wait: Callable[[float], None]) -> str:
        self._resume_point()
        require_space(self.target, (self.expected.size or 0) - self.done)
        failures = 0
        while True:
            before = self.done
            try:
                self._stream()
                break
            except FORBIDDEN as error:
                raise WeightsUnavailableError(
                    f"HF_HUB_OFFLINE is set; {self.target.name} is not fetched."
                ) from error
            except UNAVAILABLE as error:
                if isinstance(error, ResourceError) or _is_disk(error):
                    raise
                failures = 1 if self.done > before else failures + 1
                if failures >= ATTEMPTS:
                    raise WeightsUnavailableError(
                        f"Downloading {self.target.name} failed {failures} times at byte {self.done}: "
                        f"{str(error)[:200] or type(error).__name__}. Run the command again to go on "
                        "from there."
                    ) from error
                wait(pause(failures))
        return self._verified()

    def _resume_point(self) -> None:
        """Take over what an earlier attempt left, if the tag beside it belongs to the same file."""
        if self.part.exists() and self._stored_tag() is None:
            self.part.unlink()
        if self.part.exists():
            with self.part.open("rb") as file:
                while piece := file.read(_PIECE):
                    self.hash.update(piece)
                    self.done += len(piece)

    def _stored_tag(self) -> str | None:
        try:
            stored: dict[str, Any] = json.loads(self.tag.read_text(encoding="utf-8"))
            same = stored["url"] == self.remote.url and stored["sha256"] == self.expected.sha256
            return str(stored["tag"]) if same and stored["tag"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _restart(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
        self.hash, self.done = hashlib.sha256(), 0

    def _stream(self) -> None:
        if self.expected.size is not None and self.done == self.expected.size:
            return
        tag = self._stored_tag()
        extra = {"Range": f"bytes={self.done}-", "If-Range": tag} if self.done and tag else {}
        if not extra:
            self._restart()
        with open_stream(self.remote, extra) as response:
            if extra and response.status_code != 206:
                self._restart()  # the content has changed, or the server cannot resume
            if response.status_code == 416:
                raise OSError("the server has no such range")
            if response.status_code not in (200, 206):
                self._refuse(response.status_code)
            self._remember(str(response.headers.get("ETag", "")))
            with self.part.open("ab") as file:
                try:
                    self._append(file, response)
                finally:
                    file.flush()
                    os.fsync(file.fileno())
        if self.expected.size is not None and self.done < self.expected.size:
            raise OSError(f"the answer ended at byte {self.done} of {self.expected.size}")

    def _refuse(self, status: int) -> None:
        if status in TRANSIENT:
            raise OSError(f"the server answered {status}")
        hint = " Accept the terms on its page and set HF_TOKEN." if status in (401, 403) else ""
        raise WeightsUnavailableError(f"The server answered {status} for {self.remote.url}.{hint}")

    def _remember(self, tag: str) -> None:
        # a weak tag does not promise equal bytes, so it cannot carry a resumption
        content = {
            "url": self.remote.url,
            "sha256": self.expected.sha256,
            "tag": "" if tag.startswith("W/") else tag,
        }
        self.tag.write_text(json.dumps(content), encoding="utf-8")

    def _append(self, file: BinaryIO, response: Any) -> None:
        total = self.expected.size or 0
        for piece in response.iter_raw():  # as it arrives: a larger buffer would be lost with the connection
            if total and self.done + len(piece) > total:
                self._restart()
                raise WeightsUnavailableError(
                    f"{self.target.name} is longer than the {total} bytes announced."
                )
            file.write(piece)
            self.hash.update(piece)
            self.done += len(piece)
            if self.progress is not None:
                self.progress(self.done, total)

    def _verified(self) -> str:
        digest = self.hash.hexdigest()
        wrong = self.expected.sha256 not in (None, digest)
        if self.expected.sha256 is None and self.expected.git_sha1 is not None and self.done <= _SMALL:
            wrong = git_blob_sha1(self.part.read_bytes()) != self.expected.git_sha1
        if wrong:
            self._restart()
            wanted = self.expected.sha256 or self.expected.git_sha1
            raise WeightsUnavailableError(
                f"{self.target.name} arrived with sha256 {digest}; {wanted} is expected. It was removed. "
                "Try again; if it happens twice, the file at the source is not the one this release knows."
            )
        return digest


def require_space(target: Path, needed: int) -> None:
    """Raise ResourceError unless the disk of `target`'s folder has room for `needed` more bytes."""
    free = shutil.disk_usage(target.parent).free
    if needed > 0 and free < needed + _SPARE:
        raise ResourceError(
            f"{target.name} needs {needed / 1e6:.0f} MB more in {target.parent}; {free / 1e6:.0f} MB are "
            "free. Set RADSEG_HOME to a larger disk."
        )


def _is_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EFBIG,
    )
