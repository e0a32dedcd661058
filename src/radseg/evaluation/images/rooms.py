"""The miniature world's held-out rooms as labelled images: rendered when read, the same everywhere."""

from dataclasses import dataclass

import numpy as np

from radseg.datasets.base import Example
from radseg.errors import InputError
from radseg.miniature.world import free_camera, held_out_names, make_room, render, training_names

ROOMS = 200
"""Seeds 0 to 199: the rooms of docs/miniature.md, used for no training or choice."""


def world_names() -> tuple[str, ...]:
    """Return every name an object, wall, floor or ceiling of the world can have."""
    return tuple(dict.fromkeys((*training_names(), *held_out_names())))


@dataclass(frozen=True)
class Rooms:
    """One view of 352 × 480 pixels of each test room; every name of the world is a class.

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
    def ids(self) -> tuple[str, ...]:
        """ "room-000" and so on: the seeds."""
        return tuple(f"room-{seed:03}" for seed in range(self.rooms))

    def read(self, id: str) -> Example:
        """Render one room."""
        room = make_room(int(id.removeprefix("room-")), split="held_out")
        view = render(room, free_camera(room, 0), seed=0)
        index = {name: i for i, name in enumerate(self.names)}
        code = np.array([index[name] for name in view.names], np.uint16)
        return Example(view.rgb, code[view.semantic])
