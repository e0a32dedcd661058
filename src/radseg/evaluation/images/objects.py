"""Objects of images against true ones: what is kept of an image, and the scores of a set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jaxtyping import Bool, Float64, Int64

from radseg.evaluation.images.result import ObjectScore, Score
from radseg.metrics.bootstrap import Interval, weighted_intervals
from radseg.metrics.instances import (
    THRESHOLDS,
    FoundObjects,
    Matches,
    ap_scores,
    average_precisions,
    match_objects,
    place_sets,
    true_objects,
)
from radseg.metrics.panoptic import PanopticCounts, panoptic_counts, pq_scores
from radseg.objects import ImageObject, panoptic
from radseg.types import Segments

SCORE_TITLES = {
    "ap": "AP",
    "ap50": "AP50",
    "ap25": "AP25",
    "pq": "PQ",
    "pq_objects": "PQ, objects",
    "pq_stuff": "PQ, stuff",
}
"""The scores that are printed, in order."""


@dataclass(frozen=True, eq=False)
class ObjectCounts:
    """What is kept of the objects of one image or scene.

    Attributes:
        matches: of things.
        panoptic: of things and stuff, each place in one object at most.
    """

    matches: Matches
    panoptic: PanopticCounts

    @classmethod
    def of(
        cls,
        objects: Sequence[ImageObject],
        truth: Segments,
        *,
        stuff: Bool[np.ndarray, " c"],
    ) -> Self:
        """Count one image; an object's label is its class from 1.

        Raises:
            InputError: an object of another size than the image, or of no class.
        """
        things = [one for one in objects if not stuff[one.label - 1]]
        found = FoundObjects(
            place_sets((one.mask for one in things), truth.ids.size),
            np.array([one.label - 1 for one in things], np.int64),
            np.array([one.score for one in things], np.float64),
        )
        height, width = truth.ids.shape
        segments = Segments(
            panoptic(objects, (height, width)),
            np.array([one.label - 1 for one in objects], np.int64),
            np.zeros(len(objects), np.bool_),
        )
        return cls(
            match_objects(found, true_objects(truth, stuff), classes=len(stuff)),
            panoptic_counts(truth, segments, classes=len(stuff)),
        )

    def as_line(self) -> dict[str, Any]:
        """Return the counts as JSON values: verdicts as bits by threshold, absent classes left out."""
        one = self.matches
        rows = self.panoptic.rows()
        present = np.flatnonzero(rows.any(0))
        return {
            "labels": one.labels.tolist(),
            "scores": one.scores.tolist(),
            "right": (_BITS @ one.right).tolist(),
            "unjudged": (_BITS @ one.unjudged).tolist(),
            "truths": one.truths.tolist(),
            "classes": present.tolist(),
            "panoptic": rows[:, present].tolist(),
        }

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Self:
        """Return the counts that `as_line` wrote; KeyError, TypeError or ValueError if it is none."""
        truths = np.array(line["truths"], np.int64)
        rows = np.zeros((4, len(truths)))
        rows[:, np.array(line["classes"], np.int64)] = np.array(line["panoptic"], np.float64).reshape(4, -1)
        matches = Matches(
            np.array(line["labels"], np.int64),
            np.array(line["scores"], np.float64),
            _bits(line["right"]),
            _bits(line["unjudged"]),
            truths,
        )
        return cls(matches, PanopticCounts.of(rows))


_BITS = 1 << np.arange(len(THRESHOLDS))


def _bits(numbers: Sequence[int]) -> Bool[np.ndarray, "t d"]:
    return (np.array(numbers, np.int64)[None] & _BITS[:, None]) > 0


def object_scores(counts: Sequence[ObjectCounts], stuff: Bool[np.ndarray, " c"]) -> dict[str, Score]:
    """Return AP, AP50, AP75, AP25, PQ, SQ and RQ of a set with intervals; nothing of no images.

    A score without classes is left out.

    AP is over things, PQ over all classes, "pq_objects" and "pq_stuff" over its parts.
    """
    if not counts:
        return {}
    matches = [one.matches for one in counts]
    rows = np.stack([one.panoptic.rows() for one in counts])

    def scores(times: Float64[np.ndarray, "b n"]) -> dict[str, Float64[np.ndarray, " b"]]:
        sums = PanopticCounts.of(np.tensordot(times, rows, 1))
        return ap_scores(average_precisions(matches, times)) | pq_scores(sums, stuff)

    values = {name: float(one[0]) for name, one in scores(np.ones((1, len(counts)))).items()}
    values = {name: value for name, value in values.items() if not np.isnan(value)}
    columns = sum(len(one.labels) for one in matches) + rows[0].size
    intervals: Mapping[str, Interval] = {}
    if len(counts) > 1:
        intervals = weighted_intervals(
            len(counts),
            lambda times: {name: one for name, one in scores(times).items() if name in values},
            columns=columns,
        )
    return {name: Score(value, *intervals.get(name, ())) for name, value in values.items()}


def class_object_scores(
    counts: Sequence[ObjectCounts], names: Sequence[str], stuff: Bool[np.ndarray, " c"]
) -> tuple[ObjectScore, ...]:
    """Return true objects, AP and PQ of every class that truth or prediction has."""
    if not counts:
        return ()
    precisions = average_precisions([one.matches for one in counts])[0]
    truths: Int64[np.ndarray, " c"] = np.sum([one.matches.truths for one in counts], axis=0)
    pq = PanopticCounts.of(np.sum([one.panoptic.rows() for one in counts], axis=0)).pq()
    return tuple(
        ObjectScore(
            name,
            bool(stuff[i]),
            int(truths[i]),
            _or_none(precisions[1:, i].mean()),
            _or_none(precisions[1, i]),
            _or_none(precisions[0, i]),
            _or_none(pq[i]),
        )
        for i, name in enumerate(names)
        if truths[i] or not np.isnan(pq[i])
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
