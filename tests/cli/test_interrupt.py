"""Ctrl-C and kill end a run with 130, keep what is done, and print the command that continues."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_builders import Command, paint

from radseg.cli.segment import resume_command

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


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_continue(
    tmp_path: Path, repository: Path, radseg: Command, kind: signal.Signals
) -> None:
    for number in range(30):
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
    child.send_signal(kind)
    rest, complaint = child.communicate()
    assert (child.returncode, complaint) == (130, "Loading toy …\n" if "Loading" in complaint else "")
    told = {event["event"]: event for event in map(json.loads, rest.splitlines())}
    assert (told["error"]["message"], told["error"]["exit"]) == ("Interrupted.", 130)
    resumed = radseg(*shlex.split(told["stopped"]["resume"])[1:])
    assert resumed.exit_code == 0
    lines = Path("radseg-output/manifest.jsonl").read_text().splitlines()[1:]
    assert sorted(json.loads(line)["name"] for line in lines) == [f"{number:02}" for number in range(30)]


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
