"""kill -9 at random moments and resuming, in one shard and in three, give the same matrix bit for bit.

A process that has everything imported forks one child per start, so that a start costs milliseconds; the
children are killed with SIGKILL.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eval_cases import Silent, colour_folder, confusion, request
from radseg.evaluation.images.result import EvalResult
from radseg.evaluation.images.run import run_evaluation

KILLS = 30
IMAGES = 12

NURSERY = """
import json, os, sys, time
from pathlib import Path
sys.path[:0] = json.loads(sys.argv[1])
from eval_cases import Silent, request
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.images.shards import Shard
import radseg.evaluation.images.summary, radseg.presets.load, radseg.files

class InPieces:
    # The operating system, but lines are written in pieces, so that a kill can fall in between.

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, handle, line):
        time.sleep(0.001)
        return os.write(handle, line[:150])

radseg.files.os = InPieces()
print("ready", flush=True)
for line in sys.stdin:
    word, *rest = json.loads(line)
    if word == "wait":
        print(os.waitpid(rest[0], 0)[1], flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    data, output, number, count = rest
    silent = Silent()
    try:
        run_evaluation(
            request(Path(data), Path(output), existing="resume", shard=Shard(number, count)), silent, silent
        )
    except BaseException as error:
        print(type(error).__name__, error, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
"""


class Nursery:
    """Starts evaluations as children of a process that has imported everything."""

    def __init__(self, source: Path) -> None:
        paths = json.dumps([str(Path(__file__).parents[2] / "builders")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
        )
        assert self._answer() == "ready"

    def start(self, data: Path, output: Path, number: int, count: int) -> int:
        return int(self._ask("start", str(data), str(output), number, count))

    def wait(self, child: int) -> int:
        return int(self._ask("wait", child))

    def _ask(self, *words: object) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def nursery(repository):
    made = Nursery(repository / "src")
    yield made
    made.process.stdin.close()
    made.process.wait(timeout=10)


def run_with_kills(nursery, data, output, count, moments, longest):
    """Start all shards again and again, killing each at a random moment, until every one ended by itself."""
    unfinished = list(range(1, count + 1))
    kills = 0
    while unfinished:
        assert kills < 10 * KILLS, "resuming makes no headway"
        children = {number: nursery.start(data, output, number, count) for number in unfinished}
        start = time.perf_counter()
        plan = sorted((moments.uniform(0, longest), number) for number in unfinished)
        for at, number in plan:
            time.sleep(max(0, at - (time.perf_counter() - start)))
            os.kill(children[number], signal.SIGKILL)  # not reaped yet, so the number is still this child's
        for number in list(unfinished):
            status = nursery.wait(children[number])
            if os.WIFSIGNALED(status):
                kills += 1
            else:
                assert os.WEXITSTATUS(status) == 0
                unfinished.remove(number)
    return kills


@pytest.mark.parametrize("count", [1, 3])
def test_the_matrix_is_the_same_after_thirty_kills(count, tmp_path, nursery):
    data = colour_folder(tmp_path / "data", IMAGES)
    silent = Silent()
    run_evaluation(request(data, tmp_path / "quiet"), silent, silent)
    expected = confusion(tmp_path / "quiet")
    start = time.perf_counter()
    nursery.wait(nursery.start(data, tmp_path / "timed", 1, 1))
    longest = 1.2 * (time.perf_counter() - start)
    moments, kills, trial, seen = random.Random(count), 0, 0, set()
    while kills < KILLS:
        trial += 1
        output = tmp_path / f"killed-{trial}"
        kills += run_with_kills(nursery, data, output, count, moments, longest)
        assert np.array_equal(confusion(output), expected)
        result = EvalResult.read(output)
        assert (result.images.total, result.images.done) == (IMAGES, IMAGES)
        seen.add(len(list((output / "shards").glob("*.jsonl"))))
        assert not list(output.glob(".radseg-*.part"))
    assert seen == {count}
    print(f"{kills} kills in {trial} evaluations, moments up to {longest:.2f} s")
