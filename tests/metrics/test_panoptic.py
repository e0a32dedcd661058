"""Panoptic quality against its definition, and what void and crowds excuse."""

from dataclasses import replace

import numpy as np
import pytest
from object_cases import segments

from oracles.panoptic_definition import pq, quality
from radseg.errors import InputError
from radseg.metrics.panoptic import PanopticCounts, panoptic_counts, pq_scores
from radseg.types import Segments

CLASSES = 3


def as_sets(one):
    flat = one.ids.ravel()
    rows = zip(range(1, len(one.labels) + 1), one.labels.tolist(), one.crowd.tolist(), strict=True)
    return [(set(np.flatnonzero(flat == i).tolist()), label, crowd) for i, label, crowd in rows]


@pytest.mark.parametrize("seed", range(60))
def test_counts_equal_the_published_definition(seed):
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(3):
        true = segments(rng, CLASSES, 6)
        pairs.append((true, segments(rng, CLASSES, 6, base=true)))
    ours = PanopticCounts.of(sum(panoptic_counts(*pair, classes=CLASSES).rows() for pair in pairs))
    slow = quality(
        [(as_sets(t), [s[:2] for s in as_sets(f)], set(range(t.ids.size))) for t, f in pairs], CLASSES
    )
    np.testing.assert_allclose(ours.rows().T, np.array(slow, float), rtol=0, atol=1e-12)
    for c, sums in enumerate(slow):
        expected = pq(*sums)
        got = (ours.pq()[c], ours.sq()[c], ours.rq()[c])
        assert got == pytest.approx([float(v) for v in expected], abs=1e-12) if expected else np.isnan(got[0])


def row(ids, labels, crowd=None):
    return Segments(np.array(ids), np.array(labels), np.zeros(len(labels), bool) if crowd is None else crowd)


def test_void_counts_in_no_union():
    counts = panoptic_counts(row([1, 1, 0, 0], [0]), row([1, 1, 1, 0], [0]), classes=1)
    assert (counts.iou[0], counts.tp[0], counts.fp[0]) == (1, 1, 0)


def test_half_an_overlap_is_no_pair():
    counts = panoptic_counts(row([1, 1, 1, 2], [0, 1]), row([1, 0, 1, 1], [0]), classes=2)
    assert (counts.tp[0], counts.fp[0], counts.fn[0]) == (0, 1, 1)


def test_a_crowd_excuses_its_own_class_only():
    true = row([1, 1, 1, 2], [0, 1], np.array([True, False]))
    own = panoptic_counts(true, row([1, 1, 1, 0], [0]), classes=2)
    other = panoptic_counts(true, row([1, 1, 1, 0], [1]), classes=2)
    assert (own.fp[0], own.tp[0], own.fn[0]) == (0, 0, 0)
    assert other.fp[1] == 1


def test_means_are_over_the_classes_with_segments():
    true = row([1, 1, 2, 2], [0, 2])
    counts = panoptic_counts(true, replace(true, ids=np.array([1, 1, 0, 0])), classes=4)
    scores = pq_scores(PanopticCounts.of(counts.rows()[None]), np.array([False, False, True, False]))
    assert {name: value[0] for name, value in scores.items()} == {
        "pq": 0.5, "sq": 0.5, "rq": 0.5, "pq_objects": 1, "pq_stuff": 0,
    }  # fmt: skip


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"shape \(2,\), found ones of \(3,\)"):
        panoptic_counts(row([1, 1], [0]), row([1, 1, 1], [0]), classes=1)
    with pytest.raises(InputError, match="classes from 5 to 5"):
        panoptic_counts(row([1, 1], [5]), row([1, 1], [0]), classes=2)
