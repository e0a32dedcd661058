"""The record of a run: JSON lines, the first with the parameters, then one per finished piece of work.

A line is on the disk when `append` returns, so after a kill only the last one can be torn; it is cut off when
the run goes on, and its piece is done again.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from radseg.errors import InputError, ResourceError
from radseg.files import NO_LINK, failures_named, json_of, listed, open_regular, shown, write_all

EntryT = TypeVar("EntryT")
ParsedT = TypeVar("ParsedT")
Parameters = Mapping[str, Any]
"""Everything that decides what the outputs are, as JSON values: model, prompts, mode, sizes, output kinds."""


@dataclass(frozen=True)
class Recorded(Generic[EntryT]):
    """What a record says.

    Attributes:
        entries: all lines but the first, in order.
        sound_bytes: where whole lines end; what lies behind is cut off when the record is opened.
    """

    parameters: dict[str, Any]
    entries: tuple[EntryT, ...]
    sound_bytes: int


def start_of(form: str) -> bytes:
    """Return how the records of this format, such as "radseg-run/1", begin."""
    return f'{{"format": "{form}", '.encode()


def read_record(path: Path, form: str, parse: Callable[[Any], EntryT]) -> Recorded[EntryT] | None:
    """Return what a record says; None when there is none, or only a torn first line.

    Args:
        form: the format its first line must name.
        parse: makes an entry of a line's JSON value; ValueError, TypeError and KeyError mean that it is none.

    Raises:
        InputError: the file is another program's.
        ResourceError: a line other than the last is damaged, or the file cannot be read.
    """
    try:
        with open_regular(path, most=None) as stream:
            content = stream.read()
    except FileNotFoundError:
        return None
    except InputError as error:
        raise ResourceError(f"{shown(path)} cannot be read: {error}") from error
    except OSError as error:
        raise ResourceError(f"{shown(path)} cannot be read: {error.strerror or error}.") from error
    start = start_of(form)
    if not (content.startswith(start) or start.startswith(content)):
        raise InputError(
            f"{shown(path)} is another program's file, not a record of the form {form}. "
            "Choose another output folder with -o."
        )
    *lines, torn = content.split(b"\n")
    if not lines:
        return None

    def parsed(number: int, make: Callable[[Any], ParsedT]) -> ParsedT:
        try:
            return make(json_of(lines[number]))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ResourceError(
                f"Line {number + 1} of {shown(path)} is not one that radseg wrote ({error}). "
                "Start again with --overwrite, or choose another folder with -o."
            ) from error

    parameters = parsed(0, lambda raw: dict(raw["parameters"]))
    entries = tuple(parsed(number, parse) for number in range(1, len(lines)))
    return Recorded(parameters, entries, len(content) - len(torn))


def line_of(value: Mapping[str, Any]) -> bytes:
    """Return one line of a record."""
    return json.dumps(value, ensure_ascii=True).encode() + b"\n"


class RecordWriter:
    """Appends to a record, which begins with its parameters; use it in a `with` statement.

    Args:
        sound_bytes: of what was read from it; 0 begins anew.

    Raises:
        ResourceError: the disk is full or not writable, or the file is a link; what was written of a line is
            removed again.
    """

    def __init__(self, path: Path, form: str, parameters: Parameters, sound_bytes: int = 0) -> None:
        self.path = path
        self._first = {"format": form, "parameters": dict(parameters)}
        self._sound_bytes = sound_bytes

    def __enter__(self) -> Self:
        with failures_named(self.path):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        try:
            with failures_named(self.path):
                os.ftruncate(self._handle, self._sound_bytes)
                os.lseek(self._handle, 0, os.SEEK_END)
            if not self._sound_bytes:
                self.append(self._first)
        except BaseException:
            os.close(self._handle)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def append(self, value: Mapping[str, Any]) -> None:
        """Write one line and wait until the disk has it."""
        line = line_of(value)
        with failures_named(self.path):
            start = os.lseek(self._handle, 0, os.SEEK_CUR)
            try:
                write_all(self._handle, line)
                os.fsync(self._handle)
            except OSError:
                os.ftruncate(self._handle, start)
                os.lseek(self._handle, start, os.SEEK_SET)
                raise


def parameters_hash(parameters: Parameters) -> str:
    """Return a short digest that is equal exactly when all parameters are."""
    return hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()[:16]


def changed_keys(before: Parameters, now: Parameters) -> list[str]:
    """Return the names of the parameters that differ, sorted."""
    return [key for key in sorted({*before, *now}) if _recorded(before, key) != _recorded(now, key)]


def require_same(
    before: Parameters,
    now: Parameters,
    way_out: str = "--resume continues only with equal settings: use the earlier ones, choose another folder "
    "with -o, or start again with --overwrite.",
) -> None:
    """Raise InputError naming every parameter that differs between an earlier run and this one.

    Args:
        way_out: what to do then, a sentence.
    """
    if changed := changed_keys(before, now):
        told = "; ".join(_difference(key, before, now) for key in changed)
        raise InputError(f"The earlier run had other settings: {told}. {way_out}")


def _difference(key: str, before: Parameters, now: Parameters) -> str:
    """Return what differs; of two lists only the entries that do."""
    old, new = before.get(key), now.get(key)
    if not (isinstance(old, list) and isinstance(new, list)):
        return f"{key} was {_short(before, key)}, is now {_short(now, key)}"
    gone, added = [one for one in old if one not in new], [one for one in new if one not in old]
    if gone and added:
        return f"{key} has {_entries(added)} in place of {_entries(gone)}"
    if gone or added:
        return f"{key} has {_entries(gone or added)} {'no more' if gone else 'besides'}"
    return f"{key} has another order"


def _entries(entries: Sequence[Any]) -> str:
    """Return entries of a list, such as names with their synonyms, for use in a message."""
    texts = (", ".join(map(str, one)) if isinstance(one, list) else str(one) for one in entries)
    return listed(json.dumps(text, ensure_ascii=False) for text in texts)


def _recorded(parameters: Parameters, key: str) -> str:
    """Return a value as it enters the hash: 1 is not 1.0, and null is not "absent"."""
    if key not in parameters:
        return "not recorded"
    return json.dumps(parameters[key], sort_keys=True, ensure_ascii=False)


def _short(parameters: Parameters, key: str) -> str:
    text = _recorded(parameters, key)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
