"""What an export says of names: of every voxel its name, probability and object; of every object its box."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from radseg.mapping.objects import MapObject
from radseg.mapping.query import Answer
from radseg.types import ShortRepr


@dataclass(frozen=True, eq=False, repr=False)
class NamedVoxels(ShortRepr):
    """Names and objects of all voxels of a map, in the order of its chunks.

    Attributes:
        names: name i has label i + 1.
        labels: the voxel's name, 0 for none.
        scores: probability of that name; 0 where there is none.
        numbers: the voxel's object, counted from 1 in the order of `objects`; 0 for none.
        objects: best first.
    """

    names: tuple[str, ...]
    labels: Int32[np.ndarray, "m"]
    scores: Float32[np.ndarray, "m"]
    numbers: Int32[np.ndarray, "m"]
    objects: tuple[MapObject, ...]

    @classmethod
    def of(cls, answer: Answer, objects: Mapping[str, tuple[MapObject, ...]]) -> "NamedVoxels":
        """Return what an answer says; where objects overlap (mode "independent") the best has the voxel."""
        best = tuple(sorted((one for some in objects.values() for one in some), key=lambda one: -one.score))
        numbers = np.zeros(len(answer.labels), np.int32)
        for number, one in reversed(list(enumerate(best, start=1))):
            numbers[one.rows] = number
        every = np.arange(len(answer.labels))
        own = np.where(answer.labels > 0, answer.scores[np.maximum(answer.labels - 1, 0), every], 0)
        return cls(answer.names, answer.labels.astype(np.int32), own.astype(np.float32), numbers, best)

    def boxes(self) -> list[dict[str, Any]]:
        """Return number, name, id, score and box of every object as JSON values; metres."""
        return [
            {
                "number": number,
                "name": one.name,
                "id": one.id,
                "score": one.score,
                "centre": one.box.centre,
                "size": one.box.size,
                "axes": one.box.axes,
            }
            for number, one in enumerate(self.objects, start=1)
        ]
