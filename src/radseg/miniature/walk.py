"""A walk through a rendered room as an RGB-D recording: exact depth, poses and labels."""

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray

from radseg.errors import InputError
from radseg.miniature.world import View, free_camera, make_room, render, sequence_cameras
from radseg.miniature.world.scene import FIRST_OBJECT
from radseg.types import Frame, Intrinsics, Size

BALL_ROOM = 900_013
"""Seed of the room: the first held-out one after the demo's own that has exactly one red ball."""

SIZE = Size(240, 320)
FRAMES = 16
_OTHER_VIEWS, _SHOWN = 12, 2_000  # views tried, and pixels of the object that one has to show


class RoomWalk:
    """RgbdSequence of a rendered held-out room: exact depth, poses and labels.

    Args:
        seed: of the room.
        frames: views along an ellipse around the room's middle.
        size: of the views, pixels.
    """

    def __init__(self, seed: int = BALL_ROOM, *, frames: int = FRAMES, size: Size = SIZE) -> None:
        self.room = make_room(seed, split="held_out")
        self.cameras = sequence_cameras(self.room, frames, height=size.height, width=size.width)

    def __len__(self) -> int:
        return len(self.cameras)

    def frame_ids(self) -> tuple[str, ...]:
        """Return the numbers of the views."""
        return tuple(str(i) for i in range(len(self)))

    def read(self, frame_id: str) -> Frame:
        """Return one view; class index i is the room's i-th name from 1."""
        view = self.view(frame_id)
        return self._frame(frame_id, view, view.semantic)

    def read_instances(self, frame_id: str) -> Frame:
        """Return one view; class index i is instance i − 1 (`View.instance`)."""
        view = self.view(frame_id)
        return self._frame(frame_id, view, view.instance)

    def view(self, frame_id: str) -> View:
        """Return what is seen, rendered anew.

        Raises:
            InputError: there is no such view.
        """
        if frame_id not in self.frame_ids():
            raise InputError(f"The walk has {len(self)} views, none called {frame_id!r}.")
        return render(self.room, self.cameras[int(frame_id)], seed=int(frame_id))

    def _frame(self, frame_id: str, view: View, labels: NDArray[np.int16]) -> Frame:
        camera = view.camera
        size = Size(camera.height, camera.width)
        # The world's pixel centres lie at + 0.5, a Frame's at whole numbers.
        x, y = (value - 0.5 for value in camera.centre)
        return Frame(
            id=frame_id,
            rgb=torch.from_numpy(view.rgb.copy()).permute(2, 0, 1).float() / 255,
            depth=torch.from_numpy(view.depth.copy()),
            intrinsics=Intrinsics(camera.focal, camera.focal, x, y, size),
            camera_to_world=torch.from_numpy(camera.camera_to_world.copy()),
            semantics=torch.from_numpy(labels.astype(np.int64) + 1),
        )

    def place(self, name: str) -> tuple[float, float, float]:
        """Return the middle of the only object of that name, metres.

        Raises:
            InputError: none, or several.
        """
        return self.room.objects[self._only(name)].bound[0]

    def cut_out(self, name: str) -> UInt8[np.ndarray, "h w 3"]:
        """Return an image of the only object of that name, cut out closely; it is in no view of the walk.

        Raises:
            InputError: none, several, or none of a few other views shows it large enough.
        """
        instance = FIRST_OBJECT + self._only(name)
        for seed in range(_OTHER_VIEWS):
            view = render(self.room, free_camera(self.room, seed), seed=seed)
            rows, columns = np.nonzero(view.instance == instance)
            if len(rows) >= _SHOWN:
                return view.rgb[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        raise InputError(f"No other view of the room shows {name!r} large enough.")

    def _only(self, name: str) -> int:
        named = [i for i, object in enumerate(self.room.objects) if object.name == name]
        if len(named) != 1:
            raise InputError(f"The room has {len(named)} objects called {name!r}.")
        return named[0]
