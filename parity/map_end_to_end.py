"""The mapping goldens from folder to score: readers, mapper, labels, truth and metrics, features injected."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from parity.map_golden_set import MapGoldenSet, near, same
from parity.report import Row
from radseg.datasets.rgbd import Sized, open_sequence
from radseg.datasets.rgbd.classes import ClassTable
from radseg.datasets.rgbd.replica import replica_classes
from radseg.datasets.rgbd.scannet import scannet_classes, scannet_labels, scannet_scan
from radseg.evaluation.maps.truth import LabelledVoxels, external_voxels, lifted_truth
from radseg.evaluation.maps.voxel_labels import predict_labels_by_chunk, voxel_probabilities
from radseg.mapping.description import MapDescription
from radseg.mapping.mapper import Mapper
from radseg.mapping.voxel_map import VoxelMap
from radseg.metrics.voxels import score_voxels, transfer_labels, transfer_labels_float32
from radseg.types import Size


@dataclass(frozen=True)
class Run:
    """What one end-to-end case is run on.

    Attributes:
        facts: its parameters in the manifest.
        injected: one grid of values per used frame, in the place of an encoder.
        source: golden file with text and adaptor.
        space: "feature" or "probability".
    """

    facts: Mapping[str, Any]
    sequence: Sized
    injected: torch.Tensor
    table: ClassTable
    truth: LabelledVoxels
    source: str
    space: str


def replica_stages(name: str, space: str, goldens: MapGoldenSet) -> Iterator[Row]:
    """The Replica layout with external truth, in one aggregation space."""
    facts, root = goldens.manifest["end_to_end"]["parameters"]["replica"], goldens.folder / "replica_layout"
    given = goldens.tensors("replica_features")
    table = replica_classes(root, facts["scene"], ignore=facts["classes_to_ignore"])
    read = open_sequence(root / facts["scene"], frame_skip=facts["frame_skip"])
    sequence = Sized(read, Size(*facts["rgb_resolution"]), Size(*facts["depth_resolution"]))
    points = goldens.tensors("replica_external_gt")
    truth = external_voxels(points["xyz"], points["raw_label"], table, facts["vox_size"])
    injected = given["feat"] if space == "feature" else given["prob"]
    yield from _stages(name, goldens, Run(facts, sequence, injected, table, truth, "replica_features", space))


def scannet_stages(name: str, goldens: MapGoldenSet) -> Iterator[Row]:
    """The ScanNet layout with truth lifted from its label images."""
    facts, root = goldens.manifest["end_to_end"]["parameters"]["scannet"], goldens.folder / "scannet_layout"
    golden = goldens.arrays(name)
    table, to_nyu40 = scannet_classes(root, ignore=facts["classes_to_ignore"])
    scan = scannet_scan(root / facts["scene"], read_semantics=scannet_labels(table, to_nyu40))
    sizes = Size(*facts["rgb_resolution"]), Size(*facts["depth_resolution"])
    sequence = Sized(scan.every(facts["frame_skip"]), *sizes)
    truth = lifted_truth(sequence, len(table.names), facts["vox_size"])
    yield same(name, "gt_ijk", truth.keys, golden["gt_ijk"])
    yield same(name, "gt_label", truth.labels, golden["gt_label"])
    injected = goldens.tensors("scannet_features")["feat"]
    run = Run(facts, sequence, injected, table, truth, "scannet_features", "feature")
    yield from _stages(name, goldens, run)


def _stages(name: str, goldens: MapGoldenSet, run: Run) -> Iterator[Row]:
    golden, facts, table, truth = goldens.arrays(name), run.facts, run.table, run.truth
    yield same(name, "class names", np.array(table.names), golden["class_name"])
    size = float(facts["vox_size"])
    channels = run.injected.shape[1]
    description = MapDescription(size, "backbone:injected", channels, dtype="float32")
    voxels = VoxelMap(description)
    for i, frame_id in enumerate(run.sequence.frame_ids()):
        Mapper(description, lambda _, i=i: run.injected[i]).integrate(run.sequence.read(frame_id), voxels)
    whole = voxels.to_semantic_map().whole()
    yield same(name, "vox_ijk", whole.keys, golden["vox_ijk"], 0.001 * len(golden["vox_ijk"]))
    yield near(name, "vox_feat", whole.values, golden["vox_feat"], goldens.tolerance("feature"))
    given = goldens.tensors(run.source)
    if run.space == "feature":
        order = [list(goldens.arrays(run.source)["class_names"]).index(one) for one in table.names]
        hidden = (whole.values @ given["W1"].T + given["b1"]).relu()
        features, text = hidden @ given["W2"].T + given["b2"], given["text"][order]
    else:
        features, text = whole.values, torch.full((channels - 1, channels), 1e-10)
        text[:, 1:].fill_diagonal_(1.0)
    labels = predict_labels_by_chunk(voxel_probabilities(features, text)).numpy()
    keys, k = whole.keys.numpy(), int(facts["k"])
    rounded = transfer_labels_float32(truth.keys, keys, labels, voxel_size=size, neighbours=k)
    lattice = transfer_labels(truth.keys, keys, labels, neighbours=k)
    for kind, aligned, allowed in (
        ("float32", rounded, goldens.tolerance("e2e_metrics", r"set ([\d.]+)")),
        ("lattice", lattice, goldens.tolerance("e2e_metrics")),
    ):
        scores = score_voxels(truth.labels, aligned, table.names)
        for stage, value in (("miou", scores.miou), ("fmiou", scores.fmiou), ("acc", scores.accuracy)):
            yield near(name, f"{stage} ({kind})", value, golden[stage], allowed)
        yield same(name, f"tp+fn ({kind})", scores.tp + scores.fn, golden["tp"] + golden["fn"])
        one_percent = 0.01 * float((golden["tp"] + golden["fn"]).sum())
        off = float(np.abs(scores.tp - golden["tp"]).sum())
        yield near(name, f"tp ({kind})", off, 0.0, one_percent)


STAGES: Mapping[str, Callable[[MapGoldenSet], Iterator[Row]]] = {
    "e2e_replica_feature": partial(replica_stages, "e2e_replica_feature", "feature"),
    "e2e_replica_prob": partial(replica_stages, "e2e_replica_prob", "probability"),
    "e2e_scannet_feature": partial(scannet_stages, "e2e_scannet_feature"),
}
