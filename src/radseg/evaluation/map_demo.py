"""The miniature in 3D: a walk through a rendered room becomes a map, is judged, and finds a ball. Offline."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from radseg.evaluation.map_protocols import MapProtocol, Space
from radseg.evaluation.scenes import label_map, lifted_truth, map_scene, score_labels
from radseg.mapping.query import Answer
from radseg.metrics.voxels import VoxelScores
from radseg.miniature.walk import BALL_ROOM, SIZE, RoomWalk

if TYPE_CHECKING:
    from radseg.mapping.semantic_map import SemanticMap

WANTED = "red ball"
PROTOCOL = MapProtocol("miniature", (str(BALL_ROOM),), SIZE, SIZE, "lifted", frame_skip=0)


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
