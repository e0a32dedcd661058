"""The miniature in 3D: a walk through a rendered room becomes a map, is judged, and finds a ball. Offline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from radseg.errors import InputError
from radseg.evaluation.map_protocols import MapProtocol, Space
from radseg.evaluation.scenes import label_map, lifted_truth, map_scene, score_labels
from radseg.mapping.query import Answer
from radseg.metrics.voxels import VoxelScores
from radseg.miniature.world import make_room, render, sequence_cameras
from radseg.types import Frame, Intrinsics, Size

if TYPE_CHECKING:
    from radseg.mapping.semantic_map import SemanticMap

BALL_ROOM = 900_013
"""Seed of the room: the first held-out one after the demo's own that has exactly one red ball."""

WANTED = "red ball"
SIZE = Size(240, 320)
FRAMES = 16
PROTOCOL = MapProtocol("miniature", (str(BALL_ROOM),), SIZE, SIZE, "lifted", frame_skip=0)


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
        if frame_id not in self.frame_ids():
            raise InputError(f"The walk has {len(self)} views, none called {frame_id!r}.")
        camera = self.cameras[int(frame_id)]
        view = render(self.room, camera, seed=int(frame_id))
        size = Size(camera.height, camera.width)
        # The world's pixel centres lie at + 0.5, a Frame's at whole numbers.
        x, y = (value - 0.5 for value in camera.centre)
        return Frame(
            id=frame_id,
            rgb=torch.from_numpy(view.rgb.copy()).permute(2, 0, 1).float() / 255,
            depth=torch.from_numpy(view.depth.copy()),
            intrinsics=Intrinsics(camera.focal, camera.focal, x, y, size),
            camera_to_world=torch.from_numpy(camera.camera_to_world.copy()),
            semantics=torch.from_numpy(view.semantic.astype(np.int64) + 1),
        )

    def place(self, name: str) -> tuple[float, float, float]:
        """Return the middle of the only thing of that name, metres.

        Raises:
            InputError: none, or several.
        """
        named = [thing for thing in self.room.things if thing.name == name]
        if len(named) != 1:
            raise InputError(f"The room has {len(named)} things called {name!r}.")
        return named[0].bound[0]


@dataclass(frozen=True, eq=False)
class MapDemo:
    """What the miniature gave in 3D.

    Attributes:
        scores: per aggregation space.
        map: in feature space.
        answer: what it says to WANTED and to a thing that is not there.
        found: middle of the best red ball's box; None where there is none.
        truth: where it is; metres, both.
    """

    scores: dict[Space, VoxelScores]
    map: "SemanticMap"
    answer: Answer
    found: tuple[float, float, float] | None
    truth: tuple[float, float, float]

    @property
    def off(self) -> float:
        """Return how far the found ball is from the true one, metres; infinite where none was found."""
        return (
            float("inf") if self.found is None else float(np.linalg.norm(np.subtract(self.found, self.truth)))
        )


ABSENT = "purple door"
"""Asked for too; the room has none."""


def run_map_demo(walk: RoomWalk | None = None, protocol: MapProtocol = PROTOCOL) -> MapDemo:
    """Map a room with the embedded miniature, judge the map in both spaces, and look for a red ball."""
    from radseg.presets import load  # noqa: PLC0415
    from radseg.runs.lifting import feature_mapper, probability_mapper  # noqa: PLC0415
    from radseg.runs.map_words import MapWords, alignment  # noqa: PLC0415

    walk = walk or RoomWalk()
    segmenter = load("miniature")
    names = walk.room.names
    truth = lifted_truth(walk, len(names), protocol.voxel_size)
    text, _ = segmenter.embed(list(names), mode="assign")
    made = map_scene(walk, feature_mapper(segmenter, protocol.voxel_size)).map
    labels = label_map(made, text.values, alignment(made, segmenter), protocol)
    scores: dict[Space, VoxelScores] = {"features": score_labels(truth, labels, names, protocol)}
    likely = map_scene(walk, probability_mapper(segmenter, list(names), protocol.voxel_size)).map
    labels = label_map(likely, torch.eye(len(names)), None, protocol)
    scores["probabilities"] = score_labels(truth, labels, names, protocol)
    answer = MapWords(made, None, segmenter).ask([WANTED, ABSENT])
    things = answer.instances()[WANTED]
    return MapDemo(scores, made, answer, things[0].middle if things else None, walk.place(WANTED))
