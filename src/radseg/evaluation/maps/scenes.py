"""One scene in 3D: frames to a map, the map to labelled voxels, those against the truth."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd import RgbdSequence
from radseg.errors import InputError
from radseg.evaluation.maps.truth import LabelledVoxels
from radseg.evaluation.maps.voxel_labels import (
    PUBLISHED_ROWS,
    predict_labels,
    predict_labels_by_chunk,
    voxel_probabilities,
)
from radseg.evaluation.paper.map_protocols import MapProtocol
from radseg.files import counted
from radseg.mapping.aligned import Align
from radseg.mapping.mapper import Mapper
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.sightings import Sightings
from radseg.mapping.voxel_map import VoxelMap
from radseg.metrics.voxels import VoxelScores, score_voxels, transfer_labels, transfer_labels_float32


@dataclass(frozen=True)
class SceneMap:
    """A map of one scene and the frames that made it; `skipped` maps a frame to the reason."""

    map: SemanticMap
    frames: int
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SceneResult:
    """What one scene gave; `seconds` has "map" and "score"."""

    scene: str
    scores: VoxelScores
    map: SemanticMap
    frames: int
    skipped: Mapping[str, str]
    seconds: Mapping[str, float]


def map_scene(sequence: RgbdSequence, mapper: Mapper) -> SceneMap:
    """Return the map of all frames that can be used, in memory.

    Raises:
        InputError: no frame can be used; the message holds the first reason.
    """
    voxels, skipped, seen = VoxelMap(mapper.description), {}, Sightings()
    ids = sequence.frame_ids()
    for frame_id in ids:
        try:
            sums, sighting = mapper.observed(sequence.read(frame_id))
            voxels.add(sums)
            seen.frames.append(sighting)
        except InputError as error:  # one bad frame never ends a run
            skipped[frame_id] = str(error)
    if len(skipped) == len(ids):
        raise InputError(
            f"None of {counted(len(ids), 'frame')} can be used: {next(iter(skipped.values()), 'no frames')}"
        )
    made = replace(voxels.to_semantic_map(), load_sightings=lambda: seen)
    return SceneMap(made, len(ids) - len(skipped), skipped)


def label_map(
    semantic_map: SemanticMap, text: Float[Tensor, "c e"], align: Align | None, protocol: MapProtocol
) -> LabelledVoxels:
    """Return the label of every voxel of a map.

    Args:
        text: one row per name; the identity matrix for a map of probabilities, whose channels are names.
        align: applied to the averages, in blocks; None where they are in the space of `text`.
    """
    whole = semantic_map.whole()
    blocks = [
        voxel_probabilities(part if align is None else align(part), text)
        for part in whole.values.split(PUBLISHED_ROWS)
    ]
    predict = predict_labels_by_chunk if protocol.rules == "published" else predict_labels
    labels = predict(torch.cat(blocks, dim=1), denoising=protocol.denoising, threshold=protocol.threshold)
    return LabelledVoxels(whole.keys.numpy(), labels.numpy())


def score_labels(
    truth: LabelledVoxels, predicted: LabelledVoxels, names: Sequence[str], protocol: MapProtocol
) -> VoxelScores:
    """Return the scores of a map's labels against true voxels, by nearest neighbours."""
    k = protocol.neighbours
    if protocol.rules == "published":
        aligned = transfer_labels_float32(
            truth.keys, predicted.keys, predicted.labels, voxel_size=protocol.voxel_size, neighbours=k
        )
    else:
        aligned = transfer_labels(truth.keys, predicted.keys, predicted.labels, neighbours=k)
    return score_voxels(np.asarray(truth.labels), np.asarray(aligned), names)


def evaluate_scene(
    scene: str,
    sequence: RgbdSequence,
    truth: LabelledVoxels,
    mapper: Mapper,
    text: Float[Tensor, "c e"],
    *,
    names: Sequence[str],
    align: Align | None,
    protocol: MapProtocol,
) -> SceneResult:
    """Return the scores of one scene, mapped and labelled as the protocol says."""
    start = time.perf_counter()
    made = map_scene(sequence, mapper)
    mapped = time.perf_counter()
    scores = score_labels(truth, label_map(made.map, text, align, protocol), names, protocol)
    seconds = {"map": mapped - start, "score": time.perf_counter() - mapped}
    return SceneResult(scene, scores, made.map, made.frames, made.skipped, seconds)
