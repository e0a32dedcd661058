"""Asking a map by an image of an object: its features inside its mask, against what else is in the map."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.io import read_image
from radseg.mapping.objects import DOUBT
from radseg.mapping.prototypes import SAMPLE, prototypes
from radseg.ops.foreground import foreground
from radseg.ops.inference import inference
from radseg.runs.lifting import FeatureLift
from radseg.types import TextEmbeddings

if TYPE_CHECKING:
    from radseg.mapping.aligned import Align
    from radseg.mapping.query import AlignedPart
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.segment import Segmenter

ITSELF = 0.5
"""Prototypes beyond this share of the way from an ordinary voxel's cosine to the best ones' are the object
itself and do not compete with it."""


@inference()
def object_feature(path: Path, segmenter: "Segmenter", align: "Align | None") -> Float[Tensor, "1 e"]:
    """Return the feature of the object in an image that was cut out closely, as a voxel of it would have it.

    A voxel averages features before they are aligned, so the image does too, over the patches of the object.

    Raises:
        ImageError: not an image.
    """
    values = FeatureLift(segmenter)(read_image(path)).cpu()
    mean = values[:, foreground(values)].mean(dim=1)[None]
    return F.normalize(mean if align is None else align(mean), dim=1)


@inference()
def competitors(
    parts: Iterable["AlignedPart"], feature: Float[Tensor, "1 e"], semantic_map: "SemanticMap"
) -> Float[Tensor, "k e"]:
    """Return the directions that a voxel is nearer to if it is not the object: the map's own prototypes.

    Cosines between images are far higher than between images and prompts, so prompts would never win; one
    mean of the whole map would win too little.

    Raises:
        InputError: the map is empty.
    """
    step = -(-len(semantic_map) // SAMPLE)
    cosines, sample, seen = [], [], 0
    for part in parts:
        cosines.append(part.features.float() @ feature[0])
        sample.append(part.features[-seen % step :: step].float())
        seen += len(part.features)
    if not seen:
        raise InputError("The map has no voxels to ask.")
    found, cosine = prototypes(torch.cat(sample)), torch.cat(cosines)
    object_voxels = min(max(1, round(DOUBT / semantic_map.voxel_size**2)), len(cosine))
    best, ordinary = cosine.topk(object_voxels).values[-1], cosine.median()
    near = found @ feature[0]
    others = found[near < ordinary + ITSELF * (best - ordinary)]
    return others if len(others) else found[near.argmin()][None]


def image_prompts(
    path: Path,
    segmenter: "Segmenter",
    semantic_map: "SemanticMap",
    align: "Align | None",
    parts: Callable[[int], Iterable["AlignedPart"]],
) -> tuple[TextEmbeddings, TextEmbeddings]:
    """Return an image as a name and its competitors as the bank, to be asked like words.

    Args:
        parts: gives the aligned voxels of the map, of so many numbers each.

    Raises:
        ImageError: not an image.
        InputError: the map is empty.
    """
    feature = object_feature(path, segmenter, align)
    others = competitors(parts(feature.shape[1]), feature, semantic_map)
    space = segmenter.encoder.space
    bank = TextEmbeddings(("the rest of the map",), others, (0,) * len(others), space)
    return TextEmbeddings((path.stem,), feature, (0,), space), bank
