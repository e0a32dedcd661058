"""True voxels, from labelled points or from labelled images (mapping spec 1.4 and 1.5).

Class indices are 0 for "ignore", classes from 1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor
from torch.nn import functional as F

from radseg.datasets.rgbd import RgbdSequence
from radseg.datasets.rgbd.classes import ClassTable
from radseg.errors import InputError, MissingFileError
from radseg.files import shown
from radseg.ops.camera import transform, unproject, valid_depth
from radseg.ops.resize import resize_antialiased
from radseg.ops.voxels import pack, reachable, unpack, voxel_indices
from radseg.types import Frame, ShortRepr, Size


@dataclass(frozen=True, eq=False, repr=False)
class LabelledVoxels(ShortRepr):
    """Voxels with one class index each, rows in ascending order of their indices."""

    keys: Integer[np.ndarray, "m 3"]
    labels: Integer[np.ndarray, "m"]


def external_voxels(
    points: Float[Tensor, "n 3"], raw_labels: Int[Tensor, " n"], table: ClassTable, voxel_size: float
) -> LabelledVoxels:
    """Return true voxels from labelled points: the commonest class of each voxel, "ignore" included.

    Ties go to the lowest class index. A voxel that "ignore" wins is not judged (mapping spec 1.4).

    Raises:
        InputError: lengths differ, points are not finite, or a class number is unknown to the table.
    """
    if points.ndim != 2 or points.shape[1] != 3 or len(points) != len(raw_labels):
        raise InputError(f"Points of shape {tuple(points.shape)} do not go with {len(raw_labels)} labels.")
    if not bool(reachable(points, voxel_size).all()):
        raise InputError("The true points hold NaN, infinite or unreachably far coordinates; remove them.")
    votes = LabelVotes(len(table.names) + 1)
    votes.add(pack(voxel_indices(points.float(), voxel_size)), table.indices(raw_labels))
    return votes.winners(count_ignore=True)


def read_external(file: Path) -> tuple[Float[Tensor, "n 3"], Int[Tensor, " n"]]:
    """Return points (metres) and raw class numbers of a truth file.

    It holds the tensors `semseg_gt_xyz` and `semseg_gt_label`; nothing in it is executed.

    Raises:
        MissingFileError: no such file.
        InputError: not such a file, or labels that are not integers.
    """
    if not file.is_file():
        raise MissingFileError(
            f"There is no true segmentation {shown(file)}; how to make it: docs/querying.md."
        )
    try:
        content: Any = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise TypeError(f"it holds a {type(content).__name__}")
        points, labels = content["semseg_gt_xyz"], content["semseg_gt_label"]
        points, labels = points.to(torch.float32), labels.reshape(-1)
    except MemoryError:
        raise
    except Exception as error:  # whatever a damaged or foreign file provokes in the unpickler
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{shown(file)} is not a file of true points with semseg_gt_xyz and semseg_gt_label: {reason}"
        ) from error
    if labels.dtype.is_floating_point or labels.dtype == torch.bool:
        raise InputError(
            f"semseg_gt_label of {shown(file)} is {labels.dtype}; class numbers are integers. HOV-SG's "
            "export writes float64: save it again with labels.long()."
        )
    return points, labels.to(torch.int64)


class LabelVotes:
    """How often each class was seen in each voxel; votes of frames add up in any order.

    Args:
        classes: with class 0, "ignore".
    """

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self._keys = torch.empty(0, dtype=torch.int64)
        self._votes = torch.empty(0, classes, dtype=torch.float64)

    def add(self, keys: Int[Tensor, " n"], labels: Int[Tensor, " n"]) -> None:
        """Count one label per point, whose voxel is given by its packed key."""
        found, row = torch.unique(keys, return_inverse=True)
        votes = torch.bincount(row * self.classes + labels, minlength=len(found) * self.classes)
        self._merge(found, votes.reshape(len(found), self.classes).to(torch.float64))

    def add_frame(self, frame: Frame, voxel_size: float) -> None:
        """Count the labels of one frame, read at the resolution of its depth.

        Raises:
            InputError: the frame has no labels.
        """
        if frame.semantics is None:
            raise InputError(f"Frame {frame.id} has no labels; the reader was given no class table.")
        size = Size(*frame.depth.shape)
        pixels = valid_depth(frame.depth).flatten().nonzero()[:, 0]
        local = unproject(frame.depth, frame.intrinsics, pixels)
        points = transform(local, frame.camera_to_world)
        near = reachable(points, voxel_size)
        keys = pack(voxel_indices(points[near], voxel_size))
        if tuple(frame.semantics.shape) == size:
            self.add(keys, frame.semantics.flatten()[pixels[near]])
            return
        one_hot = F.one_hot(frame.semantics, self.classes).movedim(-1, 0).float()
        shares = resize_antialiased(one_hot, size).flatten(1)[:, pixels[near]].T
        found, row = torch.unique(keys, return_inverse=True)
        votes = torch.zeros(len(found), self.classes, dtype=torch.float64)
        self._merge(found, votes.index_add_(0, row, shares.double()))

    def winners(self, *, count_ignore: bool) -> LabelledVoxels:
        """Return the class of most votes per voxel, the lowest of equals; 0 where no class has a vote.

        Args:
            count_ignore: whether "ignore" may win (points, mapping spec 1.4) or only takes what no class
                wants (lifted labels, 1.5).
        """
        votes = self._votes if count_ignore else self._votes[:, 1:]
        best, label = votes.max(dim=1)
        label = label if count_ignore else torch.where(best > 0, label + 1, 0)
        return LabelledVoxels(unpack(self._keys).numpy(), label.numpy())

    def shares(self) -> Float[Tensor, "m c"]:
        """Return per voxel the share of each class, "ignore" first; rows in ascending order of the voxels."""
        return self._votes / self._votes.sum(dim=1, keepdim=True)

    def _merge(self, keys: Int[Tensor, " m"], votes: Float[Tensor, "m c"]) -> None:
        joined, row = torch.unique(torch.cat([self._keys, keys]), return_inverse=True)
        total = torch.zeros(len(joined), self.classes, dtype=torch.float64)
        total[row[: len(self._keys)]] = self._votes
        self._votes = total.index_add_(0, row[len(self._keys) :], votes)
        self._keys = joined


def lifted_truth(sequence: RgbdSequence, classes: int, voxel_size: float) -> LabelledVoxels:
    """Return true voxels from the label images of the frames that can be read and have them.

    A voxel has the commonest class that is not "ignore". Differs from RayFronts, which sends averaged one-hot
    labels through the classifier: with at most 10 classes a voxel that only "ignore" saw gets class 1 there
    (a uniform softmax is 1/n ≥ 0.1), and a class with under about 1.4 % of the votes beside "ignore" gets 0.
    Equal otherwise (mapping spec 1.5).

    Args:
        classes: how many, without "ignore".

    Raises:
        InputError: no frame can be used; the message holds the last reason.
    """
    votes, used, reason = LabelVotes(classes + 1), 0, "no frames"
    for frame_id in sequence.frame_ids():
        try:
            votes.add_frame(sequence.read(frame_id), voxel_size)
            used += 1
        except InputError as error:  # the map skips and counts the same frame
            reason = str(error)
    if not used:
        raise InputError(f"No frame has usable labels: {reason}")
    return votes.winners(count_ignore=False)
