"""Our value of the mapping goldens after the map: ground truth, predictions, metrics, queries."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from parity import map_end_to_end
from parity.golden_set import Array
from parity.map_golden_set import MapGoldenSet, near, same
from parity.report import Row
from radseg.datasets.rgbd.classes import ClassTable
from radseg.evaluation.maps.truth import LabelVotes, external_voxels
from radseg.evaluation.maps.voxel_labels import (
    predict_labels,
    predict_labels_by_chunk,
    voxel_probabilities,
)
from radseg.metrics.voxels import score_voxels, transfer_labels, transfer_labels_float32, union_labels
from radseg.ops.cosine import point_cosine, unit_points
from radseg.types import Frame, Intrinsics, Size

MARGIN = 1e-3
"""Rows closer than this to a tie or a threshold are not compared; the manifest says so."""

_PREDICT = {
    "pred_default": (0.5, 0.1, None),
    "pred_chunk64": (0.5, 0.1, 64),
    "pred_chunk257": (0.5, 0.1, 257),
    "pred_nodenoise": (0.0, 0.1, None),
    "pred_thr05": (0.5, 0.5, None),
    "pred_thr0": (0.0, 0.0, None),
}
_SOFT = {
    "pred_default": (0.5, 0.1, None),
    "pred_chunk1000": (0.5, 0.1, 1000),
    "pred_chunk37": (0.5, 0.1, 37),
    "pred_denoise08": (0.8, 0.1, None),
    "pred_nodenoise": (0.0, 0.1, None),
    "pred_thr03": (0.5, 0.3, None),
    "pred_argmax": (0.0, 0.0, None),
}


def golden_frames(goldens: MapGoldenSet) -> list[Frame]:
    """Return the ten posed frames of the scene, with labels."""
    scene = goldens.tensors("scene")
    k, (height, width) = scene["K"], scene["depth"].shape[-2:]
    camera = Intrinsics(*(float(k[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))), Size(height, width))
    rows = zip(scene["rgb"], scene["depth"], scene["pose"], scene["label"], strict=True)
    return [
        Frame(str(i), rgb, depth[0], camera, pose.double(), semantics=label[0])
        for i, (rgb, depth, pose, label) in enumerate(rows)
    ]


def lift_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """Truth lifted from label images, by our rule and by the published detour through the classifier."""
    golden = goldens.arrays("gt_lift")
    size = float(goldens.arrays("scene")["vox_size"])
    for ending in [key.removeprefix("hist") for key in golden if key.startswith("hist")]:
        kept = golden[f"hist{ending}"].shape[1] - 1
        votes = LabelVotes(kept + 1)
        for frame in golden_frames(goldens):
            assert frame.semantics is not None
            labels = torch.where(frame.semantics <= kept, frame.semantics, 0)
            votes.add_frame(Frame(**(vars(frame) | {"semantics": labels})), size)
        truth, shares = votes.winners(count_ignore=False), votes.shares()
        yield same("gt_lift", f"ijk{ending}", truth.keys, golden[f"ijk{ending}"])
        yield near("gt_lift", f"hist{ending}", shares, golden[f"hist{ending}"], goldens.tolerance("feature"))
        clear = _untied(golden[f"hist{ending}"][:, 1:])
        published = _published_lift(shares.float()).numpy()
        expected = golden[f"label{ending}"]
        yield same("gt_lift", f"label{ending} (rule)", published[clear], expected[clear])
        # Differs from the published labels only where "ignore" alone was seen and there are few classes.
        seen = golden[f"hist{ending}"][:, 0] < 1
        yield same("gt_lift", f"label{ending}", truth.labels[clear & seen], expected[clear & seen])
        yield same("gt_lift", f"label{ending} unseen", truth.labels[~seen], np.zeros((~seen).sum(), int))


def _published_lift(shares: Tensor) -> Tensor:
    text = torch.full((shares.shape[1] - 1, shares.shape[1]), 1e-10)
    text[:, 1:].fill_diagonal_(1.0)
    return predict_labels(voxel_probabilities(shares, text), denoising=0.0)


def external_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """Truth from labelled points."""
    golden = goldens.tensors("gt_external")
    names = tuple(map(str, goldens.arrays("scene")["class_names"]))
    table = ClassTable(names, golden["id_to_index"].long())
    size = float(goldens.arrays("scene")["vox_size"])
    truth = external_voxels(golden["points"], golden["raw_label"], table, size)
    yield same("gt_external", "ijk", truth.keys, golden["ijk"])
    clear = _untied(golden["votes"].numpy())
    yield same("gt_external", "label", truth.labels[clear], golden["label"].numpy()[clear])


def predict_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """Labels of the feature map's voxels, in the golden's row order."""
    golden, scene = goldens.tensors("predict"), goldens.tensors("scene")
    features, text = goldens.tensors("map_feature")["feat"], scene["text"]
    cosines = point_cosine(unit_points(features), text)
    yield near("predict", "cos", cosines.T, golden["cos"], goldens.tolerance("cos"))
    probabilities = voxel_probabilities(features, text)
    yield near("predict", "prob", probabilities.T, golden["prob"], goldens.tolerance("prob"))
    yield from _label_rows("predict", probabilities, golden, _PREDICT)
    aligned = golden_align(scene)(features)
    yield near("predict", "aligned", aligned, golden["aligned"], goldens.tolerance("feature"))
    own = voxel_probabilities(aligned, text)
    yield from _label_rows("predict", own, golden, {"pred_aligned": (0.5, 0.1, None)})
    features = features.clone()
    features[5] = 0
    # The published code gives class 1 to this row and stops denoising; the manifest names what is right.
    corrected = golden["pred_default"].clone()
    corrected[5] = 0
    rule = {"pred_with_zero_row5 (corrected)": (0.5, 0.1, None)}
    wanted = {"pred_with_zero_row5 (corrected)": corrected}
    yield from _label_rows("predict", voxel_probabilities(features, text), wanted, rule)
    yield from _probability_rows(goldens)


def soft_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """Labels where thresholds, denoising and its scope all matter."""
    golden = goldens.tensors("predict_soft")
    probabilities = voxel_probabilities(golden["feat"], golden["text"])
    yield near("predict_soft", "prob", probabilities.T, golden["prob"], goldens.tolerance("prob"))
    yield from _label_rows("predict_soft", probabilities, golden, _SOFT)


def _probability_rows(goldens: MapGoldenSet) -> Iterator[Row]:
    """Labels of a map of probabilities, one-hot rows in the place of text."""
    golden = goldens.tensors("map_prob")
    text = torch.full((golden["feat"].shape[1] - 1, golden["feat"].shape[1]), 1e-10)
    text[:, 1:].fill_diagonal_(1.0)
    rule = {"pred": (0.5, 0.1, None)}
    yield from _label_rows("map_prob", voxel_probabilities(golden["feat"], text), golden, rule)


def metric_stages(name: str, k: int, goldens: MapGoldenSet) -> Iterator[Row]:
    """Label transfer between voxel sets, and the scores."""
    golden = goldens.arrays(name)
    size = float(goldens.arrays("scene")["vox_size"])
    names = tuple(map(str, goldens.arrays("scene")["class_names"]))
    truth, keys = (np.rint(golden[key] / size).astype(np.int64) for key in ("gt_xyz", "pred_xyz"))
    labels, clear = golden["pred_label"].astype(np.int64), ~golden["tie"]
    ours = transfer_labels(truth, keys, labels, neighbours=k)
    yield same(name, "aligned (lattice)", ours[clear], golden["aligned"][clear])
    rounded = transfer_labels_float32(truth, keys, labels, voxel_size=size, neighbours=k)
    yield same(name, "aligned (float32)", rounded[clear], golden["aligned"][clear])
    yield from _score_rows(name, golden, golden["gt_label"], golden["aligned"], names, 1e-6)
    scores = score_voxels(golden["gt_label"].astype(np.int64), ours, names)
    low, high = golden["tie_miou_range"]
    beyond = max(low - scores.miou, scores.miou - high, 0.0)
    yield near(name, "miou in range of ties", beyond, 0.0, goldens.tolerance("e2e_metrics", r"([\d.]+)\)?;"))


def grid_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """k = 0: the union of both voxel sets."""
    golden, truth = goldens.arrays("metric_grid"), goldens.arrays("gt_lift")
    keys, labels = goldens.arrays("map_feature")["ijk"], goldens.arrays("predict")["pred_default"]
    one, other = union_labels(truth["ijk"], truth["label"], keys, labels)
    yield same("metric_grid", "gt", one, golden["gt"])
    yield same("metric_grid", "pred", other, golden["pred"])
    names = tuple(map(str, goldens.arrays("scene")["class_names"]))
    yield from _score_rows("metric_grid", golden, golden["gt"], golden["pred"], names, 1e-6)


def query_stages(goldens: MapGoldenSet) -> Iterator[Row]:
    """Cosines and probabilities of three prompts, which are the first three classes."""
    golden, scene = goldens.tensors("query"), goldens.tensors("scene")
    aligned = golden_align(scene)(goldens.tensors("map_feature")["feat"])
    text = scene["text"][: len(golden["sim"])]
    cosines = point_cosine(unit_points(aligned), text)
    yield near("query", "sim", cosines, golden["sim"], goldens.tolerance("cos"))
    probabilities = voxel_probabilities(aligned, text)
    yield near("query", "prob", probabilities, golden["prob"], goldens.tolerance("prob"))


def golden_align(arrays: Mapping[str, Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the goldens' stand-in for the language adaptor: W2·relu(W1·x + b1) + b2."""

    def align(features: Tensor) -> Tensor:
        hidden = (features @ arrays["W1"].T + arrays["b1"]).relu()
        return hidden @ arrays["W2"].T + arrays["b2"]

    return align


