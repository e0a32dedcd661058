"""Which classes a data set has, in which order, and how raw label numbers become class indices."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from radseg.errors import InputError


@dataclass(frozen=True, eq=False)
class ClassTable:
    """The evaluated classes (mapping spec 1.0).

    Attributes:
        names: by rank of their raw number; class index 1 is names[0], 0 is "ignore".
        index_of: class index by raw number, 0 where ignored or unknown.
    """

    names: tuple[str, ...]
    index_of: Int[Tensor, " ids"]

    def indices(self, raw: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
        """Return the class index of every raw number; negative numbers are unlabelled.

        Raises:
            InputError: a number above all the table knows, or numbers that are not integers.
        """
        if raw.dtype.is_floating_point or raw.dtype == torch.bool:
            raise InputError(
                f"Class numbers are {raw.dtype}; they must be integers. Cast them: labels.long()."
            )
        known = raw.to(torch.int64).clamp(min=0)
        if known.numel() and int(known.max()) >= len(self.index_of):
            raise InputError(
                f"A label has the class number {int(known.max())}; the class table ends at "
                f"{len(self.index_of) - 1}. Labels and table come from different releases."
            )
        return self.index_of[known]


def class_table(
    names: Mapping[int, str], *, ignore: Collection[str] = (), only: Collection[str] = ()
) -> ClassTable:
    """Return the table of the classes that are evaluated.

    Raw number 0 is always ignored; the others keep the order of their numbers.

    Args:
        ignore: names that are left out: not prompted, and their ground truth is ignored.
        only: if not empty, the names that stay.

    Raises:
        InputError: both lists, a name in a list that no class has, a negative number, or no class left.
    """
    if ignore and only:
        raise InputError("Give the classes to ignore or the classes to keep, not both.")
    unknown = sorted({*ignore, *only} - set(names.values()))
    if unknown:
        raise InputError(
            f"No class is called {', '.join(map(repr, unknown))}; the classes are "
            f"{', '.join(name for _, name in sorted(names.items()))}."
        )
    if names and min(names) < 0:
        raise InputError(f"Class number {min(names)} is negative; numbers start at 0 = ignore.")
    kept = [
        raw
        for raw, name in sorted(names.items())
        if raw != 0 and name not in ignore and (not only or name in only)
    ]
    if not kept:
        raise InputError("No class is left to evaluate.")
    index_of = torch.zeros(max(names) + 1, dtype=torch.int64)
    index_of[torch.tensor(kept)] = torch.arange(1, len(kept) + 1)
    return ClassTable(tuple(names[raw] for raw in kept), index_of)
