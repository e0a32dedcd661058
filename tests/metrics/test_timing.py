import subprocess
import sys
import time

import pytest
import torch

from radseg.errors import InputError
from radseg.metrics import timing
from radseg.metrics.timing import Timing, resident_mb, timed

CPU = torch.device("cpu")


def test_timing_is_the_median_and_its_quartiles():
    assert Timing.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Timing(3.0, 2.0, 4.0, 5)
    assert Timing.of([7.0]) == Timing(7.0, 7.0, 7.0, 1)


def test_the_warm_up_is_not_timed():
    calls = []

    def call():
        calls.append(len(calls))
        time.sleep(0.3 if len(calls) <= 2 else 0.001)

    measured, _ = timed(call, device=CPU, warmup=2, repeats=3)
    assert len(calls) == 5
    assert measured.repeats == 3
    assert measured.median < 0.2


@pytest.mark.skipif(resident_mb() is None, reason="needs /proc")
def test_peak_memory_sees_what_was_freed_before_the_end():
    # In a process of its own: what other tests leave behind may go away at any moment.
    code = """
import time, torch
from radseg.metrics.timing import PeakMemory, resident_mb, timed
before = resident_mb()
with PeakMemory() as memory:
    block = torch.ones(100 * 2**20 // 4)
    time.sleep(0.05)
    del block
_, peak = timed(lambda: torch.ones(200 * 2**20 // 4).sum(), device=torch.device("cpu"), warmup=0, repeats=2)
print(memory.peak_mb - before, peak - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = map(float, done.stdout.split())
    assert first > 95
    assert second > 150


def test_where_the_system_does_not_tell_there_is_no_number(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "_STATM", tmp_path / "absent")
    assert timed(lambda: None, device=CPU, repeats=1)[1] is None


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warmup": -1}])
def test_at_least_one_call_is_timed(wrong):
    with pytest.raises(InputError, match="time at least one"):
        timed(lambda: None, device=CPU, **wrong)
