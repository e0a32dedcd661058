"""What every campaign is made of: seeded cases, what became of each, and when a refusal is a good one."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from campaign.witness import TRACES, Witness
from radseg.errors import RadsegError

MOST_LETTERS = 1000
"""Of a message; the longest lists all that a folder lacks."""


@dataclass(frozen=True)
class Case:
    """One try: its number, what it draws from, and an empty folder for its input and output."""

    number: int
    random: Random
    folder: Path

    @classmethod
    def of(cls, kind: str, number: int, seed: int, folder: Path) -> "Case":
        """Return a case; the same input for the same kind, number and seed."""
        digest = hashlib.sha256(f"{seed}/{kind}/{number}".encode()).digest()
        return cls(number, Random(digest), folder)


@dataclass(frozen=True)
class Outcome:
    """What became of a case, what was done to the input, and what was said or is wrong."""

    kind: Literal["refused", "accepted", "failed"]
    change: str
    said: str = ""


Attempt = Callable[[Case], Outcome]


@dataclass(frozen=True)
class Campaign:
    """A kind of attack.

    Attributes:
        count, small: cases of the whole campaign, and of the slice in the tests.
        seconds: a case may take before it counts as one that hangs.
        opened: prepares in an empty folder what all cases share; what it yields makes and judges one case.
        most: number of cases there are; None where they are drawn without end.
    """

    name: str
    count: int
    small: int
    seconds: float
    opened: Callable[[Path], AbstractContextManager[Attempt]]
    most: int | None = None


def judged(
    witness: Witness,
    read: Callable[[], object],
    change: str,
    *,
    named: Collection[str],
    wrong: bool = False,
) -> Outcome:
    """Return what became of an input.

    Args:
        read: what reads it. It may raise RadsegError in one line that has one of `named`, and nothing else;
            AssertionError says that what it returned is wrong.
        wrong: whether the input is known to be wrong, so that accepting it is a failure.
    """
    outcome = (
        Outcome("failed", change, "accepted, although it is wrong") if wrong else Outcome("accepted", change)
    )
    try:
        with witness.watching():
            read()
    except AssertionError as error:
        outcome = Outcome("failed", change, f"wrong result: {error}")
    except RadsegError as error:
        fault, said = fault_of(str(error), named), f"{type(error).__name__}: {error}"
        outcome = Outcome("failed", change, f"{fault}: {said}") if fault else Outcome("refused", change, said)
    except BaseException as error:
        outcome = Outcome(
            "failed", change, f"foreign exception {type(error).__name__}: {error}"[:MOST_LETTERS]
        )
    return Outcome("failed", change, "; ".join(dict.fromkeys(witness.deeds))) if witness.deeds else outcome


def fault_of(message: str, named: Collection[str]) -> str | None:
    """Return what is wrong with the message of a refusal; None if it is a good one."""
    if "\n" in message.strip() or not message.isprintable():
        return "a message of several lines, or with letters that cannot be printed"
    if len(message) > MOST_LETTERS:
        return f"a message of {len(message)} letters"
    if not any(name in message for name in named):
        return f"a message that names none of {sorted(named)[:4]}"
    return next((f"a message with {trace!r}" for trace in TRACES if trace in message), None)


def numbers(count: int, most: int | None) -> Iterator[int]:
    """Yield the numbers of `count` cases, spread evenly where there is an end to them."""
    if most is None or count >= most:
        yield from range(count if most is None else most)
    else:
        yield from (index * most // count for index in range(count))
