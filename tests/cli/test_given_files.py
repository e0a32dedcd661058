"""Files that a person names: what hangs or never ends is refused in one line, a pipe of a shell is read."""

import os
import signal
import threading

import pytest
from typer.testing import CliRunner

from evaluation_builders import paper_run
from radseg.cli.app import app
from recordings import write_recording

# each a command line whose {bad} is a file that the verb reads
READ = {
    "class file": ("segment", "photo.png", "-m", "toy", "--classes", "{bad}"),
    "list of images": ("segment", "@{bad}", "-m", "toy", "-p", "red,blue"),
    "image": ("segment", "{bad}", "-m", "toy", "-p", "red,blue"),
    "pack": ("segment", "photo.png", "-m", "toy", "--vocabulary", "{bad}"),
    "checkpoint": ("segment", "photo.png", "-m", "./{bad}", "-p", "red,blue"),
    "text tower": ("text", "-m", "radseg-b", "--text-tower", "{bad}", "-p", "red", "-o", "a.safetensors"),
    "names of a set": ("eval", "folder", "--data", "set", "--classes", "{bad}", "-m", "toy"),
    "result": ("report", "{bad}"),
    "costs": ("report", "result.json", "--costs", "{bad}", "--plot", "plot.png"),
    "plugin": ("segment", "photo.png", "-m", "toy", "-p", "red,blue", "--plugin", "{bad}"),
    "map": ("map", "info", "{bad}"),
    "image of a query": ("compare", "{bad}", "-m", "toy", "-p", "red,blue"),
}
IN_PLACE = {
    "pose": "recording/frame-000000.pose.txt",
    "camera": "recording/camera-intrinsics.txt",
    "table of colours": "set/labelmap.txt",
}
"""Files that are found in a folder that is named."""


@pytest.fixture(autouse=True)
def _in_time():
    """Fail where something waits for a FIFO that nobody writes, in place of waiting with it."""

    def late(*_):
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(40)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def fifo(tmp_path, photo, labelled):
    """A FIFO that nobody writes, as its name in the current folder."""
    os.mkfifo(tmp_path / "fifo.pth")
    (tmp_path / "result.json").write_text(paper_run().to_json())
    return "fifo.pth"


@pytest.mark.parametrize("bad", ["fifo.pth", "/dev/zero"])
@pytest.mark.parametrize("what", READ)
def test_a_fifo_and_an_endless_device_are_refused(radseg, fifo, what, bad):
    typed = [word.format(bad=bad).replace(".//", "/") for word in READ[what]]
    done = radseg(*typed, *(("-o", "out.png") if typed[0] in ("segment", "eval", "compare") else ()))
    assert done.exit_code in (1, 2, 3), done.output
    assert len(done.stderr.splitlines()) <= 3, done.stderr
    assert bad.removesuffix(".pth") in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize("what", IN_PLACE)
def test_a_fifo_in_place_of_a_file_of_a_folder_is_refused(radseg, tmp_path, labelled, what):
    write_recording(tmp_path / "recording")
    (tmp_path / IN_PLACE[what]).unlink(missing_ok=True)
    os.mkfifo(tmp_path / IN_PLACE[what])
    if what == "table of colours":
        done = radseg("eval", "folder", "--data", "set", "-m", "toy", "-o", "out")
    else:
        done = radseg("map", "build", "recording", "-m", "toy", "-o", "out", "--no-check")
    assert done.exit_code in (1, 2), done.output
    assert "Traceback" not in done.output


def test_names_may_come_from_standard_input_or_a_pipe(radseg, photo, tmp_path):
    typed = ["segment", "photo.png", "-m", "toy", "--save", "labels"]
    given = CliRunner().invoke(app, [*typed, "--classes", "-", "-o", "one"], input="red\nblue\n")
    assert given.exit_code == 0, given.output
    reading, writing = os.pipe()
    os.write(writing, b"red\nblue\n")
    os.close(writing)
    assert radseg(*typed, "--classes", f"/dev/fd/{reading}", "-o", "two").exit_code == 0
    assert (tmp_path / "one/masks/photo.png").read_bytes() == (tmp_path / "two/masks/photo.png").read_bytes()


def test_a_pipe_that_does_not_end_is_refused_at_the_limit(radseg, photo, monkeypatch):
    monkeypatch.setattr("radseg.files.MAX_BYTES", 1000)
    reading, writing = os.pipe()
    threading.Thread(target=_pour, args=(writing,), daemon=True).start()
    done = radseg("segment", "photo.png", "-m", "toy", "--classes", f"/dev/fd/{reading}")
    os.close(reading)
    assert done.exit_code == 2
    assert "does not end; at most 1,000 bytes are read" in " ".join(done.stderr.split())


def _pour(writing):
    try:
        while True:
            os.write(writing, b"red\n" * 1000)
    except OSError:
        os.close(writing)
