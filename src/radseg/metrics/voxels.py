"""Scores of labelled voxels against labelled truth: label transfer between voxel sets, then IoU (mapping
spec 3.6 to 3.8).

Labels are 0 for none, classes from 1. Truth 0 is not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer
from scipy.spatial import cKDTree

from radseg.errors import InputError
from radseg.types import ShortRepr

Keys = Integer[np.ndarray, "m 3"]
Labels = Integer[np.ndarray, "m"]

_ROWS = 65536  # truth voxels whose neighbours are in memory at once


@dataclass(frozen=True, eq=False, repr=False)
class VoxelScores(ShortRepr):
    """Scores of one scene, one entry per class; shares from 0 to 1.

    Attributes:
        names: of the classes.
        tp, fp, fn: voxels of the truth that are right, wrongly given the class, and missed.
        iou: TP / (TP + FP + FN); NaN for a class that the truth does not have.
        miou: mean over the classes that the truth has; NaN without any.
        fmiou: mean weighted with the voxels of the truth.
        accuracy: share of judged voxels that are right.
    """

    names: tuple[str, ...]
    tp: Int64[np.ndarray, "c"]
    fp: Int64[np.ndarray, "c"]
    fn: Int64[np.ndarray, "c"]
    iou: Float64[np.ndarray, "c"]
    miou: float
    fmiou: float
    accuracy: float


def score_voxels(truth: Labels, predicted: Labels, names: Sequence[str]) -> VoxelScores:
    """Return the scores of labels given to the voxels of the truth.

    A wrong label whose class the truth does not have costs only the class that was missed: its own IoU does
    not exist. A prediction of 0 is a miss.

    Raises:
        InputError: different lengths, or a label that stands for no class.
    """
    c = len(names)
    if truth.shape != predicted.shape:
        raise InputError(f"{len(truth)} voxels of truth but {len(predicted)} predicted labels.")
    for what, labels in (("truth", truth), ("prediction", predicted)):
        if labels.size and not 0 <= labels.min() <= labels.max() <= c:
            raise InputError(
                f"The {what} has labels from {labels.min()} to {labels.max()}; {c} classes go from 0 to {c}."
            )
    judged = truth != 0
    right = np.bincount(truth[judged & (truth == predicted)], minlength=c + 1)[1:]
    wanted = np.bincount(truth[judged], minlength=c + 1)[1:]
    given = np.bincount(predicted[judged], minlength=c + 1)[1:]
    present = wanted > 0
    iou = np.full(c, np.nan)
    iou[present] = (right / np.maximum(wanted + given - right, 1))[present]
    total = int(wanted.sum())
    return VoxelScores(
        names=tuple(names),
        tp=right.astype(np.int64),
        fp=(given - right).astype(np.int64),
        fn=(wanted - right).astype(np.int64),
        iou=iou,
        miou=float(iou[present].mean()) if total else float("nan"),
        fmiou=float((wanted / total * np.nan_to_num(iou)).sum()) if total else float("nan"),
        accuracy=float(right.sum() / total) if total else float("nan"),
    )


def transfer_labels(truth: Keys, keys: Keys, labels: Labels, *, neighbours: int = 5) -> Labels:
    """Return for every voxel of the truth the commonest label among its nearest predicted voxels.

    Distances are compared as whole numbers on the lattice; of equally far voxels the one whose index comes
    first (axis by axis) is nearer, and of equally common labels the smallest wins. Label 0 takes part. There
    is no limit of distance: voxels that no camera saw get a label too (mapping spec 3.6).

    Differs from RayFronts, whose order of equally far voxels is rounding noise of float32 centres; on a
    lattice the 5th and 6th neighbour tie for 3 voxels in 10. `transfer_labels_float32` follows it.

    Raises:
        InputError: no neighbours, or nothing was predicted.
    """
    order = np.lexsort(keys.T[::-1])
    sorted_keys, sorted_labels = keys[order].astype(np.float64), labels[order]
    k = _neighbours(neighbours, len(keys))
    tree = cKDTree(sorted_keys)
    parts = [
        _commonest(sorted_labels[_nearest_on_lattice(tree, rows, k)])
        for rows in np.array_split(truth.astype(np.float64), max(1, -(-len(truth) // _ROWS)))
    ]
    return np.concatenate(parts)


def transfer_labels_float32(
    truth: Keys, keys: Keys, labels: Labels, *, voxel_size: float, neighbours: int = 5
) -> Labels:
    """Return what `transfer_labels` does, ties broken by the rounding of float32 centres as in RayFronts.

    Differs from the published code where that leaves ties: its ball tree (scikit-learn) takes them in another
    order. At most 0.29 % of the labels and 0.08 points of mIoU in the goldens (docs/experiments.md).
    """
    size = np.float32(voxel_size)
    tree = cKDTree(keys.astype(np.float32) * size)
    k = _neighbours(neighbours, len(keys))
    _, nearest = tree.query(truth.astype(np.float32) * size, k=np.arange(1, k + 1))
    return _commonest(labels[nearest])


def union_labels(truth: Keys, truth_labels: Labels, keys: Keys, labels: Labels) -> tuple[Labels, Labels]:
    """Return truth and prediction on the union of both voxel sets, 0 where one has no voxel.

    RayFronts calls this k = 0. Rows follow the voxel indices, first axis first.
    """
    both, row = np.unique(np.concatenate([truth, keys]), axis=0, return_inverse=True)
    row = row.reshape(-1)
    one, other = np.zeros(len(both), np.int64), np.zeros(len(both), np.int64)
    one[row[: len(truth)]] = truth_labels
    other[row[len(truth) :]] = labels
    return one, other


def _neighbours(wanted: int, available: int) -> int:
    if wanted < 1:
        raise InputError(f"{wanted} neighbours; at least 1 is needed (0 is union_labels).")
    if available == 0:
        raise InputError("The map has no voxels, so no label can be transferred.")
    return min(wanted, available)


def _nearest_on_lattice(tree: cKDTree, points: np.ndarray, k: int) -> Int64[np.ndarray, "m k"]:
    """Return the k nearest rows of the tree, ties by row: its points must be sorted."""
    chosen = np.empty((len(points), k), np.int64)
    left, looked = np.arange(len(points)), min(tree.n, k + 11)
    while len(left):
        distance, row = tree.query(points[left], k=np.arange(1, looked + 1))
        squared = np.rint(distance**2).astype(np.int64)
        order = np.lexsort((row, squared))[:, :k]
        # Beyond the last one looked at there may be equals of the k-th: only then look at more.
        sure = (squared[:, -1] > np.take_along_axis(squared, order, 1)[:, -1]) | (looked == tree.n)
        chosen[left[sure]] = np.take_along_axis(row, order, 1)[sure]
        left, looked = left[~sure], min(tree.n, 2 * looked)
    return chosen


def _commonest(labels: Integer[np.ndarray, "m k"]) -> Labels:
    """Return the commonest label of every row, the smallest of equals."""
    ordered = np.sort(labels, axis=1)
    same = ordered[:, :, None] == ordered[:, None, :]
    # argmax takes the first maximum, which is the smallest label because rows are sorted.
    return np.take_along_axis(ordered, same.sum(2).argmax(1)[:, None], 1)[:, 0]
