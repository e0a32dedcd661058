"""Measure the miniature's objects on rooms it has never seen: connected parts, SAM, and an upper bound.

    python -m training.miniature.evaluate_objects [--rooms 200] [--json FILE]

Protocol: view, names asked for and what is left out are those of `training.miniature.evaluate`; true objects
are exact, those under 64 pixels are not judged. AP over things and panoptic quality over all names, counts of
all rooms together, 95 % intervals by drawing rooms. "True masks" are the true objects with the name that the
label map's probabilities prefer: what classes allow when no mask is wrong.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseg.evaluation.images.objects import ObjectCounts, class_object_scores, object_scores
from radseg.evaluation.images.result import ObjectScore, Score
from radseg.evaluation.images.rooms import SMALLEST_OBJECT, RoomSegments, segments_of, world_names
from radseg.metrics.bootstrap import weighted_intervals
from radseg.metrics.panoptic import PanopticCounts, pq_scores
from radseg.miniature.world import make_room, structure_names
from radseg.objects import ImageObject, object_of
from radseg.presets.load import load
from radseg.result import Segmentation
from radseg.segment import Segmenter
from radseg.types import Segments
from training.miniature.evaluate import Question, questions

BASE = "connected parts"
Finder = Callable[[Question, Segments], Sequence[ImageObject]]
"""From a question and, for the bound, its truth to objects."""


@dataclass(frozen=True, eq=False)
class ObjectRow:
    """What one way to find objects gave.

    Attributes:
        counts: by room.
        seconds: per room, the segmentation included.
    """

    counts: tuple[ObjectCounts, ...]
    seconds: float

    @property
    def scores(self) -> dict[str, Score]:
        """AP, PQ and so on, with intervals."""
        return object_scores(self.counts, stuff_of_world())

    @property
    def classes(self) -> tuple[ObjectScore, ...]:
        """The same by name."""
        return class_object_scores(self.counts, world_names(), stuff_of_world())


def stuff_of_world() -> NDArray[np.bool_]:
    """Return which names of the world are walls, floors and ceilings."""
    return np.isin(world_names(), structure_names())


def true_segments(seed: int, question: Question) -> Segments:
    """Return the truth of a question about a room; classes are those of `world_names`."""
    parts = RoomSegments.of(make_room(seed, split="held_out"))
    asked = segments_of(
        parts.of_instance[question.view.instance], parts.names, question.asked, smallest=SMALLEST_OBJECT
    )
    return replace(asked, labels=world_index(question.asked)[asked.labels])


def true_masks(result: Segmentation, truth: Segments) -> list[ImageObject]:
    """Return the true objects with the names that are most probable in them."""
    probabilities = result.probabilities()
    objects = []
    for number in range(1, len(truth.labels) + 1):
        mask = truth.ids == number
        means = probabilities[:, mask].mean(1)
        best = int(means.argmax())
        objects.append(
            object_of(mask, name=result.names[best], label=best + 1, score=min(1.0, float(means[best])))
        )
    return objects


def finders() -> dict[str, Finder]:
    """Return the ways to find objects, by what they are called."""
    plain, refined = load("miniature"), load("miniature+")
    sam = refined.with_objects()

    def segmented(segmenter: Segmenter, question: Question) -> Segmentation:
        return segmenter.segment(question.view.rgb, question.asked, mode="assign")

    return {
        BASE: lambda question, _: segmented(plain, question).objects(),
        "connected parts of RADSeg+": lambda question, _: segmented(refined, question).objects(),
        "SAM prompts": lambda question, _: segmented(sam, question).objects(),
        "true masks": lambda question, truth: true_masks(segmented(plain, question), truth),
    }


def measure(rooms: Sequence[int], ways: Mapping[str, Finder]) -> dict[str, ObjectRow]:
    """Return what every way to find objects gives on these rooms."""
    stuff = stuff_of_world()
    counts: dict[str, list[ObjectCounts]] = {name: [] for name in ways}
    seconds = dict.fromkeys(ways, 0.0)
    for seed, question in zip(rooms, questions(rooms), strict=True):
        truth, code = true_segments(seed, question), world_index(question.asked)
        for name, find in ways.items():
            start = time.perf_counter()
            found = find(question, truth)
            seconds[name] += time.perf_counter() - start
            renamed = [replace(one, label=int(code[one.label - 1]) + 1) for one in found]
            counts[name].append(ObjectCounts.of(renamed, truth, stuff=stuff))
    return {name: ObjectRow(tuple(counts[name]), seconds[name] / len(rooms)) for name in ways}


def pq_gain(row: ObjectRow, base: ObjectRow) -> Score:
    """Return the PQ of a row less that of another, with the interval of the same drawn rooms for both."""
    pairs = [np.stack([one.panoptic.rows() for one in each.counts]) for each in (row, base)]

    def scores(times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        own, other = (
            pq_scores(PanopticCounts.of(np.tensordot(times, rows, 1)), stuff_of_world())["pq"]
            for rows in pairs
        )
        return {"gain": own - other}

    value = float(scores(np.ones((1, len(row.counts))))["gain"][0])
    if len(row.counts) < 2:
        return Score(value)
    return Score(value, *weighted_intervals(len(row.counts), scores, columns=2 * pairs[0][0].size)["gain"])


def worse_objects(row: ObjectRow, base: ObjectRow) -> dict[str, tuple[float, float]]:
    """Return PQ of both by name, for the things of which the row has less than `base`."""
    before = {one.name: one.pq or 0.0 for one in base.classes}
    after = {one.name: one.pq or 0.0 for one in row.classes if not one.stuff}
    return {
        name: (pq, before[name]) for name, pq in after.items() if name in before and pq < before[name] - 1e-9
    }


def world_index(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the class of each name among `world_names`."""
    world = world_names()
    return np.array([world.index(name) for name in names], np.int64)


def percent(score: Score) -> str:
    """Return a score in per cent with its interval, where it has one."""
    if score.low is None or score.high is None:
        return f"{100 * score.value:.1f}"
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def report(rows: Mapping[str, ObjectRow]) -> str:
    """Return the table, in per cent."""
    names = ("ap", "ap50", "ap25", "pq", "pq_objects", "pq_stuff")
    lines = ["| | AP | AP50 | AP25 | PQ | PQ, objects | PQ, stuff | seconds |", "|---" * 8 + "|"]
    for title, row in rows.items():
        scores = row.scores
        cells = [percent(scores[name]) if name in scores else "" for name in names]
        lines.append("| " + " | ".join([title, *cells, f"{row.seconds:.2f}"]) + " |")
    base = rows[BASE]
    for title, row in rows.items():
        if row is not base:
            worse = worse_objects(row, base)
            lines.append(
                f"{title} over {BASE}: PQ {percent(pq_gain(row, base))}; {len(worse)} names of objects worse"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first room")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    rows = measure(range(chosen.first, chosen.first + chosen.rooms), finders())
    sys.stdout.write(report(rows))
    if chosen.json:
        content = {
            title: {
                "seconds": row.seconds,
                "scores": {name: asdict(score) for name, score in row.scores.items()},
                "objects": [asdict(one) for one in row.classes],
            }
            for title, row in rows.items()
        }
        result = {"rooms": chosen.rooms, "first": chosen.first, "rows": content}
        chosen.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
