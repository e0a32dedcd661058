"""Average precision of objects: COCO's matching and 101-point interpolation, on any sets of places.

A place is a pixel, a voxel or a point, so images and maps share this code. Counts of images are weights, so
that a bootstrap draws whole images.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer
from scipy.sparse import csr_array, vstack

from radseg.errors import InputError
from radseg.types import Segments, ShortRepr

THRESHOLDS = np.concatenate([[0.25], np.linspace(0.5, 0.95, 10)])
"""IoU from which an object counts as found: ScanNet's loose one, then COCO's ten."""
MAX_FOUND = 100
"""Of each class and image only so many objects count, best first (COCO's maxDets)."""
ANY = -1
"""Class of what is void: not judged, whatever is found there."""
_RECALLS = np.linspace(0, 1, 101)


def place_sets(masks: Iterable[Bool[np.ndarray, "*places"]], places: int) -> csr_array:
    """Return masks of one image or scene as a sparse matrix of objects × places.

    Args:
        masks: all of one shape.
        places: pixels, voxels or points of that shape.

    Raises:
        InputError: a mask of another size.
    """
    rows = []
    for mask in masks:
        if mask.size != places:
            raise InputError(f"A mask has {mask.size} places; all of one image or scene have {places}.")
        rows.append(np.flatnonzero(mask))
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate([np.zeros(0, np.int64), *rows])
    return csr_array((np.ones(len(columns), np.int64), columns, starts), shape=(len(rows), places))


def id_sets(ids: Integer[np.ndarray, "*places"], count: int) -> csr_array:
    """Return objects 1 to `count` of a map of ids as a sparse matrix of objects × places; 0 is none."""
    flat = ids.ravel()
    columns = np.flatnonzero(flat)
    cells = (np.ones(len(columns), np.int64), (flat[columns].astype(np.int64) - 1, columns))
    return csr_array(cells, shape=(count, flat.size))


@dataclass(frozen=True, eq=False, repr=False)
class FoundObjects(ShortRepr):
    """Objects found in one image or scene.

    Attributes:
        sets: objects × places, from `place_sets` or `id_sets`; they may overlap.
        labels: class of each, from 0.
        scores: higher is surer.
    """

    sets: csr_array
    labels: Int64[np.ndarray, " d"]
    scores: Float64[np.ndarray, " d"]


@dataclass(frozen=True, eq=False, repr=False)
class TrueObjects(ShortRepr):
    """Objects that are there.

    Attributes:
        sets, labels: as of `FoundObjects`; a crowd may be of class `ANY`.
        crowd: not judged: several objects in one (COCO's "iscrowd"), too small, or void. What lies in it to
            the threshold's share is neither right nor wrong.
    """

    sets: csr_array
    labels: Int64[np.ndarray, " g"]
    crowd: Bool[np.ndarray, " g"]


def true_objects(segments: Segments, stuff: Bool[np.ndarray, " c"]) -> TrueObjects:
    """Return the things among segments; void is a crowd of every class, as in ScanNet's benchmark.

    Args:
        stuff: classes that are no objects.
    """
    things = np.flatnonzero(~stuff[segments.labels])
    void = csr_array((segments.ids.ravel() == 0).astype(np.int64)[None])
    return TrueObjects(
        vstack([id_sets(segments.ids, len(segments.labels))[things], void], format="csr"),
        np.append(segments.labels[things], ANY),
        np.append(segments.crowd[things], True),
    )


@dataclass(frozen=True, eq=False, repr=False)
class Matches(ShortRepr):
    """What became of the objects found in one image or scene, by class and then by score, best first.

    Attributes:
        labels, scores: of the objects found.
        right: per threshold, whether the object is one that is there.
        unjudged: per threshold, whether it lies in a crowd.
        truths: objects that are there, by class; crowds left out.
    """

    labels: Int64[np.ndarray, " d"]
    scores: Float64[np.ndarray, " d"]
    right: Bool[np.ndarray, "t d"]
    unjudged: Bool[np.ndarray, "t d"]
    truths: Int64[np.ndarray, " c"]


def overlaps(found: csr_array, true: csr_array, crowd: Bool[np.ndarray, " g"]) -> Float64[np.ndarray, "d g"]:
    """Return the IoU of every object found with every true one; with a crowd, the share that lies in it."""
    both = (found @ true.T).toarray().astype(np.float64)
    own, wanted = found.sum(1)[:, None], true.sum(1)[None]
    whole = np.where(crowd[None], own, own + wanted - both)
    return np.divide(both, whole, out=np.zeros_like(both), where=whole > 0)


def match_objects(found: FoundObjects, true: TrueObjects, *, classes: int) -> Matches:
    """Return which objects are right, class by class and threshold by threshold (COCO's rules).

    Objects found take their turn by score; each takes the free true object of the highest IoU, a crowd only
    where there is none. Equal IoU goes to the later true object, as in pycocotools.

    Raises:
        InputError: a class that does not exist, or sets of different places.
    """
    require_classes(found.labels, classes)
    require_classes(true.labels[true.labels != ANY], classes)
    if found.sets.shape[1] != true.sets.shape[1]:
        raise InputError(
            f"The objects found are on {found.sets.shape[1]} places, the true ones on {true.sets.shape[1]}."
        )
    chosen, rights, unjudged = [], [], []
    for label in np.unique(found.labels):
        mine = np.flatnonzero(found.labels == label)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")][:MAX_FOUND]
        theirs = np.flatnonzero((true.labels == label) | (true.labels == ANY))
        theirs = theirs[np.argsort(true.crowd[theirs], kind="stable")]  # crowds last
        crowd = true.crowd[theirs]
        ious = overlaps(found.sets[mine], true.sets[theirs], crowd)
        taken = np.stack([_assign(ious, crowd, threshold) for threshold in THRESHOLDS])
        in_crowd = np.append(crowd, False)[taken]  # −1, none, is the last
        chosen.append(mine)
        rights.append((taken >= 0) & ~in_crowd)
        unjudged.append(in_crowd)
    order = np.concatenate([np.zeros(0, np.int64), *chosen])
    nothing = np.zeros((len(THRESHOLDS), 0), np.bool_)
    return Matches(
        found.labels[order],
        found.scores[order],
        np.concatenate([nothing, *rights], axis=1),
        np.concatenate([nothing, *unjudged], axis=1),
        np.bincount(true.labels[~true.crowd], minlength=classes).astype(np.int64),
    )


def pair_objects(found: FoundObjects, true: TrueObjects, *, threshold: float) -> Int64[np.ndarray, " d"]:
    """Return for every object found the true one that it is at an IoU of `threshold`, −1 for none or a crowd.

    Class by class, as in `match_objects`.
    """
    pairs = np.full(len(found.labels), -1, np.int64)
    theirs = np.flatnonzero(~true.crowd)
    for label in np.unique(found.labels):
        mine = np.flatnonzero(found.labels == label)
        mine = mine[np.argsort(-found.scores[mine], kind="stable")]
        own = theirs[true.labels[theirs] == label]
        taken = _assign(
            overlaps(found.sets[mine], true.sets[own], true.crowd[own]), true.crowd[own], threshold
        )
        pairs[mine] = np.append(own, -1)[taken]
    return pairs


def require_classes(labels: Int64[np.ndarray, " n"], classes: int) -> None:
    """Raise InputError unless every label is a class from 0."""
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"Objects have classes from {labels.min()} to {labels.max()}; with {classes} classes they go "
            f"from 0 to {classes - 1}."
        )


