"""A disk that is full at any write: how to continue, which file, nothing left behind, and the run goes on."""

import errno
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_builders import Command, folder_options
from typer.testing import Result

from mapping.map_folders import content
from recordings import write_recording


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


BUILD = ("-o", "out", "-m", "toy", "--no-check", "--log-format", "json")


def test_map_build_stops_at_any_write_beside_the_old_map_and_says_how_it_goes_on(
    radseg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_recording(tmp_path / "recording")
    command = ["map", "build", str(recording), *BUILD]
    assert radseg(*command).exit_code == 0
    fresh = content(Path("out"))
    assert radseg(*command, "--skip", "1", "--overwrite").exit_code == 0
    before = content(Path("out"))
    monkeypatch.setattr("radseg.runs.mapping.BuildRequest.checkpoint_seconds", 0)
    monkeypatch.setattr(sys, "argv", ["radseg", *command, "--overwrite"])
    for write in range(99):
        result, was_full = full_from(monkeypatch, write, lambda: radseg(*command, "--overwrite"))
        if not was_full:
            break
        assert result.exit_code == 3, result.output
        assert "The disk is full: out/" in result.output
        assert ".part" not in result.output
        assert before.items() <= content(Path("out")).items()
        assert not list(Path("out").rglob("*.part"))
        (line,) = [one for one in result.stderr.splitlines() if " with: radseg " in one]
        assert ("--resume" in line) == Path("out/map.next.json").exists()
        assert radseg(*shlex.split(line.partition(" with: radseg ")[2])).exit_code == 0
        assert content(Path("out")) == fresh
        assert radseg(*command, "--skip", "1", "--overwrite").exit_code == 0
    assert write > 4
    assert content(Path("out")) == fresh


def test_what_is_written_of_a_map_is_whole_or_as_before_where_the_disk_is_full(
    radseg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write_recording(tmp_path / "recording")
    for name, skip in (("a", 0), ("b", 1)):
        built = radseg("map", "build", recording, *BUILD, "--frame", "hall", "--skip", skip, "-o", name)
        assert built.exit_code == 0, built.output
    Path("out").mkdir()
    for verb, target in (
        (("map", "merge", "a", "b", "--overwrite"), "out/both"),
        (("map", "export", "a", "--overwrite"), "out/a.ply"),
        (("map", "export", "a", "--overwrite"), "out/a.npz"),
        (("map", "render", "a", "--width", 64, "--height", 64, "-p", "red"), "out/images"),
        (("query", "a", "red"), "out/answer"),
    ):

        def run(command: tuple[object, ...] = (*verb, "-o", target)) -> Result:
            return radseg(*command)

        for write in range(99):
            result, was_full = full_from(monkeypatch, write, run)
            if not was_full:
                break
            assert result.exit_code == 3, result.output
            assert f"The disk is full: {target}" in result.stderr
            assert "free some space" in result.stderr
            assert ".part" not in result.stderr
            assert not list(Path().rglob("*.part"))
            if verb[1] in ("merge", "export"):
                assert not Path(target).exists()
        else:
            raise AssertionError("the disk was never large enough")
        assert write > 0, verb
        assert (result.exit_code, Path(target).exists()) == (0, True)
        if verb[1] in ("merge", "export"):
            whole = content(Path("out"))
            again, was_full = full_from(monkeypatch, 0, run)
            assert (again.exit_code, was_full) == (3, True)
            assert content(Path("out")) == whole
