"""Every exception becomes one line and an exit code; tracebacks only when asked for."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_builders import Command, events

from radseg.cli.failures import ExitCode, explain, printable
from radseg.errors import (
    CheckpointError,
    ImageError,
    InputError,
    MissingExtraError,
    MissingFileError,
    RadsegError,
    ResourceError,
    SpaceMismatchError,
    UnsafeCheckpointError,
    VocabularyError,
    WeightsUnavailableError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ImageError("x"), 1),
        (InputError("x"), 2),
        (VocabularyError("x"), 2),
        (SpaceMismatchError("x"), 2),
        (MissingFileError("x"), 2),
        (CheckpointError("x"), 3),
        (UnsafeCheckpointError("x"), 3),
        (ResourceError("x"), 3),
        (WeightsUnavailableError("x"), 3),
        (MissingExtraError("x"), 3),
        (OSError(errno.ENOSPC, "No space left on device"), 3),
        (MemoryError(), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 3),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert explain(error)[0] == code


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space", "/out/a.png"), "The disk is full at /out/a.png. Free some space"),
        (
            OSError(errno.EROFS, "Read-only", "/out/a.png"),
            "No permission to write /out/a.png. Choose another",
        ),
        (PermissionError(errno.EACCES, "Permission denied"), "No permission to write there."),
        (OSError(errno.EIO, "Input/output error", "/out"), "Input/output error: /out."),
        (KeyError("labels"), "KeyError: 'labels' This is a fault of radseg"),
    ],
)
def test_messages_say_what_to_do(error: Exception, message: str) -> None:
    assert explain(error)[1].startswith(message)


def test_every_error_of_the_tree_has_a_code_of_its_own_kind() -> None:
    def tree(kind: type[RadsegError]) -> list[type[RadsegError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    for kind in tree(RadsegError):
        assert "fault of radseg" not in explain(kind("x"))[1], kind


def test_control_characters_never_reach_the_terminal() -> None:
    assert printable("a\x1b[31m\r\x07\udce9é\n") == "a\\x1b[31m\\r\\x07\\udce9é\n"


def broken(*_: object, **__: object) -> None:
    """Fail as a bug would."""
    raise ZeroDivisionError("division by zero")


def test_a_bug_shows_one_line(toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radseg.runs.segmentation.collect", broken)
    result = toy(photo, "-p", "red")
    assert result.exit_code == 3
    assert result.stderr.startswith("radseg: ZeroDivisionError: division by zero This is a fault of radseg")
    assert "Traceback" not in result.output


def test_debug_shows_the_traceback(radseg: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADSEG_DEBUG", "0")  # restored afterwards; --debug sets it to 1
    monkeypatch.setattr("radseg.runs.segmentation.collect", broken)
    result = radseg("--debug", "segment", photo, "-p", "red", "-m", "toy")
    assert (result.exit_code, "Traceback" in result.stderr) == (3, True)


def test_an_error_is_an_event_in_json(toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [str(photo), "-p", "red", "--mode", "assign", "--log-format", "json"]
    monkeypatch.setattr(sys, "argv", ["radseg", *arguments])
    last = events(toy(*arguments))[-1]
    assert last["event"] == "error"
    assert last["exit"] == ExitCode.WRONG_USE
    assert "mode 'assign'" in last["message"]


def test_a_full_disk_ends_with_3_and_the_way_to_continue(
    toy: Command, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, begun = os.write, []

    def full(handle: int, data: bytes) -> int:
        begun.extend([handle] if bytes(data[:4]) == b"\x89PNG" else [])
        if len(begun) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        result = toy(photos, "-p", "red, blue", "-o", "out")
    assert result.exit_code == 3
    assert "Stopped after 1 of 3 images" in result.stderr
    assert "Continue with: radseg " in result.stderr
    assert "The disk is full: out/b.png was not written" in result.stderr
    assert not list(Path("out").glob(".radseg-*.part"))
    assert toy(photos, "-p", "red, blue", "-o", "out", "--resume").exit_code == 0


def test_a_read_only_output_folder_ends_with_3(
    toy: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out").mkdir()
    # The tests may run as root, who may write anywhere.
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    result = toy(photo, "-p", "red", "-o", "out")
    assert (result.exit_code, "out is not writable" in result.stderr) == (3, True)


def test_weights_out_of_reach_end_with_3(
    radseg: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseg.weights.hub.is_offline", lambda: True)
    result = radseg("segment", photo, "-p", "red", "-m", "radseg-b")
    assert result.exit_code == 3
    assert "c-radio_v3-b is not on this machine" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not Path("radseg-output").exists()


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, repository: Path) -> None:
    script = "for _ in range(9999): typer.echo('line')"
    code = (
        f"import typer\nfrom radseg.cli.app import app\n@app.command()\ndef chatter():\n    {script}\napp()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, "chatter"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(repository / "src")},
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr is not None
    assert b"Traceback" not in child.stderr.read()
    child.wait()


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams_end_nothing(closed: str, repository: Path) -> None:
    command = f"{sys.executable} -m radseg.cli segment missing.jpg -p red -m toy {closed}"
    environment = {**os.environ, "PYTHONPATH": str(repository / "src")}
    ended = subprocess.run(command, shell=True, env=environment, capture_output=True, check=False)
    assert ended.returncode == ExitCode.WRONG_USE
    assert b"Traceback" not in ended.stderr
