"""Run a function in a fresh process; report its seconds and the peak memory it added.

Every comparison of two forms is made in the same run, so ratios survive a slow or shared machine.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from radseg.metrics.timing import PeakMemory, resident_mb

__all__ = ["Cost", "PeakMemory", "cost", "fastest_in_turns", "resident_mb"]


class Cost(NamedTuple):
    """What one call cost."""

    seconds: float  # median over the repeats
    added_mb: float  # peak resident memory above what was there before the call
    peak_mb: float  # peak resident memory of the process during the call


def cost(
    prepare: Callable[..., Callable[[], Any]], *arguments: Any, repeats: int = 3, threads: int = 2
) -> Cost:
    """Return the cost of the function that `prepare(*arguments)` returns, run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(cost_here, (prepare, arguments, repeats, threads))


def cost_here(prepare: Callable[..., Any], arguments: tuple[Any, ...], repeats: int, threads: int) -> Cost:
    """Return the same, run in this process."""
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
