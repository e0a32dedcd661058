"""Where a caller's torch settings end: inside, numbers keep the types they are given.

With `torch.autocast` around a call, matrix products would run in half precision: features move by half a
percent, and text vectors are no longer of length 1. So every public function that computes begins here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICES = ("cpu", "cuda", "mps", "xpu")


@contextmanager
def without_autocast() -> Iterator[None]:
    """Switch the caller's autocast off, for a function as decorator or inside `with`; gradients stay."""
    with ExitStack() as stack:
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def inference() -> Iterator[None]:
    """Switch off the caller's autocast and the recording of gradients."""
    with torch.inference_mode(), without_autocast():
        yield
