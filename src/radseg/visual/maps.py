"""Renders of a voxel map without a viewer: seen from above or in perspective, hidden voxels hidden.

Every voxel is a square of its size on the screen, nearest in front; edges in depth are darkened (eye-dome
lighting, Boucheny 2009), so that shapes show without lamps or normals.
"""

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple, Protocol, get_args

import numpy as np
from jaxtyping import Bool, Float, Integer, UInt8
from PIL import Image, ImageDraw

from radseg.colours import colours as name_colours
from radseg.errors import InputError
from radseg.types import Up
from radseg.visual.heat import HEAT, heat_colours
from radseg.visual.legend import INK, PANEL, letter_size
from radseg.visual.text import legible

Points = Float[np.ndarray, "m 3"]
Shades = UInt8[np.ndarray, "m 3"]

SUPERSAMPLE = 2
MARGIN = 0.12  # of half a render, free around what it shows: the scale bar and the axes are there
EDGE = 5.0  # strength of the darkening; by eye, on rooms and on a table
_AXES = ((214, 84, 84), (96, 178, 92), (92, 132, 226))  # x red, y green, z blue, as viewers have it
_LARGEST_SQUARE = 512  # pixels; a voxel right before the camera hides no more


class Projected(NamedTuple):
    """Where points are on the screen: pixels, metres from the viewer, pixels per metre there, and whether
    they are before the viewer.
    """

    x: Float[np.ndarray, "m"]
    y: Float[np.ndarray, "m"]
    distance: Float[np.ndarray, "m"]
    scale: Float[np.ndarray, "m"]
    front: Bool[np.ndarray, "m"]


class View(Protocol):
    """A place to look from."""

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Rows: right, down and forward on the screen, as unit vectors of the world."""

    def project(self, points: Points, width: int, height: int) -> Projected:
        """Return the points on a screen of this size, in pixels."""


@dataclass(frozen=True)
class TopDown:
    """From above, without perspective.

    Attributes:
        middle: world point at the middle of the screen.
        metres: width of what the screen shows.
        up: world axis that points up.
        quarter_turns: of the render, clockwise.
    """

    middle: tuple[float, float, float]
    metres: float
    up: Up = "+z"
    quarter_turns: int = 0

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Right, down and forward; forward is straight down."""
        forward = -up_vector(self.up)
        right = np.roll(np.abs(forward), 1)  # the axis after up: x for z up
        for _ in range(self.quarter_turns % 4):
            right = np.cross(right, forward)
        return np.stack([right, np.cross(forward, right), forward])

    def project(self, points: Points, width: int, height: int) -> Projected:
        """Return the points on the screen; distance counts from the middle."""
        local = (points - np.asarray(self.middle)) @ self.axes.T
        scale = width / self.metres
        x, y = local[:, 0] * scale + width / 2, local[:, 1] * scale + height / 2
        everywhere = np.ones(len(points), np.bool_)
        return Projected(x, y, local[:, 2], np.full(len(points), scale), everywhere)


@dataclass(frozen=True)
class Perspective:
    """From an eye towards a target.

    Attributes:
        eye, target: world points, metres.
        up: world axis that points up on the screen.
        field: of view across, degrees.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    up: Up = "+z"
    field: float = 55.0

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Right, down and forward."""
        forward = np.subtract(self.target, self.eye)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, up_vector(self.up))
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    def project(self, points: Points, width: int, height: int) -> Projected:
        """Return the points on the screen."""
        local = (points - np.asarray(self.eye)) @ self.axes.T
        focal = width / 2 / np.tan(np.radians(self.field) / 2)
        distance = local[:, 2]
        scale = focal / np.maximum(distance, 1e-6)
        x, y = local[:, 0] * scale + width / 2, local[:, 1] * scale + height / 2
        return Projected(x, y, distance, scale, distance > 0.02)


