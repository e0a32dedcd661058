"""What one image needs beside the weights, by a model of bytes, and the refusal of what does not fit.

The model is held against measured peaks by `benchmarks/memory.py`.
"""

import contextlib
import ctypes
from collections.abc import Callable
from dataclasses import dataclass

from radseg.errors import MemoryBudgetError
from radseg.files import counted
from radseg.types import Size

FIXED = 48 * 2**20
"""What does not grow with the image: bands of rows, codecs, the allocator's slack, a network's first call."""
IMAGE, CONFIDENCE = 3, 4
"""Bytes a pixel of a result: 8-bit colours, and a float32."""
MAPS = 5
"""Maps of the patch grid alive at once: cosines, scaled ones, probabilities, and those that were kept."""
MIB = 2**20
_M_ARENA_MAX = -8
"""The number of glibc's option in malloc.h."""


@dataclass(frozen=True)
class Work:
    """What happens to one image.

    Attributes:
        size: of the image.
        cells: of the grid on which names are scored.
        names: among which is decided.
        rows: of cosines: names with their synonyms, and the contrast bank.
        beside: bytes of other images that are alive at the same time.
        decoding: bytes alive while its file is decoded.
        encoding: bytes that its features take under a budget.
        refining: bytes a pixel that refinement takes beside the coarse result.
        output: bytes a pixel of the largest output, beside the result.
    """

    size: Size
    cells: int
    names: int
    rows: int
    encoding: Callable[[int], int]
    beside: int = 0
    decoding: int = 0
    refining: int = 0
    output: int = 0

    @property
    def pixels(self) -> int:
        """How many the image has."""
        return self.size.height * self.size.width

    @property
    def decided(self) -> int:
        """Bytes of image, best probability, labels and maps: all of the decision but upsampled names."""
        labels = 1 if self.names <= 254 else 6  # counted in int32, kept as uint16
        return self.pixels * (IMAGE + CONFIDENCE + labels) + 4 * MAPS * self.rows * self.cells

    def peak(self, budget: int) -> int:
        """Return the bytes that are needed under a budget, one name upsampled at a time."""
        after = max(4, self.refining, self.output) if self.names else 0
        decided = self.decided + self.pixels * after if self.names else 0
        encoded = self.pixels * IMAGE + self.encoding(budget)
        return FIXED + self.beside + max(self.decoding, encoded, decided)

    def needed(self, budget: int) -> int:
        """Return the smallest budget that suffices from `budget` on, in whole MiB.

        More may be used where more is allowed, so the need follows the budget until the two meet.
        """
        while (peak := self.peak(budget)) > budget:
            budget = -(-peak // MIB) * MIB
        return budget

    def most(self, budget: int) -> int:
        """Return the bytes that are taken under a budget, as many names upsampled at a time as it allows."""
        streamed = min(self.upsampled(budget), 4 * self.names * self.pixels)
        return max(self.peak(budget), FIXED + self.beside + self.decided + streamed)

    def upsampled(self, budget: int) -> int:
        """Return the bytes of upsampled probabilities that fit: a quarter of the budget, or what is left."""
        return min(budget // 4, max(4 * self.pixels, budget - FIXED - self.beside - self.decided))


def require_room(work: Work, budget: int, name: str) -> None:
    """Raise MemoryBudgetError unless an image can be worked on within a budget.

    Args:
        name: of the image, in the message.
    """
    needed = work.needed(budget)
    if needed > budget:
        what = f"{name} of {work.size.width}×{work.size.height} pixels, with {counted(work.names, 'name')},"
        raise MemoryBudgetError(
            f"{what} needs {needed // MIB}MiB of memory; the budget is {budget / MIB:.4g}MiB. Allow it with "
            f"--memory-budget {needed // MIB}MiB; fewer kinds of output and smaller images need less."
        )


def share_one_arena() -> None:
    """Let all threads of this process take memory from one place, where the C library is glibc.

    It gives each thread an arena of its own and keeps the pages that are freed there: an evaluation, which
    reads, predicts and counts in threads, then holds up to 1.5 × what is in use. It holds for the rest of the
    process. Elsewhere nothing happens.
    """
    with contextlib.suppress(OSError, TypeError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
