"""Numbers as people type them: sizes with a unit, and lengths with a word for "none"."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from radseg.errors import InputError

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def parse_bytes(text: str) -> int:
    """Return the bytes of a size such as "1GiB", "512 MiB" or "2000000000".

    Raises:
        InputError: not a positive number with a known unit.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    size = int(float(match[1]) * _UNITS[match[2]]) if match and match[2] in _UNITS else 0
    if size < 1:
        raise InputError(
            f"{text!r} is not a size in bytes; write a number and a unit, such as 1GiB or 512MiB."
        )
    return size


def parse_or(text: str, word: str, *, what: str) -> int | None:
    """Return a whole number of at least 1, or None for `word`.

    Raises:
        InputError: neither; `what` names the value in the message.
    """
    if text.strip().lower() == word:
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(f"{what} is {text!r}; it must be a whole number of pixels, or {word}.")
    return int(text)


def parse_temperature(text: str, *, what: str) -> float | None:
    """Return a temperature above 0, or None for "off".

    Raises:
        InputError: neither.
    """
    if text.strip().lower() == "off":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"{what} is {text!r}; it must be a number above 0, or off.")
    return value


def parse_point(text: str) -> tuple[int, int]:
    """Return column and row of a pixel such as "120,80".

    Raises:
        InputError: not two whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"{text!r} is no pixel; write its column and row, such as 120,80.")
    return int(parts[0]), int(parts[1])


def parse_places(texts: Sequence[str], *, what: str) -> dict[str, str]:
    """Return whole paths by name, from texts such as "dino-vit-b-8=folder".

    Raises:
        InputError: no name or no path, one name twice, or nothing lies there.
    """
    places: dict[str, str] = {}
    for name, place in _named(texts, what, "NAME=PATH, such as dino-vit-b-8=weights/dino").items():
        path = Path(place).expanduser().resolve()
        if not path.exists():
            raise InputError(f"{what} {name}: there is nothing at {path}.")
        places[name] = str(path)
    return places


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """Return values by name, from texts such as "min_area=400" or "refine=none": JSON, or else plain text.

    Raises:
        InputError: no name or no value, or one name twice.
    """
    values: dict[str, Any] = {}
    for name, value in _named(texts, "--option", "NAME=VALUE, such as min_area=400").items():
        try:
            values[name] = json.loads(value)
        except json.JSONDecodeError:
            values[name] = value
    return values


def _named(texts: Sequence[str], what: str, form: str) -> dict[str, str]:
    """Return what stands behind the first "=" of each text by what stands before it."""
    named: dict[str, str] = {}
    for text in texts:
        name, _, value = (part.strip() for part in text.partition("="))
        if not name or not value:
            raise InputError(f"{what} is {text!r}; write {form}.")
        if name in named:
            raise InputError(f"{what} names {name!r} twice.")
        named[name] = value
    return named