def up_vector(up: Up) -> Float[np.ndarray, "3"]:
    """Return the unit vector of an axis name.

    Raises:
        InputError: not one of +x, -x, +y, -y, +z, -z.
    """
    if up not in get_args(Up):
        raise InputError(f"Up is {up!r}; choose from {', '.join(get_args(Up))}.")
    vector = np.zeros(3)
    vector["xyz".index(up[1])] = 1.0 if up[0] == "+" else -1.0
    return vector


def render_voxels(
    points: Points, shades: Shades, *, voxel_size: float, view: View, width: int = 960, height: int = 720
) -> Image.Image:
    """Return a render of voxels with a scale bar and the axes of the world.

    Args:
        points: voxel centres, metres.
        shades: sRGB colour of each voxel.

    Raises:
        InputError: nothing to show, or nothing is in view.
    """
    if not len(points):
        raise InputError("There is no voxel to show.")
    wide, high = width * SUPERSAMPLE, height * SUPERSAMPLE
    seen = view.project(points.astype(np.float64), wide, high)
    depth, index = _splat(seen, voxel_size, wide, high)
    if not (index >= 0).any():
        raise InputError("No voxel is in view; move the camera.")
    canvas = np.empty((high * wide, 3), np.float32)
    canvas[:] = PANEL
    hit = index >= 0
    light = _edge_light(depth.reshape(high, wide), voxel_size).reshape(-1, 1)
    canvas[hit] = shades[index[hit]] * light[hit]
    image = Image.fromarray(canvas.reshape(high, wide, 3).round().astype(np.uint8))
    image = image.reduce(SUPERSAMPLE)
    _draw_marks(image, view, points)
    return image


def heat_shades(colours: Float[np.ndarray, "m 3"], scores: Float[np.ndarray, "m"]) -> Shades:
    """Return heat colours over the grey map; colours in [0, 1]."""
    grey = (colours @ np.array([0.299, 0.587, 0.114]))[:, None] * 255
    return (grey * (1 - HEAT) + heat_colours(scores) * HEAT).round().astype(np.uint8)


def class_shades(
    colours: Float[np.ndarray, "m 3"], labels: Integer[np.ndarray, "m"], names: tuple[str, ...]
) -> Shades:
    """Return the colour of each voxel's name, 0 as the grey map; some of the map's own light is kept."""
    light = (colours @ np.array([0.299, 0.587, 0.114]))[:, None]
    table = np.concatenate([np.zeros((1, 3)), name_colours(names)]) if names else np.zeros((1, 3))
    named = table[labels] * (0.72 + 0.4 * light)
    return np.clip(np.where(labels[:, None] > 0, named, light * 150 + 30), 0, 255).round().astype(np.uint8)


def camera_from_above(points: Points, *, up: Up = "+z", aspect: float = 4 / 3) -> TopDown:
    """Return a view from above that shows all but the outermost 1 % of the points.

    Args:
        aspect: width over height of the screen.
    """
    low, high = np.percentile(points, 0.5, axis=0), np.percentile(points, 99.5, axis=0)
    middle = (low + high) / 2
    across, along = np.abs(TopDown(_triple(middle), 1.0, up).axes[:2]) @ (high - low)
    turned = int(along > across)  # the longer side lies along the wider side of the screen
    across, along = max(across, along), min(across, along)
    return TopDown(_triple(middle), float(max(across, along * aspect)) * 1.15 + 0.1, up, turned)


