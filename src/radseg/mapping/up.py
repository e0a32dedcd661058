"""Which way is up in a map: where the tops of the images pointed, on average."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from radseg.mapping.semantic_map import SemanticMap
from radseg.types import Up


def camera_up(semantic_map: SemanticMap) -> NDArray[Any]:
    """Return the unit direction of the world in which the images' tops pointed on average; z if unknown."""
    noted = semantic_map.build.get("frames", {}).get("camera_up", (0.0, 0.0, 1.0))
    up = np.asarray(noted, np.float64)
    length = np.linalg.norm(up)
    return up / length if length > 0 else np.array([0.0, 0.0, 1.0])


def up_axis(semantic_map: SemanticMap) -> Up:
    """Return the world axis nearest to the cameras' up."""
    up = camera_up(semantic_map)
    axis = int(np.abs(up).argmax())
    return cast(Up, f"{'+' if up[axis] > 0 else '-'}{'xyz'[axis]}")
