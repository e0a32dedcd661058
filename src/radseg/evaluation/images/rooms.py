"""The miniature world's held-out rooms as labelled images: rendered when read, the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, Integer

from radseg.datasets.base import Example
from radseg.errors import InputError
from radseg.miniature.world import (
    FIRST_OBJECT,
    Room,
    free_camera,
    held_out_names,
    make_room,
    render,
    structure_names,
    training_names,
)
from radseg.types import Segments, Size

ROOMS = 200
"""Seeds 0 to 199: the rooms of docs/miniature.md, used for no training or choice."""


SMALLEST_OBJECT = 64
"""Pixels below which an object in view is not judged: a quarter of a patch."""


def world_names() -> tuple[str, ...]:
    """Return every name an object, wall, floor or ceiling of the world can have."""
    return tuple(dict.fromkeys((*training_names(), *held_out_names())))


@dataclass(frozen=True, eq=False)
class RoomSegments:
    """How the instances of a room (`View.instance`) are its segments: walls of one name are one.

    Attributes:
        of_instance: number of the segment of each instance, from 1.
        names: of the segments.
    """

    of_instance: Int64[np.ndarray, " i"]
    names: tuple[str, ...]

    @classmethod
    def of(cls, room: Room) -> "RoomSegments":
        """Return the segments of a room."""
        surfaces = tuple(dict.fromkeys(room.face_names))
        first = len(surfaces) + 1
        faces = [surfaces.index(name) + 1 for name in room.face_names]
        assert len(faces) == FIRST_OBJECT
        numbers = [*faces, *range(first, first + len(room.objects))]
        return cls(np.array(numbers, np.int64), (*surfaces, *(one.name for one in room.objects)))


def segments_of(
    numbers: Integer[np.ndarray, "*places"], names: Sequence[str], classes: Sequence[str], *, smallest: int
) -> Segments:
    """Return the segments of a view or a map of a room, those that are not there left out.

    Args:
        numbers: of segments of the room, from 1; 0 for none.
        names: of the segments, see `RoomSegments`.
        classes: what is asked about; segments of other names are void.
        smallest: objects with fewer places are crowds: not judged.
    """
    counts = np.bincount(numbers.ravel(), minlength=len(names) + 1)[1:]
    kept = [i for i, name in enumerate(names) if counts[i] and name in classes]
    code = np.zeros(len(names) + 1, np.int64)
    code[np.array(kept, np.int64) + 1] = np.arange(1, len(kept) + 1)
    surfaces = structure_names()
    return Segments(
        code[numbers],
        np.array([classes.index(names[i]) for i in kept], np.int64),
        np.array([counts[i] < smallest and names[i] not in surfaces for i in kept], np.bool_),
    )


VIEW = Size(352, 480)


@dataclass(frozen=True)
class Rooms:
    """One view of each test room; every name of the world is a class.

    Attributes:
        rooms: how many, from seed 0.
    """

    rooms: int = ROOMS
    name: str = "miniature"
    split: str = "held-out rooms"

    def __post_init__(self) -> None:
        if not 1 <= self.rooms <= ROOMS:
            raise InputError(f"{self.rooms} rooms; there are 1 to {ROOMS} test rooms.")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the world."""
        return world_names()

    @property
    def stuff(self) -> tuple[bool, ...]:
        """Walls, floors and ceilings are no objects."""
        return tuple(name in structure_names() for name in self.names)

    @property
    def ids(self) -> tuple[str, ...]:
        """ "room-000" and so on: the seeds."""
        return tuple(f"room-{seed:03}" for seed in range(self.rooms))

    def size(self, id: str) -> Size:
        """Return the size of every view."""
        return VIEW

    def read(self, id: str) -> Example:
        """Render one room."""
        room = make_room(int(id.removeprefix("room-")), split="held_out")
        view = render(room, free_camera(room, 0, height=VIEW.height, width=VIEW.width), seed=0)
        index = {name: i for i, name in enumerate(self.names)}
        code = np.array([index[name] for name in view.names], np.uint16)
        parts = RoomSegments.of(room)
        segments = segments_of(
            parts.of_instance[view.instance], parts.names, self.names, smallest=SMALLEST_OBJECT
        )
        return Example(view.rgb, code[view.semantic], segments)