def camera_across(
    points: Points,
    *,
    up: Up = "+z",
    azimuth: float | None = None,
    elevation: float = 45.0,
    aspect: float = 4 / 3,
) -> Perspective:
    """Return a perspective view of all the points from outside, from as near as shows their box whole.

    Args:
        azimuth: direction of the eye around the up axis, degrees; by default, of 8 directions, the one that
            sees most: into a room from its open side.
        elevation: of the eye above the horizon, degrees; below 90.
        aspect: width over height of the image.
    """
    if azimuth is None:
        some = points[:: max(1, len(points) // 20000)]
        turns = [
            camera_across(points, up=up, azimuth=float(turn), elevation=elevation, aspect=aspect)
            for turn in range(20, 380, 45)
        ]
        return max(turns, key=lambda view: _visible(some, view, size=2 * _spacing(points)))
    low, high = np.percentile(points, 1, axis=0), np.percentile(points, 99, axis=0)
    middle, vertical = (low + high) / 2, up_vector(up)
    one = np.roll(np.abs(vertical), 1)
    other = np.cross(vertical, one)
    turn, lift = np.radians(azimuth), np.radians(elevation)
    direction = np.cos(lift) * (np.cos(turn) * one + np.sin(turn) * other) + np.sin(lift) * vertical
    view = Perspective(_triple(middle + direction), _triple(middle), up)
    corners = np.array(list(product(*zip(low, high, strict=True)))) - middle
    x, y, z = (corners @ view.axes.T).T
    reach = np.tan(np.radians(view.field) / 2) * (1 - MARGIN)
    distance = float(max((np.abs(x) / reach - z).max(), (np.abs(y) * aspect / reach - z).max())) + 0.1
    return replace(view, eye=_triple(middle + distance * direction))


def without_ceiling(points: Points, *, up: Up = "+z", above: float | None = None) -> np.ndarray:
    """Return which points are not part of what hides a room from above.

    Args:
        above: metres over the floor (the lowest 1 %) from which points are left out; by default 2 m where the
            map is more than 2.2 m high, and nothing where it is lower.
    """
    height = points @ up_vector(up)
    floor, top = np.percentile(height, [1, 99])
    if above is None:
        above = 2.0 if top - floor > 2.2 else float("inf")
    return np.asarray(height - floor <= above)


def _visible(points: Points, view: View, *, size: float) -> int:
    """Return how many of the points can be seen on a small screen."""
    _, index = _splat(view.project(points.astype(np.float64), 240, 180), size, 240, 180)
    return len(np.unique(index[index >= 0]))


def _spacing(points: Points) -> float:
    """Return the smallest step between coordinates: the voxel size, for voxels."""
    steps = np.diff(np.unique(np.round(points[:, 0].astype(np.float64), 4)))
    return float(steps.min()) if len(steps) else 0.05


def _splat(
    seen: Projected, voxel_size: float, width: int, height: int
) -> tuple[Float[np.ndarray, "p"], Integer[np.ndarray, "p"]]:
    """Return per pixel the distance of the nearest voxel (infinite without) and its row (−1 without)."""
    depth = np.full(width * height, np.inf, np.float32)
    index = np.full(width * height, -1, np.int64)
    side = np.clip(np.ceil(seen.scale * voxel_size * 1.08), 1, _LARGEST_SQUARE).astype(np.int64)
    left = np.floor(seen.x - side / 2).astype(np.int64)
    top = np.floor(seen.y - side / 2).astype(np.int64)
    near = seen.front & (left < width) & (top < height) & (left + side > 0) & (top + side > 0)
    rows = np.flatnonzero(near)
    far_first = rows[np.argsort(-seen.distance[rows], kind="stable")]
    for size in np.unique(side[rows]):
        own = far_first[side[far_first] == size]
        paint = _paint_each if size**2 > 4 * len(own) else _paint_offsets
        paint(depth.reshape(height, width), index.reshape(height, width), seen, own, (left, top, int(size)))
    return depth, index


def _paint_each(
    depth: np.ndarray, index: np.ndarray, seen: Projected, rows: np.ndarray, place: tuple[Any, Any, int]
) -> None:
    """Paint large squares one by one, the farthest first."""
    left, top, size = place
    for row in rows:
        y, x = max(top[row], 0), max(left[row], 0)
        near = depth[y : top[row] + size, x : left[row] + size]
        closer = seen.distance[row] < near
        near[closer] = seen.distance[row]
        index[y : top[row] + size, x : left[row] + size][closer] = row


def _paint_offsets(
    depth: np.ndarray, index: np.ndarray, seen: Projected, rows: np.ndarray, place: tuple[Any, Any, int]
) -> None:
    """Paint small squares pixel by pixel, all squares at once; `rows` are the farthest first."""
    left, top, size = place
    height, width = depth.shape
    for down in range(size):
        y = top[rows] + down
        for across in range(size):
            x = left[rows] + across
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            line, column, row = y[inside], x[inside], rows[inside]
            closer = seen.distance[row] < depth[line, column]
            # Of several rows for one pixel the last one written stays: the nearest.
            depth[line[closer], column[closer]] = seen.distance[row[closer]]
            index[line[closer], column[closer]] = row[closer]


def _edge_light(depth: Float[np.ndarray, "h w"], voxel_size: float) -> Float[np.ndarray, "h w"]:
    """Return how bright each pixel is: darker where its neighbours are nearer to the viewer."""
    light = np.zeros_like(depth)
    known = np.isfinite(depth)
    filled = np.where(known, depth, depth[known].max() if known.any() else 0.0)
    for shift in (2, 4):
        for axis in (0, 1):
            for sign in (-1, 1):
                neighbour = np.roll(filled, sign * shift, axis)
                # In voxels, limited: one far step must not be blacker than a wall's corner.
                light += np.clip((filled - neighbour) / voxel_size - 0.6, 0, 6) / (shift * 8)
    return np.exp(-EDGE * 0.06 * light)


def _draw_marks(image: Image.Image, view: View, points: Points) -> None:
    """Draw a scale bar (where the middle of the map is) and the world's axes."""
    draw = ImageDraw.Draw(image)
    size = letter_size(image.width, image.height)
    middle = np.median(points, axis=0, keepdims=True)
    scale = float(view.project(middle.astype(np.float64), image.width, image.height).scale[0])
    metres = _bar_metres(image.width / max(scale, 1e-9))
    left, base = size, image.height - size
    right = left + metres * scale
    draw.line([(left, base), (right, base)], fill=INK, width=3)
    for x in (left, right):
        draw.line([(x, base - size * 0.4), (x, base + size * 0.1)], fill=INK, width=2)
    label = legible(f"{metres:g} m", size=size, otherwise="")
    draw.text(((left + right) / 2, base - size * 0.4), label.letters, font=label.font, fill=INK, anchor="mb")
    _draw_axes(draw, view, (image.width - 3.4 * size, image.height - 3.2 * size), 2.0 * size, size)


def _draw_axes(
    draw: ImageDraw.ImageDraw, view: View, origin: tuple[float, float], length: float, size: int
) -> None:
    directions = view.axes[:2].T * length  # columns of the world axes on the screen
    for axis in np.argsort(view.axes[2])[::-1]:  # those that point away first
        x, y = origin[0] + directions[axis, 0], origin[1] + directions[axis, 1]
        colour, letter = _AXES[axis], "xyz"[axis]
        name = legible(letter, size=round(size * 0.9), otherwise="")
        if np.hypot(*directions[axis]) < 0.2 * length:  # towards the viewer or away: a ring
            radius = size * 0.28
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=2)
            draw.text(
                (x + size * 0.5, y - size * 0.7), name.letters, font=name.font, fill=colour, anchor="mm"
            )
            continue
        draw.line([origin, (x, y)], fill=colour, width=3)
        tip = (origin[0] + directions[axis, 0] * 1.28, origin[1] + directions[axis, 1] * 1.28)
        draw.text(tip, name.letters, font=name.font, fill=colour, anchor="mm")


def _bar_metres(width: float) -> float:
    """Return 1, 2 or 5 times a power of ten: at most a quarter of a screen that is `width` metres wide."""
    wanted = width / 4
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted))


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
