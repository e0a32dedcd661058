"""What an image of an evaluation takes while it is read, waits, is predicted and counted (measured)."""

from dataclasses import dataclass, replace

from radseg.budget import Work, require_room
from radseg.datasets.base import ImageSet
from radseg.errors import ImageError, MissingFileError, ResourceError
from radseg.evaluation.images.loop import Prepared, Weight
from radseg.evaluation.images.resizing import mmseg_size
from radseg.evaluation.paper.protocols import Protocol
from radseg.modes import DEFAULT_MEMORY_BUDGET
from radseg.segment import Segmenter
from radseg.types import Size, TextEmbeddings

RGB, TRUTH, SEGMENTS, LABELS, CONFIDENCE = 12, 2, 8, 2, 4
"""Bytes a pixel of what is kept of an image and of its result."""
READING, SEGMENTING = 18, 82
"""Bytes a pixel while a file with its labels is read: of classes, of segments."""
RESIZING = 18
"""Bytes a pixel of the resized image, beside the image, while it becomes float32."""
COUNTING, MATCHING = 36, 60
"""Bytes a pixel of confusion matrix and rims; and of objects."""
FRAGMENTS = 12
"""Bytes a pixel that the allocator holds of the images before, in ten images of 4 megapixels."""


@dataclass(frozen=True)
class Weigher:
    """Says what an image will take, from the header of its file; refuses what a stated budget does not allow.

    The default budget bounds how far is read ahead and refuses nothing: the evaluations of papers that score
    at every pixel take more for a large image, alone, than anybody stated.
    """

    images: ImageSet
    protocol: Protocol
    segmenter: Segmenter
    text: TextEmbeddings

    def __call__(self, id: str) -> Weight:
        """Return the bytes of one image; none where it cannot be read: reading it says why.

        Raises:
            MemoryBudgetError: it needs more than a budget that was stated.
        """
        try:
            size = self.images.size(id)
        except (ImageError, MissingFileError, ResourceError):
            return Weight()
        given, budget = self._given(size), self.segmenter.memory_budget
        work = self._work(size, given)
        kept, waiting = self._waiting(work, given)
        if budget != DEFAULT_MEMORY_BUDGET:
            beside = kept + FRAGMENTS * work.pixels
            require_room(replace(work, beside=beside, decoding=waiting - kept), budget, id)
        return Weight(waiting, work.most(budget - kept))

    def _work(self, size: Size, given: Size) -> Work:
        """Return the work on an image that is encoded at another size than its labels have."""
        work = self.segmenter.work(size, self.text, None)
        encoded = self.segmenter.work(given, self.text, None)
        cells = work.cells if self.segmenter.enlarge == "cosines" else encoded.cells
        return replace(work, cells=cells, encoding=encoded.encoding)

    def _given(self, size: Size) -> Size:
        row = self.protocol
        if row.short_side is None or row.long_side is None:
            return size
        return mmseg_size(size, long_side=row.long_side, short_side=row.short_side)

    def _waiting(self, work: Work, given: Size) -> tuple[int, int]:
        """Return the bytes of an image as it was read, and the most until it is counted."""
        pixels, resized = work.pixels, given.height * given.width
        segments = hasattr(self.images, "stuff")
        kept = RGB * resized + (TRUTH + SEGMENTS * segments) * pixels
        result, counting = LABELS * pixels, COUNTING * pixels
        if self.segmenter.objects is not None:
            result += CONFIDENCE * pixels + 4 * work.names * work.cells
            counting = MATCHING * pixels
        reading = max((SEGMENTING if segments else READING) * pixels, 5 * pixels + RESIZING * resized)
        return kept, max(reading, kept + result + counting)


def kept_bytes(image: Prepared) -> int:
    """Return the bytes of an image as it was read."""
    segments = 0 if image.segments is None else image.segments.ids.nbytes
    return image.image.nbytes + image.truth.nbytes + segments
