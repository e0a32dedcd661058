"""Procedural materials: surface coordinates in metres to albedo. No geometry, no light.

Every texture is a pure function of (u, v) and an integer key, so a point has the same colour from every
camera. Albedos are linear RGB in [0, 1].
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Texture = Callable[[Array, Array, int, Array], Array]

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.72, 0.06, 0.05),
    "orange": (0.90, 0.33, 0.03),
    "yellow": (0.88, 0.74, 0.06),
    "green": (0.08, 0.45, 0.10),
    "blue": (0.05, 0.13, 0.62),
    "purple": (0.34, 0.07, 0.45),
    "white": (0.86, 0.86, 0.84),
    "black": (0.035, 0.035, 0.04),
}
"""Paints by the word people use; linear albedo."""


def lattice_hash(column: Array, row: Array, key: int) -> Array:
    """Return a number in [0, 1) for every integer cell; the same cell and key always give the same number."""
    with np.errstate(over="ignore"):
        bits = column.astype(np.int64).astype(np.uint32) * np.uint32(374761393)
        bits += row.astype(np.int64).astype(np.uint32) * np.uint32(668265263)
        bits += np.uint32(key * 2246822519 & 0xFFFFFFFF)
        bits = (bits ^ (bits >> np.uint32(13))) * np.uint32(1274126177)
        bits ^= bits >> np.uint32(16)
    return ((bits & np.uint32(0xFFFFFF)).astype(np.float32) / np.float32(1 << 24)).astype(np.float32)


def value_noise(u: Array, v: Array, key: int) -> Array:
    """Return smooth noise in [0, 1) with one cell per unit of u and v."""
    column, row = np.floor(u), np.floor(v)
    du, dv = u - column, v - row
    du, dv = du * du * (3 - 2 * du), dv * dv * (3 - 2 * dv)
    near = lattice_hash(column, row, key) * (1 - du) + lattice_hash(column + 1, row, key) * du
    far = lattice_hash(column, row + 1, key) * (1 - du) + lattice_hash(column + 1, row + 1, key) * du
    return (near * (1 - dv) + far * dv).astype(np.float32)


def _grout(u: Array, v: Array, width: float) -> Array:
    """Return 1 on the lines between unit cells, 0 inside; `width` is in cells."""
    edge = np.minimum(np.minimum(u % 1, 1 - u % 1), np.minimum(v % 1, 1 - v % 1))
    return (edge < width / 2).astype(np.float32)


def _mix(base: Array, other: Array | float, amount: Array) -> Array:
    return (base + (np.asarray(other, np.float32) - base) * amount[:, None]).astype(np.float32)


def paint(u: Array, v: Array, key: int, base: Array) -> Array:
    """Even paint with a hint of unevenness."""
    return (base * (0.95 + 0.1 * value_noise(u * 5, v * 5, key))[:, None]).astype(np.float32)


def plaster(u: Array, v: Array, key: int, base: Array) -> Array:
    """Rough plaster: soft spots and fine grain."""
    spots = value_noise(u * 2.3, v * 2.3, key) * 0.6 + value_noise(u * 30, v * 30, key + 1) * 0.4
    return (base * (0.8 + 0.3 * spots)[:, None]).astype(np.float32)


def concrete(u: Array, v: Array, key: int, base: Array) -> Array:
    """Grey concrete with stains, pores and formwork seams."""
    stains = value_noise(u * 1.7, v * 1.7, key) * 0.5 + value_noise(u * 7, v * 7, key + 1) * 0.5
    pores = (value_noise(u * 45, v * 45, key + 2) > 0.86).astype(np.float32)
    seams = _grout(u / 1.3, v / 1.3, 0.015)
    return (base * (0.65 + 0.6 * stains - 0.35 * pores - 0.25 * seams)[:, None]).astype(np.float32)


def wood(u: Array, v: Array, key: int, base: Array) -> Array:
    """Planks along u with grain; `base` is the mean colour."""
    plank = np.floor(v / 0.14)
    shift = lattice_hash(plank, plank * 0, key) * 7
    board = np.floor((u + shift) / 1.1)
    tint = 0.75 + 0.5 * lattice_hash(board, plank, key + 1)
    grain = value_noise((u + shift) * 2.5, v * 60 + shift * 13, key + 2)
    fine = value_noise((u + shift) * 8, v * 160, key + 3)
    seam = _grout((u + shift) / 1.1, v / 0.14, 0.05)
    return (base * (tint * (0.6 + 0.5 * grain + 0.25 * fine) * (1 - 0.55 * seam))[:, None]).astype(np.float32)


def brick(u: Array, v: Array, key: int, base: Array) -> Array:
    """Running bond, 24 × 8 cm, light mortar."""
    course = np.floor(v / 0.08)
    along = u / 0.24 + 0.5 * (course % 2)
    tint = 0.65 + 0.6 * lattice_hash(np.floor(along), course, key)
    rough = 0.85 + 0.3 * value_noise(u * 40, v * 40, key + 1)
    edge_u = np.minimum(along % 1, 1 - along % 1) * 0.24
    edge_v = np.minimum((v / 0.08) % 1, 1 - (v / 0.08) % 1) * 0.08
    mortar = (np.minimum(edge_u, edge_v) < 0.007).astype(np.float32)
    return _mix(base * (tint * rough)[:, None], 0.5, mortar)


def tiles(u: Array, v: Array, key: int, base: Array) -> Array:
    """Square 30 cm tiles in two shades with dark grout."""
    column, row = np.floor(u / 0.3), np.floor(v / 0.3)
    checker = ((column + row) % 2) * 0.35
    shade = 0.75 + checker + 0.08 * lattice_hash(column, row, key)
    return _mix(base * shade[:, None], 0.12, _grout(u / 0.3, v / 0.3, 0.06))


def stone(u: Array, v: Array, key: int, base: Array) -> Array:
    """Irregular grey slabs: a warped grid with strong stone-to-stone variation."""
    warped_u = u / 0.42 + 0.55 * value_noise(u * 2.2, v * 2.2, key)
    warped_v = v / 0.34 + 0.55 * value_noise(u * 2.2 + 9, v * 2.2, key + 1)
    shade = 0.55 + 0.7 * lattice_hash(np.floor(warped_u), np.floor(warped_v), key + 2)
    rough = 0.8 + 0.4 * value_noise(u * 22, v * 22, key + 3)
    return _mix(base * (shade * rough)[:, None], 0.07, _grout(warped_u, warped_v, 0.1))


def carpet(u: Array, v: Array, key: int, base: Array) -> Array:
    """Dyed pile: strong fine grain, soft tracks."""
    pile = value_noise(u * 70, v * 70, key) * 0.7 + value_noise(u * 28, v * 28, key + 1) * 0.3
    return (base * (0.45 + 0.9 * pile + 0.12 * value_noise(u * 3, v * 3, key + 2))[:, None]).astype(
        np.float32
    )


def stripes(u: Array, v: Array, key: int, base: Array) -> Array:
    """Upright wallpaper stripes, 18 cm."""
    dark = (np.floor(u / 0.09) % 2).astype(np.float32)
    return (paint(u, v, key, base) * (1 - 0.55 * dark)[:, None]).astype(np.float32)


def metal(u: Array, v: Array, key: int, base: Array) -> Array:
    """Brushed steel: fine lines along u."""
    return (base * (0.8 + 0.35 * value_noise(u * 4, v * 140, key))[:, None]).astype(np.float32)


def canvas(u: Array, v: Array, key: int, base: Array) -> Array:
    """A painting: large blots of several colours; `base` only tints."""
    palette = np.array([(0.7, 0.2, 0.1), (0.1, 0.35, 0.55), (0.85, 0.7, 0.3), (0.15, 0.4, 0.2)], np.float32)
    blots = value_noise(u * 7, v * 7, key) * 2 + value_noise(u * 15, v * 15, key + 1)
    return palette[(np.floor(blots * 4).astype(np.int64) + key) % len(palette)] * (0.6 + 0.4 * base)


TEXTURES: dict[str, tuple[Texture, tuple[float, float, float], float]] = {
    "brick": (brick, (0.46, 0.14, 0.08), 0.0),
    "wooden": (wood, (0.46, 0.25, 0.10), 0.08),
    "plaster": (plaster, (0.70, 0.62, 0.48), 0.0),
    "concrete": (concrete, (0.33, 0.34, 0.35), 0.0),
    "tiled": (tiles, (0.45, 0.62, 0.66), 0.25),
    "stone": (stone, (0.36, 0.36, 0.33), 0.02),
    "striped": (stripes, (0.60, 0.55, 0.42), 0.0),
    "metal": (metal, (0.50, 0.52, 0.55), 0.6),
    "canvas": (canvas, (1.0, 1.0, 1.0), 0.0),
}
"""Material word: its texture, mean albedo and specular strength."""


def albedo(finish: str, u: Array, v: Array, key: int, tint: Array) -> Array:
    """Return the albedo of `finish` at (u, v) metres; `tint` multiplies the mean colour (about 1).

    `finish` is a material word, a colour word, or "carpet <colour>".
    """
    if finish in TEXTURES:
        texture, mean, _ = TEXTURES[finish]
    elif finish.startswith("carpet "):
        texture, mean = carpet, COLOURS[finish.removeprefix("carpet ")]
    else:
        texture, mean = paint, COLOURS[finish]
    base = np.asarray(mean, np.float32) * tint
    return np.clip(texture(u, v, key, base), 0.0, 1.0).astype(np.float32)


def specular(finish: str) -> float:
    """Return the strength of the highlight of `finish`, 0 (matt) to 1."""
    if finish in TEXTURES:
        return TEXTURES[finish][2]
    return 0.0 if finish.startswith("carpet ") else 0.15
