"""Rows of an image by and by, so that what is computed of every pixel needs room for a few of them only."""

from collections.abc import Iterator

BAND_PIXELS = 2**20
"""12 MB as float32 with three channels; smaller brings nothing beside an image that is worth cutting."""


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Yield slices that cover the rows of an image, each of about BAND_PIXELS pixels, at least one row."""
    step = max(1, BAND_PIXELS // max(width, 1))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
