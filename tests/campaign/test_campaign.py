"""A slice of every campaign passes, and every judge is seen to fail. That of the page is in tests/viewer."""

import os
import signal
import socket
import sys
import time
import warnings
from contextlib import nullcontext
from pathlib import Path

import pytest

import campaign.images
import radseg.files
import radseg.mapping.shards
from campaign.__main__ import conducted, main
from campaign.cases import Campaign, Case, judged, numbers
from campaign.image_seeds import seeds
from campaign.images import mutated
from campaign.kills import KILLS
from campaign.kinds import CAMPAIGNS
from campaign.maps import MAPS
from campaign.recordings import RECORDINGS
from campaign.witness import Witness
from campaign.workers import run
from radseg.errors import InputError

LEAST = {"images": 5000, "weights": 300, "recordings": 200, "maps": 200, "kills": 60, "page": 60}


@pytest.mark.parametrize("name", [name for name in CAMPAIGNS if name != "page"])
def test_a_slice_of_the_campaign_passes(name, tmp_path):
    kind = CAMPAIGNS[name]
    row = conducted(kind, list(numbers(kind.small, kind.most)), 0, tmp_path)
    assert [one for one in row.outcomes if one[1].kind == "failed"] == []
    assert len(row.outcomes) == kind.small


def test_the_campaigns_are_as_large_as_they_are_said_to_be():
    assert {name: count for name, count in LEAST.items() if CAMPAIGNS[name].count < count} == {}
    assert len(seeds()) >= 45


def refusing(message):
    def read():
        raise InputError(message)

    return read


def foreign():
    raise ValueError("x")


def noisy():
    os.write(2, b"libtiff: bad\n")


def warned():
    warnings.warn_explicit("See site-packages/x.py", UserWarning, "other.py", 1)


def connected():
    with socket.socket() as made:
        made.settimeout(0.1)
        made.connect_ex(("127.0.0.1", 9))


def greedy():
    assert len(bytes(range(256)) * 2**20)


WRONG = {
    "accepted, although it is wrong": lambda: None,
    "foreign exception ValueError": foreign,
    "foreign exception SystemExit": lambda: sys.exit(3),
    "names none": refusing("The image is damaged."),
    "several lines": refusing("a.png is\ndamaged"),
    "of 5006 letters": refusing("a.png " + "x" * 5000),
    "a message with 'fault of radseg'": refusing("a.png: this is a fault of radseg"),
    "outside its folders": lambda: Path("written").write_text(""),
    "socket.connect": connected,
    "subprocess.Popen": lambda: __import__("subprocess").run(["true"], check=True),
    "wrote to the terminal: libtiff": noisy,
    "wrote to the terminal: Warning: See site-packages": warned,
    "grew by": greedy,
}


@pytest.fixture(scope="module")
def witness(tmp_path_factory):
    seen = Witness(tmp_path_factory.mktemp("inside"))
    seen.most_memory = 64 * 2**20
    return seen


@pytest.mark.parametrize("said", WRONG)
def test_what_a_reader_must_not_do_is_a_failure(said, witness, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["radseg"])  # -q would keep the warning back
    outcome = judged(witness, WRONG[said], "", named=["a.png"], wrong=True)
    assert outcome.kind == "failed"
    assert said in outcome.said


def test_a_refusal_and_a_result_are_no_failures(witness):
    path = Path(witness.allowed[0]) / "made"
    assert judged(witness, refusing("a.png is damaged."), "", named=["a.png"]).kind == "refused"
    assert judged(witness, path.touch, "", named=["a.png"]).kind == "accepted"
    assert path.exists()


def doing(action):
    return Campaign("odd", 1, 1, 0.3, lambda _: nullcontext(action))


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (lambda case: time.sleep(60), "still running after 0.3 s"),
        (lambda case: os._exit(7), "the process ended with 7"),
        (lambda case: os.kill(os.getpid(), signal.SIGKILL), "the process ended with -9"),
        (lambda case: {}["x"], "KeyError"),
    ],
)
def test_a_case_that_hangs_or_ends_its_process_fails_and_the_next_goes_on(action, said, tmp_path):
    def attempt(case):
        return action(case) if case.number == 1 else judged(Witness(), lambda: None, "", named=[])

    outcomes = dict(run(doing(attempt), [0, 1, 2], seed=0, folder=tmp_path, workers=1))
    assert [outcomes[number].kind for number in range(3)] == ["accepted", "failed", "accepted"]
    assert said in outcomes[1].said
    assert [path.name for path in tmp_path.glob("case-*")] == ["case-1"]


def test_a_broken_reader_of_images_fails_the_campaign(monkeypatch, tmp_path, capsys):
    sound = campaign.images.read_pixels

    def broken(path):
        return sound(path) if "shared" in str(path) else foreign()

    monkeypatch.setattr(campaign.images, "read_pixels", broken)
    assert main(["--only", "images", "--count", "3", "--folder", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "| images | 3 | 0 | 0 | 3 |" in printed
    assert "foreign exception ValueError" in printed


def test_one_case_can_be_run_again(tmp_path, capsys):
    assert main(["--only", "images", "--case", "7", "--folder", str(tmp_path)]) == 0
    assert "images 7: " in capsys.readouterr().out
    made = [mutated(Case.of("images", number, 0, tmp_path).random, seeds()) for number in (7, 7, 8)]
    assert made[0] == made[1] != made[2]


def failures(kind, tmp_path, cases):
    return [one.said for _, one in run(kind, cases, seed=0, folder=tmp_path) if one.kind == "failed"]


def test_a_reader_of_maps_that_takes_any_number_fails_the_campaign(monkeypatch, tmp_path):
    monkeypatch.setattr(radseg.mapping.shards, "_fault_of", lambda *_: "")
    assert any("wrong" in said for said in failures(MAPS, tmp_path, range(16)))


def test_a_reader_of_recordings_that_takes_any_pose_fails_the_campaign(monkeypatch, tmp_path):
    monkeypatch.setattr("radseg.datasets.rgbd.base.rigid", lambda pose, _: pose)
    assert any("a pose that" in said for said in failures(RECORDINGS, tmp_path, [44]))


def test_a_writer_that_leaves_parts_behind_fails_the_campaign(monkeypatch, tmp_path):
    for module in ("radseg.files", "radseg.jobs.folder", "radseg.mapping.shards"):
        monkeypatch.setattr(f"{module}.clear_parts", lambda _: None, raising=False)
    assert any("left over" in said for said in failures(KILLS, tmp_path, range(0, 28, 7)))
