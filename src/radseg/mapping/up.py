"""Which way is up in a map: mapping knows no gravity, but people hold cameras upright."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from radseg.mapping.semantic_map import SemanticMap

UpAxis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]


def camera_up(semantic_map: SemanticMap) -> Float[np.ndarray, "3"]:
    """Return the unit direction of the world in which the pictures' tops pointed on average; z if unknown."""
    noted = semantic_map.build.get("frames", {}).get("camera_up", (0.0, 0.0, 1.0))
    up = np.asarray(noted, np.float64)
    length = np.linalg.norm(up)
    return up / length if length > 0 else np.array([0.0, 0.0, 1.0])


def up_axis(semantic_map: SemanticMap) -> UpAxis:
    """Return the axis of the world nearest to `camera_up`.

    Wrong where a camera looked steeply down, always in the same direction; "+z" where nothing was noted.
    """
    up = camera_up(semantic_map)
    axis = int(np.abs(up).argmax())
    return get_args(UpAxis)[2 * axis + int(up[axis] < 0)]
