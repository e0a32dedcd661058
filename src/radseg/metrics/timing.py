"""What calls cost: seconds of repeated calls, and the peak memory while they run."""

import mmap
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from radseg.errors import InputError

_STATM = Path("/proc/self/statm")  # Linux
SAMPLING = 0.002
"""Seconds between two looks at the resident memory."""


@dataclass(frozen=True)
class Timing:
    """Seconds of equal calls after the warm-up.

    Attributes:
        median, low, high: median and quartiles of the calls.
        repeats: how many calls were timed.
    """

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, seconds: list[float]) -> Self:
        """Return the timing of single calls; one call alone is its own median and quartiles."""
        if len(seconds) == 1:
            return cls(seconds[0], seconds[0], seconds[0], 1)
        low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
        return cls(median, low, high, len(seconds))


def timed(
    call: Callable[[], Any], *, device: torch.device, warmup: int = 1, repeats: int = 5
) -> tuple[Timing, float | None]:
    """Return the seconds of `repeats` calls and the peak memory in MB (2**20 bytes) while they ran.

    On a GPU every call is waited for, and the peak is what torch had allocated on it, weights included. On a
    CPU the peak is the resident memory of the process, libraries and weights included; None where the system
    does not tell (it is read from /proc).

    Raises:
        InputError: no call would be timed.
    """
    if repeats < 1 or warmup < 0:
        raise InputError(f"{warmup} warm-up calls and {repeats} timed ones; time at least one.")
    for _ in range(warmup):
        call()
    _wait(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    with PeakMemory() as resident:
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            _wait(device)
            seconds.append(time.perf_counter() - start)
    on_gpu = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if on_gpu else resident.peak_mb
    return Timing.of(seconds), peak


def resident_mb() -> float | None:
    """Return the resident memory of this process in MB (2**20 bytes); None where /proc does not tell."""
    if not _STATM.exists():
        return None
    return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE / 2**20


class PeakMemory:
    """Sample the resident memory of the process while the block runs; `peak_mb` is None where it cannot."""

    def __enter__(self) -> "PeakMemory":
        self.peak_mb = resident_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._measure()
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while self.peak_mb is not None and not self._stop.wait(SAMPLING):
            self._measure()

    def _measure(self) -> None:
        now = resident_mb()
        if self.peak_mb is not None and now is not None:
            self.peak_mb = max(self.peak_mb, now)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
