"""Run a function in a fresh process; report its seconds and the peak memory it added.

Every comparison of two forms is made in the same run, so ratios survive a slow or shared machine.
"""

import multiprocessing
import resource
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch


class Cost(NamedTuple):
    """What one call cost."""

    seconds: float  # median over the repeats
    added_mb: float  # peak resident memory above what was there before the call
    peak_mb: float  # peak resident memory of the process during the call


def resident_mb() -> float:
    """Return the resident memory of this process in MB (2**20 bytes)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def cost(
    prepare: Callable[..., Callable[[], Any]], *arguments: Any, repeats: int = 3, threads: int = 2
) -> Cost:
    """Return the cost of the function that `prepare(*arguments)` returns, run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_measure, (prepare, arguments, repeats, threads))


def _measure(prepare: Callable[..., Any], arguments: tuple[Any, ...], repeats: int, threads: int) -> Cost:
    torch.set_num_threads(threads)
    with torch.inference_mode():
        call = prepare(*arguments)
        before = resident_mb()
        with PeakMemory() as memory:
            seconds = []
            for _ in range(repeats):
                start = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - start)
    return Cost(statistics.median(seconds), memory.peak_mb - before, memory.peak_mb)


def fastest_in_turns(calls: dict[str, Callable[[], Any]], *, rounds: int = 5) -> dict[str, float]:
    """Return the fastest of several turns of every call, the calls taking turns.

    Whatever else the machine does only adds time, and taking turns spreads it; so the minima compare fairly.
    """
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


class PeakMemory:
    """Sample the resident memory every 2 ms while the block runs."""

    def __enter__(self) -> "PeakMemory":
        self.peak_mb = resident_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.002):
            self.peak_mb = max(self.peak_mb, resident_mb())