def _label_rows(
    name: str,
    probabilities: Tensor,
    golden: Mapping[str, Tensor],
    rules: Mapping[str, tuple[float, float, int | None]],
) -> Iterator[Row]:
    for stage, (denoising, threshold, rows) in rules.items():
        limits = {"denoising": denoising, "threshold": threshold}
        ours = predict_labels_by_chunk(probabilities, **limits, rows=rows or probabilities.shape[1])
        whole = predict_labels(probabilities, **limits)
        top = probabilities.topk(2, dim=0).values
        clear = (top[0] - top[1] >= MARGIN) & ((top[0] - threshold).abs() >= MARGIN)
        yield same(name, stage, ours[clear], golden[stage][clear])
        if rows is None:
            yield same(name, f"{stage} (whole map)", whole[clear], golden[stage][clear])


def _score_rows(
    name: str,
    golden: Mapping[str, Array],
    truth: Array,
    aligned: Array,
    names: tuple[str, ...],
    allowed: float,
) -> Iterator[Row]:
    scores = score_voxels(truth.astype(np.int64), aligned.astype(np.int64), names)
    for stage in ("tp", "fp", "fn"):
        yield same(name, stage, getattr(scores, stage), golden[stage])
    yield near(name, "iou", scores.iou, golden["iou"], allowed)
    for stage, value in (("miou", scores.miou), ("fmiou", scores.fmiou), ("acc", scores.accuracy)):
        yield near(name, stage, value, golden[stage], allowed)


def _untied(votes: Array) -> Array:
    top = np.sort(votes, axis=1)[:, -2:]
    return (top[:, 1] > top[:, 0] + 1e-6) | (top[:, 1] == 0)


STAGES: Mapping[str, Callable[[MapGoldenSet], Iterator[Row]]] = {
    "gt_lift": lift_stages,
    "gt_external": external_stages,
    "predict": predict_stages,
    "predict_soft": soft_stages,
    **{
        f"metric_knn{k}_{truth}": partial(metric_stages, f"metric_knn{k}_{truth}", k)
        for k in (1, 5)
        for truth in ("ext", "lift")
    },
    "metric_grid": grid_stages,
    "query": query_stages,
    **map_end_to_end.STAGES,
}
"""For each golden file, the function that yields its compared stages."""
