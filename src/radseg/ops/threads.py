"""Many small operations on several cores: a core each, instead of all cores in each operation."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_LOCK = Lock()


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Let every operation run on the thread that calls it; yield how many such threads there should be.

    An operation of 0.1 ms on two cores ends with a barrier at which one thread spins, waiting for the other
    or for more to do; where other programs run, that costs more than the work itself (docs/experiments.md).

    The setting is the process's (torch.set_num_threads), so one block runs at a time; it is restored at its
    end.
    """
    with _LOCK:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield threads
        finally:
            torch.set_num_threads(threads)
