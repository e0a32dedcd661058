"""LZFSE, which Record3D packs depth in, decoded within a limit: the library's decoder has none of its own."""

import struct
from collections.abc import Iterator
from itertools import accumulate

from radseg.extras import require

_END = b"bvx$"
_RAW, _LZVN, _LZFSE = b"bvx-", b"bvxn", b"bvx2"
_LEAST = 4096
"""Bytes that a block holds at the least, on average: an encoder's blocks hold 39,000, but for the last."""
_AT_ONCE = 4
"""Blocks that are decoded before their size is looked at: more take more memory where they lie."""


def decoded(stream: bytes, size: int) -> bytes:
    """Return the `size` bytes that a stream holds.

    A header says how much its block holds, but the decoder does not hold an LZFSE block to it: one of a few
    hundred bytes may give 24 MB. So a few blocks are decoded at a time, with all before them, and the first
    that lies ends it: it gives no more than `size` and 96 MB. A header with plain tables ("bvx1"), which no
    encoder writes, is refused.

    Raises:
        ValueError: damaged, cut short, or of another size.
    """
    decompress = require("lzfse", "record3d").decompress
    ends, sizes = zip(*_blocks(stream, size), strict=True)
    totals = list(accumulate(sizes))
    if totals[-1] != size:
        raise ValueError(f"it holds {totals[-1]:,} bytes, not {size:,}")
    content = b""
    for last in (*range(_AT_ONCE - 1, len(ends) - 1, _AT_ONCE), len(ends) - 1):
        try:
            content = decompress(stream[: ends[last]] + _END)
        except Exception as error:  # the library's own class, without a message
            raise ValueError("a block cannot be decoded") from error
        if len(content) != totals[last]:
            raise ValueError("a block holds another number of bytes than its header says")
    return content


def _blocks(stream: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Yield where each block ends and how many bytes it says to hold; no more blocks than `size` needs."""
    at, left = 0, 8 + size // _LEAST
    while at == 0 or stream[at : at + 4] != _END:
        try:
            at, own = _block(stream, at)
        except struct.error:
            raise ValueError("it is cut short") from None
        left -= 1
        if at > len(stream) or left < 0:
            raise ValueError("it is cut short" if at > len(stream) else "it has too many blocks")
        yield at, own


def _block(stream: bytes, at: int) -> tuple[int, int]:
    """Return the end of the block at `at` and the bytes it says to hold (lzfse_internal.h of the library)."""
    kind = stream[at : at + 4]
    if kind == _RAW:
        (own,) = struct.unpack_from("<I", stream, at + 4)
        return at + 8 + own, own
    if kind == _LZVN:
        own, packed = struct.unpack_from("<II", stream, at + 4)
        return at + 12 + packed, own
    if kind == _LZFSE:
        own, first, second, third = struct.unpack_from("<IQQQ", stream, at + 4)
        head, literals, matches = third & 0xFFFFFFFF, first >> 20 & 0xFFFFF, second >> 40 & 0xFFFFF
        if head < 32:
            raise ValueError("a header is shorter than a header is")
        return at + head + literals + matches, own
    raise ValueError("a block begins with no LZFSE header" if len(kind) == 4 else "it is cut short")