def _assign(
    ious: Float64[np.ndarray, "d g"], crowd: Bool[np.ndarray, " g"], threshold: float
) -> Int64[np.ndarray, " d"]:
    """Return the true object that each found one takes, −1 for none; rows by score, crowds last."""
    taken = np.full(len(ious), -1, np.int64)
    free = np.ones(ious.shape[1], np.bool_)
    lowest = min(threshold, 1 - 1e-10)  # COCO's: an IoU of 1 passes every threshold
    for row, values in enumerate(ious):
        for group in (~crowd, crowd):
            able = np.flatnonzero(group & free & (values >= lowest))
            if len(able):
                best = able[values[able] == values[able].max()][-1]
                taken[row], free[best] = best, crowd[best]  # a crowd takes any number
                break
    return taken


def average_precisions(
    matches: Sequence[Matches], weights: Float[np.ndarray, "b n"] | None = None
) -> Float64[np.ndarray, "b t c"]:
    """Return AP per threshold and class over images; NaN for a class that no image has.

    AP is the mean, over the recalls 0, 0.01, … 1, of the highest precision at that recall or a higher one
    (COCO); 0 where the recall is never reached. Differs from ScanNet's script, which takes the area under
    the steps.

    Args:
        weights: how often each image counts, one row per resample; None counts each once.

    Raises:
        InputError: no images.
    """
    if not matches:
        raise InputError("There is no average precision of no images.")
    times = np.ones((1, len(matches))) if weights is None else np.asarray(weights, np.float64)
    truths = times @ np.stack([one.truths for one in matches])
    image = np.repeat(np.arange(len(matches)), [len(one.labels) for one in matches])
    labels = np.concatenate([one.labels for one in matches])
    scores = np.concatenate([one.scores for one in matches])
    right = np.concatenate([one.right for one in matches], axis=1)
    judged = ~np.concatenate([one.unjudged for one in matches], axis=1)
    found = np.full((len(times), len(THRESHOLDS), truths.shape[1]), np.nan)
    for label in np.flatnonzero(truths.any(0)):
        mine = np.flatnonzero(labels == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        own = times[:, image[mine]]
        for t in range(len(THRESHOLDS)):
            hits = np.cumsum(own * right[t, mine], axis=1)
            all_found = np.cumsum(own * judged[t, mine], axis=1)
            found[:, t, label] = _interpolated(hits, all_found, truths[:, label])
    return found


def _interpolated(
    hits: Float64[np.ndarray, "b d"], found: Float64[np.ndarray, "b d"], truths: Float64[np.ndarray, " b"]
) -> Float64[np.ndarray, " b"]:
    """Return the mean over the recalls of the precision; NaN in a row without truths."""
    precision = np.divide(hits, found, out=np.zeros_like(hits), where=found > 0)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / truths[:, None]
    reached = np.searchsorted(_RECALLS, recall, side="right")  # how many of the recalls
    fresh = np.diff(reached, axis=1, prepend=0)
    return np.where(truths > 0, (best * fresh).sum(1) / len(_RECALLS), np.nan)


def ap_scores(precisions: Float64[np.ndarray, "b t c"]) -> dict[str, Float64[np.ndarray, " b"]]:
    """Return "ap" (mean over IoU 0.5 to 0.95), "ap50", "ap75" and "ap25", means over the classes present.

    NaN where no class is.
    """
    rows = {
        "ap": precisions[:, 1:].mean(1),
        "ap50": precisions[:, 1],
        "ap75": precisions[:, 6],
        "ap25": precisions[:, 0],
    }
    return {name: mean_of_present(values) for name, values in rows.items()}


def mean_of_present(values: Float64[np.ndarray, "b c"]) -> Float64[np.ndarray, " b"]:
    """Return the mean of each row without its NaN; NaN where all are."""
    present = ~np.isnan(values)
    total = np.where(present, values, 0).sum(1)
    nothing = np.full(len(values), np.nan)
    return np.divide(total, present.sum(1), out=nothing, where=present.any(1))
