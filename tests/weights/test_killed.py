"""A download whose process is killed goes on in the next one; `benchmarks.interruptions` does more of it."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loopback_hub import Hub, address
from radseg.weights.fetch import download
from radseg.weights.hub import Repository
from radseg.weights.reporters import LOGGED

CODE = """
import sys
from pathlib import Path
from radseg.weights.fetch import download
from radseg.weights.hub import Repository
from radseg.weights.reporters import LOGGED
download(Repository("a/b", "main").locate("file"), Path(sys.argv[1]), reporter=LOGGED)
"""
CONTENT = random.Random(0).randbytes(6_000_000)


def start(hub: type[Hub], target: Path, src: Path) -> "subprocess.Popen[bytes]":
    env = os.environ | {"PYTHONPATH": str(src), "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0"}
    return subprocess.Popen([sys.executable, "-c", CODE, target], env=env, stderr=subprocess.PIPE)


def killed_at(count: int, process: "subprocess.Popen[bytes]", folder: Path) -> int:
    """Kill a download once so many bytes are on the disk, and return how many are then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if any(part.stat().st_size >= count for part in folder.glob(".*.part")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    assert process.wait() == -signal.SIGKILL, process.stderr and process.stderr.read()
    (part,) = folder.glob(".*.part")
    return part.stat().st_size


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX systems")
def test_a_killed_download_goes_on_where_it_was_and_is_whole(
    hub: type[Hub], tmp_path: Path, repository: Path
) -> None:
    hub.files[address("a/b", "file")], hub.rate = CONTENT, 6_000_000
    target, src = tmp_path / "store" / "file", repository / "src"
    here = killed_at(2_500_000, start(hub, target, src), target.parent)
    hub.rate = 0
    assert start(hub, target, src).wait() == 0
    assert hub.ranges == [None, f"bytes={here}-"]
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a signal of POSIX systems")
def test_a_byte_that_turned_after_a_kill_is_found(hub: type[Hub], tmp_path: Path, repository: Path) -> None:
    hub.files[address("a/b", "file")], hub.rate = CONTENT, 6_000_000
    target, src = tmp_path / "store" / "file", repository / "src"
    killed_at(1_000_000, start(hub, target, src), target.parent)
    (part,) = target.parent.glob(".*.part")
    with part.open("r+b") as file:
        file.seek(500_000)
        file.write(bytes([CONTENT[500_000] ^ 1]))
    hub.rate = 0
    again = start(hub, target, src)
    assert b"It was removed" in again.communicate()[1]
    assert list(target.parent.iterdir()) == []
    download(Repository("a/b", "main").locate("file"), target, reporter=LOGGED)
    assert target.read_bytes() == CONTENT
    assert hub.ranges[2] is None  # from the start
