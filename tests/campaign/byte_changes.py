"""Changes to the bytes of any file: flipped bits, cuts, splices, numbers at their limits."""

from collections.abc import Callable
from random import Random

Change = Callable[[Random, bytes], bytes]
LIMITS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def flipped(random: Random, data: bytes) -> bytes:
    """Flip one to sixteen bits."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def flipped_in_head(random: Random, data: bytes) -> bytes:
    """Flip bits among the first bytes, where headers are."""
    return flipped(random, data[:96]) + data[96:]


def cut(random: Random, data: bytes) -> bytes:
    """Leave the end away."""
    return data[: random.randrange(len(data))]


def removed(random: Random, data: bytes) -> bytes:
    """Leave a part in the middle away."""
    start = random.randrange(len(data))
    return data[:start] + data[start + random.randint(1, 64) :]


def repeated(random: Random, data: bytes) -> bytes:
    """Write a part twice."""
    start = random.randrange(len(data))
    return data[: start + random.randint(1, 64)] + data[start:]


def overwritten(random: Random, data: bytes) -> bytes:
    """Put noise, zeros or ones over a part."""
    start, length = random.randrange(len(data)), random.randint(1, 64)
    filling = random.choice((random.randbytes(length), b"\0" * length, b"\xff" * length))
    return data[:start] + filling + data[start + length :]


def at_limits(random: Random, data: bytes) -> bytes:
    """Put a number at the limits of its type into the head."""
    width, order = random.choice((1, 2, 4)), random.choice(("little", "big"))
    value = random.choice(LIMITS) % (1 << 8 * width)
    start = random.randrange(min(len(data), 256))
    return data[:start] + value.to_bytes(width, order) + data[start + width :]


def lengthened(random: Random, data: bytes) -> bytes:
    """Add noise at the end."""
    return data + random.randbytes(random.randint(1, 4096))


CHANGES: dict[str, Change] = {
    "bits flipped": flipped,
    "bits of the head flipped": flipped_in_head,
    "cut": cut,
    "a part removed": removed,
    "a part repeated": repeated,
    "a part overwritten": overwritten,
    "a number at its limit": at_limits,
    "noise at the end": lengthened,
}


def changed(random: Random, data: bytes) -> tuple[str, bytes]:
    """Return the name of a change and what it made of the bytes."""
    name = random.choice(list(CHANGES))
    return name, CHANGES[name](random, data)
