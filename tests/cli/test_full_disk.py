"""A disk that is full at any write: how to continue, which file, nothing left behind, and the run goes on."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_builders import Command, folder_options
from typer.testing import Result


def full_from(monkeypatch: pytest.MonkeyPatch, write: int, call: Callable[[], Result]) -> tuple[Result, bool]:
    """Call with a disk that takes so many writes below `out`; return the result and whether it was full."""
    real, writes = os.write, []

    def full(handle: int, data: bytes) -> int:
        if "/out/" in str(Path(f"/proc/self/fd/{handle}").readlink()):
            writes.append(handle)
            if len(writes) > write:
                raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        return call(), len(writes) > write


def stops_and_continues(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the disk be full at each write in turn; return how many writes a run has."""
    for write in range(99):
        result, was_full = full_from(monkeypatch, write, lambda: run("--overwrite"))
        if not was_full:
            return write
        assert result.exit_code == 3, result.output
        assert "Continue with: radseg " in result.stderr
        assert "The disk is full: out/" in result.stderr
        assert ".part" not in result.stderr
        assert not list(Path().rglob("*.part"))
        assert run("--resume").exit_code == 0
    raise AssertionError("the disk was never large enough")


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells files apart by /proc")


def test_segment_stops_at_any_write_and_continues(
    toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(existing: str) -> Result:
        return toy(photo, "-p", "red", "-o", "out", "--save", "labels,coco", existing)

    assert stops_and_continues(run, monkeypatch) == 6  # two lines, two files of the image, two of the run


def test_eval_stops_at_any_write_and_continues(
    radseg: Command, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(existing: str) -> Result:
        options = (*folder_options(labelled), "--limit", 1, "-o", "out", existing)
        return radseg("eval", "folder", "-m", "toy", *options)

    assert stops_and_continues(run, monkeypatch) == 6  # three lines, and the three files of the result


def test_a_folder_that_holds_only_the_lock_is_removed_again(
    toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _ = full_from(monkeypatch, 0, lambda: toy(photo, "-p", "red", "-o", "out"))
    assert (result.exit_code, Path("out").exists()) == (3, False)
    assert "Continue with: radseg " in result.stderr
