"""The box of an object: upright, turned about the vertical so that its footprint is smallest."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from scipy.spatial import ConvexHull

from radseg.types import Up

Triple = tuple[float, float, float]
_EDGES = np.array(
    [(0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7)]
)


@dataclass(frozen=True)
class OrientedBox:
    """An upright box.

    Attributes:
        centre: metres.
        axes: unit vectors along its longer and shorter horizontal side and upwards; right-handed.
        size: extent along each of them, metres.
    """

    centre: Triple
    axes: tuple[Triple, Triple, Triple]
    size: Triple

    @property
    def corners(self) -> Float[np.ndarray, "8 3"]:
        """The corners in metres, those of the lower face first."""
        signs = np.array([(x, y, z) for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)]) / 2
        return np.asarray(self.centre) + (signs * self.size) @ np.asarray(self.axes)

    @property
    def edges(self) -> Float[np.ndarray, "12 2 3"]:
        """The ends of the edges in metres."""
        return self.corners[_EDGES]


def upright_box(keys: Integer[np.ndarray, "m 3"], voxel_size: float, up: Up) -> OrientedBox:
    """Return the smallest upright box around whole voxels.

    One side of the smallest rectangle around points lies along a side of their convex hull (Freeman and
    Shapira, 1975), so those directions alone are tried; of equal ones the nearest to the world's axes wins.
    """
    vertical = "xyz".index(up[1])
    flat = [(vertical + 1) % 3, (vertical + 2) % 3]  # right-handed with the vertical axis
    footprint = np.unique(keys[:, flat], axis=0)
    corners = np.unique((footprint[:, None] + np.array(list(np.ndindex(2, 2)))).reshape(-1, 2), axis=0) - 0.5
    hull = corners[ConvexHull(corners).vertices]
    sides = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.round(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 9))
    angles = np.where(angles > np.pi / 4, angles - np.pi / 2, angles)
    angles = angles[np.argsort(np.abs(angles), kind="stable")]
    turned = np.stack([_turn(angle) for angle in angles]) @ hull.T  # a 2 n
    low, high = turned.min(2), turned.max(2)
    best = int(np.argmin(np.round((high - low).prod(1), 6)))
    axes, extent = _turn(float(angles[best])), high[best] - low[best]
    middle = axes.T @ ((low[best] + high[best]) / 2)
    if extent[1] > extent[0]:
        axes, extent = np.stack([axes[1], -axes[0]]), extent[::-1]
    bottom, top = keys[:, vertical].min() - 0.5, keys[:, vertical].max() + 0.5
    centre, rows = np.zeros(3), np.zeros((3, 3))
    centre[flat], centre[vertical] = middle, (bottom + top) / 2
    rows[:2, flat] = axes
    rows[2, vertical] = 1.0 if up[0] == "+" else -1.0
    rows[1] *= rows[2, vertical]  # stays right-handed when up is a negative axis
    return OrientedBox(
        _triple(centre * voxel_size),
        (_triple(rows[0]), _triple(rows[1]), _triple(rows[2])),
        _triple(np.array([*extent, top - bottom]) * voxel_size),
    )


def _turn(angle: float) -> Float[np.ndarray, "2 2"]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, s], [-s, c]])


def _triple(values: Float[np.ndarray, "3"]) -> Triple:
    x, y, z = (float(value) + 0.0 for value in values)  # + 0.0 turns -0.0 into 0.0
    return x, y, z
