"""The voxels of a map as coloured points to draw."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from radseg.errors import InputError
from radseg.mapping.semantic_map import SemanticMap


class ColouredPoints(NamedTuple):
    """Voxel centres in metres and colours in [0, 1], in the order of the map's chunks."""

    points: Float[np.ndarray, "m 3"]
    colours: Float[np.ndarray, "m 3"]


def coloured_points(semantic_map: SemanticMap) -> ColouredPoints:
    """Return all voxels without their values.

    Raises:
        InputError: the map is empty.
    """
    chunks = [(chunk.keys.numpy(), chunk.colours.numpy()) for chunk in semantic_map.chunks()]
    if not chunks:
        raise InputError("The map has no voxels to show.")
    keys, colours = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
    return ColouredPoints(keys * semantic_map.voxel_size, colours)
