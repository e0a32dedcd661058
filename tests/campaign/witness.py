"""What a process does while it reads hostile input: what it writes where, whom it calls, what it prints."""

import os
import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from radseg.cli.failures import warnings_in_one_line

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_CALLS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec"}
TRACES = ("site-packages", "Traceback", "fault of radseg", "src/radseg", 'File "')
"""What no person should read: paths of the installation, and Python's own words."""
MOST_MEMORY = 1 * 2**30
"""Bytes that a process may grow by while it reads one hostile input; an image says its own."""


class Witness:
    """Sees what this process does, by Python's audit events and its own standard streams.

    Attributes:
        allowed: folders in which it may write.
        most_memory: bytes that the process may grow by while it is watched.
        deeds: what was done in the last block that must not be: a write elsewhere, a connection, a program, a
            line on the terminal.
    """

    def __init__(self, *allowed: Path) -> None:
        self.allowed = tuple(str(path.resolve()) for path in allowed)
        self.most_memory = MOST_MEMORY
        self.deeds: list[str] = []
        self._watches = False
        sys.addaudithook(self._heard)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note in `deeds` what is done in the block."""
        self.deeds = []
        with _streams_in_file(self.deeds), warnings_in_one_line():
            before = _peak_since_now()
            self._watches = True
            try:
                yield
            finally:
                self._watches = False
                if (grown := _peak() - before) > self.most_memory:
                    self.deeds.append(f"grew by {grown >> 20} MiB, more than {self.most_memory >> 20}")

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watches:
            return
        if event in _CALLS:
            self.deeds.append(f"{event} {str(arguments)[:200]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            self._require_inside(event, arguments[0])
        elif event in _CHANGES:
            paths = arguments[1:2] if event == "os.symlink" else arguments
            for path in paths:
                self._require_inside(event, path)

    def _require_inside(self, event: str, path: Any) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return
        real = os.path.realpath(os.path.dirname(os.path.abspath(os.fsdecode(path))))  # noqa: PTH100, PTH120
        if real != "/dev" and not any(real == one or real.startswith(one + os.sep) for one in self.allowed):
            self.deeds.append(f"{event} outside its folders: {os.fsdecode(path)}")


@contextmanager
def _streams_in_file(deeds: list[str]) -> Iterator[None]:
    """Note what the process and its C libraries write to standard output and error; show it to nobody."""
    with tempfile.TemporaryFile() as file:
        kept = [os.dup(number) for number in (1, 2)]
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            with own_streams():
                yield
        finally:
            for number, descriptor in zip((1, 2), kept, strict=True):
                os.dup2(descriptor, number)
                os.close(descriptor)
            file.seek(0)
            lines = file.read(10_000).decode(errors="replace").splitlines()
            if foreign := [line for line in lines if not _is_ours(line)]:
                deeds.append(f"wrote to the terminal: {' '.join(foreign)[:300]}")


@contextmanager
def own_streams() -> Iterator[None]:
    """Let Python write to descriptors 1 and 2, whatever a test runner has put in place of its streams."""
    with (
        open(1, "w", closefd=False) as output,
        open(2, "w", closefd=False) as error,
        redirect_stdout(output),
        redirect_stderr(error),
    ):
        yield


def _is_ours(line: str) -> bool:
    """Whether a line is what the command line makes of a warning."""
    return line.startswith("Warning: ") and not any(trace in line for trace in TRACES)


def _into(descriptors: list[int]) -> None:
    for number, stream, descriptor in zip((1, 2), (sys.stdout, sys.stderr), descriptors, strict=True):
        stream.flush()
        os.dup2(descriptor, number)


def _peak_since_now() -> int:
    """Begin to measure the peak anew where the system can, and return the bytes now."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Return the most bytes that the process had in memory."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    most = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * 1024
