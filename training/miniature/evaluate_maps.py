"""The miniature in 3D: a walk through a rendered room becomes a map, is judged, and finds a ball. Offline.

    python -m training.miniature.evaluate_maps [--rooms 8]

scores walks through held-out rooms: maps of features, of probabilities, and of probabilities refined by
RADSeg+.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from radseg.evaluation.maps.scenes import label_map, map_scene, score_labels
from radseg.evaluation.maps.truth import lifted_truth
from radseg.evaluation.paper.map_protocols import MapProtocol
from radseg.mapping.query import Answer
from radseg.metrics.means import Mean, mean_interval
from radseg.metrics.voxels import VoxelScores
from radseg.miniature.walk import BALL_ROOM, FRAMES, SIZE, RoomWalk

if TYPE_CHECKING:
    from radseg.mapping.semantic_map import SemanticMap

WANTED = "red ball"
PROTOCOL = MapProtocol("miniature", (str(BALL_ROOM),), SIZE, SIZE, "lifted", frame_skip=0)


Form = Literal["features", "probabilities", "refined"]
"""What is averaged in the voxels; "refined" are probabilities of RADSeg+."""


@dataclass(frozen=True, eq=False)
class MapDemo:
    """What the miniature gave in 3D.

    Attributes:
        scores: per form of the map.
        map: in feature space.
        answer: what it says to WANTED and to an object that is not there.
        found: middle of the best red ball's box; None where there is none.
        truth: where it is; metres, both.
    """

    scores: dict[Form, VoxelScores]
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
    """Map a room with the embedded miniature, judge the map in every form, and look for a red ball."""
    from radseg.presets.load import load  # noqa: PLC0415
    from radseg.runs.map_query import MapQuery  # noqa: PLC0415

    walk = walk or RoomWalk()
    segmenter = load("miniature")
    scores, made = score_walk(walk, protocol)
    answer = MapQuery(made, None, segmenter).ask([WANTED, ABSENT])
    objects = answer.objects()[WANTED]
    return MapDemo(scores, made, answer, objects[0].middle if objects else None, walk.place(WANTED))


def score_walk(
    walk: RoomWalk, protocol: MapProtocol = PROTOCOL
) -> "tuple[dict[Form, VoxelScores], SemanticMap]":
    """Return the voxel scores of the room in every form, and its map of features."""
    from radseg.presets.load import load  # noqa: PLC0415
    from radseg.runs.lifting import feature_mapper, probability_mapper  # noqa: PLC0415
    from radseg.runs.map_query import alignment  # noqa: PLC0415

    segmenter, names = load("miniature"), list(walk.room.names)
    truth = lifted_truth(walk, len(names), protocol.voxel_size)
    text, _ = segmenter.embed(names, mode="assign")
    made = map_scene(walk, feature_mapper(segmenter, protocol.voxel_size)).map
    labels = label_map(made, text.values, alignment(made, segmenter), protocol)
    scores: dict[Form, VoxelScores] = {"features": score_labels(truth, labels, names, protocol)}
    forms: tuple[tuple[Form, str], ...] = (("probabilities", "miniature"), ("refined", "miniature+"))
    for form, preset in forms:
        likely = map_scene(walk, probability_mapper(load(preset), names, protocol.voxel_size)).map
        labels = label_map(likely, torch.eye(len(names)), None, protocol)
        scores[form] = score_labels(truth, labels, names, protocol)
    return scores, made


def main() -> None:
    """Score walks through several held-out rooms as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--first", type=int, default=910_000, help="seed of the first room")
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args()
    rooms = []
    for seed in range(chosen.first, chosen.first + chosen.rooms):
        rooms.append(score_walk(RoomWalk(seed, frames=chosen.frames))[0])
        line = ", ".join(f"{form} {100 * score.miou:.1f}" for form, score in rooms[-1].items())
        sys.stdout.write(f"room {seed}: mIoU {line}\n")
    for form in rooms[0]:
        for what in ("miou", "fmiou", "accuracy"):
            mean = mean_interval(np.array([getattr(one[form], what) for one in rooms]))
            sys.stdout.write(f"{form:14} {what:9} {_percent(mean)}\n")
    gains = mean_interval(np.array([one["refined"].miou - one["probabilities"].miou for one in rooms]))
    sys.stdout.write(f"refined over probabilities, mIoU {_percent(gains)}\n")


def _percent(mean: Mean) -> str:
    value, low, high = (100 * number for number in mean)
    return f"{value:5.1f} [{low:.1f}, {high:.1f}] %"


if __name__ == "__main__":
    main()
