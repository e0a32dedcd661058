"""Ctrl-C and kill end a run with 130, keep what is done, and print the command that continues."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_builders import Command, paint

from radseg.cli.segment import resume_command
from radseg.segment import Segmenter

IMAGES = 6
SLOW = """
import sys, time
from radseg import presets
from radseg.cli import main
from radseg.segment import Segmenter

real = Segmenter.segment

def slow(self, *arguments, **options):
    time.sleep(0.2)
    return real(self, *arguments, **options)

Segmenter.segment = slow
main()
"""


def test_an_interrupted_run_says_how_to_continue(tmp_path: Path, repository: Path, radseg: Command) -> None:
    for number in range(IMAGES):
        paint(tmp_path / f"photos/{number:02}.png")
    arguments = ["segment", "photos", "-m", "toy", "-p", "red, blue", "--save", "labels"]
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, *arguments, "--log-format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository / "src"), "OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    while '"image"' not in child.stdout.readline():
        assert child.poll() is None, child.communicate()[1]
    child.send_signal(signal.SIGINT)
    rest, complaint = child.communicate()
    assert (child.returncode, complaint) == (130, "Loading toy …\n" if "Loading" in complaint else "")
    told = {event["event"]: event for event in map(json.loads, rest.splitlines())}
    assert (told["error"]["message"], told["error"]["exit"]) == ("Interrupted.", 130)
    resumed = radseg(*shlex.split(told["stopped"]["resume"])[1:])
    assert resumed.exit_code == 0
    lines = Path("radseg-output/manifest.jsonl").read_text().splitlines()[1:]
    assert sorted(json.loads(line)["name"] for line in lines) == [f"{number:02}" for number in range(IMAGES)]


def test_kill_ends_a_run_as_ctrl_c_does(toy: Command, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    real = Segmenter.encode_many

    def killed_at_the_second(self: Segmenter, *arguments: Any, **options: Any) -> Any:
        done.append(1)
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *arguments, **options)

    monkeypatch.setattr(Segmenter, "encode_many", killed_at_the_second)
    result = toy(photos, "-p", "red, blue", "-o", "out")
    assert result.exit_code == 130
    assert "Stopped after 1 of 3 images; what is done is in out." in result.stderr
    assert result.stderr.endswith("radseg: Interrupted.\n")
    assert "2 done, 1 done before" in toy(photos, "-p", "red, blue", "-o", "out", "--resume").stdout


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["segment", "a b.jpg", "-p", "x"], "radseg segment 'a b.jpg' -p x -o out --resume"),
        (["segment", "a.jpg", "-o", "out", "--overwrite"], "radseg segment a.jpg -o out --resume"),
        (["segment", "a.jpg", "--output=out", "--resume"], "radseg segment a.jpg --output=out --resume"),
    ],
)
def test_the_command_that_continues_is_the_same_with_resume(arguments: list[str], command: str) -> None:
    assert resume_command(arguments, Path("out")) == command
