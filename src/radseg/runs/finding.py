"""What the doctor says about one thing it looked at."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One check of this machine.

    Attributes:
        remedy: the command that makes it right: for every problem, and for notes that offer something.
    """

    subject: str
    verdict: Verdict
    value: str
    remedy: str = ""
