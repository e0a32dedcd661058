"""Runs the cases of a campaign in processes of their own, so that a crash or a hang is one failed case."""

import multiprocessing
import os
import queue
import shutil
import signal
import threading
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import torch

from campaign.cases import Attempt, Campaign, Case, Outcome

START_SECONDS = 120
"""A worker may take to import and to write what all cases share."""
_PROCESSES = multiprocessing.get_context("fork")  # what a test has patched is patched in them too


def run(
    campaign: Campaign, cases: Sequence[int], *, seed: int, folder: Path, workers: int = 2
) -> Iterator[tuple[int, Outcome]]:
    """Yield what became of each case, in their order.

    Args:
        folder: an empty one. A failed case leaves its input there, in `case-N`; what passed is deleted.
    """
    free: queue.Queue[Worker] = queue.Queue()
    with ExitStack() as exits, ThreadPoolExecutor(workers) as threads:
        for place in range(min(workers, len(cases))):
            worker = Worker(campaign, seed, folder, place)
            exits.callback(worker.kill)
            free.put(worker)

        def attempt(number: int) -> Outcome:
            worker = free.get()
            try:
                return worker.attempt(number)
            finally:
                free.put(worker)

        yield from zip(cases, threads.map(attempt, cases), strict=True)


class Worker:
    """A process that attempts one case after another; begun anew where one of them ends it."""

    _starting = threading.Lock()  # a process forked meanwhile would hold this one's pipe open

    def __init__(self, campaign: Campaign, seed: int, folder: Path, place: int) -> None:
        self.campaign, self.seed, self.folder, self.place = campaign, seed, folder, place
        self._process: Any = None

    def attempt(self, number: int) -> Outcome:
        """Return what became of a case; one that ends or holds up the process has failed."""
        if self._process is None:
            self._start()
        try:
            self._pipe.send(number)
            if self._pipe.poll(self.campaign.seconds):
                outcome: Outcome = self._pipe.recv()
                return outcome
            said = f"still running after {self.campaign.seconds:g} s"
        except (EOFError, OSError):
            self._process.join(10)
            said = f"the process ended with {self._process.exitcode}"
        self.kill()
        return Outcome("failed", "unknown: the process is gone", said)

    def kill(self) -> None:
        """End the process and those that it started."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.join()
            self._pipe.close()
            self._process = None

    def _start(self) -> None:
        with self._starting:
            self._pipe, theirs = _PROCESSES.Pipe()
            arguments = (self.campaign, self.seed, self.folder, self.place, theirs)
            self._process = _PROCESSES.Process(target=_work, args=arguments, daemon=True)
            self._process.start()
            theirs.close()
        if not self._pipe.poll(START_SECONDS):
            raise TimeoutError(f"The campaign {self.campaign.name!r} was not ready after {START_SECONDS} s.")
        self._pipe.recv()  # EOFError where it could not be prepared; its traceback is printed


def _work(campaign: Campaign, seed: int, folder: Path, place: int, pipe: Any) -> None:
    os.setpgrp()
    torch.set_num_threads(1)  # threads of the parent are not here; waiting for them would never end
    shared = folder / f"shared-{place}"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    with campaign.opened(shared) as attempt:
        pipe.send("ready")
        while True:
            number = pipe.recv()
            place_of_case = folder / f"case-{number}"
            clear(place_of_case)
            place_of_case.mkdir()
            outcome = _outcome(attempt, Case.of(campaign.name, number, seed, place_of_case))
            if outcome.kind != "failed":
                clear(place_of_case)
            pipe.send(outcome)


def _outcome(attempt: Attempt, case: Case) -> Outcome:
    try:
        return attempt(case)
    except Exception as error:
        lines = traceback.format_exception(error)
        return Outcome("failed", "the campaign itself", "".join(lines[-4:]))


def clear(folder: Path) -> None:
    """Delete a folder that hostile input may have made hard to delete."""
    shutil.rmtree(folder, ignore_errors=True)
