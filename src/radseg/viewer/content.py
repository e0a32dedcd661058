"""What the page shows, as pure functions: colours of voxels, legend, what was clicked. No server here."""

from collections.abc import Mapping
from html import escape
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from radseg.colours import NONE_COLOUR, colours, hex_colour
from radseg.files import counted
from radseg.mapping.objects import MapObject
from radseg.mapping.points import ColouredPoints
from radseg.mapping.query import Answer
from radseg.mapping.sightings import Sightings
from radseg.visual.maps import class_shades, heat_shades

Show = Literal["colour", "classes", "heat"]
SHOWS: tuple[Show, ...] = ("colour", "classes", "heat")
NAMES_OF_A_CLICK = 5
Found = Mapping[str, tuple[MapObject, ...]]


def shades(
    voxels: ColouredPoints, show: Show, answer: Answer | None, name: str = ""
) -> UInt8[np.ndarray, "m 3"]:
    """Return the colour of every voxel; the map's own before anything was asked.

    Args:
        name: whose heat is shown; the first of the answer where it has no such name.
    """
    if answer is None or show == "colour":
        return (np.clip(voxels.colours, 0, 1) * 255).round().astype(np.uint8)
    if show == "classes":
        return class_shades(voxels.colours, answer.labels, answer.names)
    index = answer.names.index(name) if name in answer.names else 0
    return heat_shades(voxels.colours, answer.scores[index])


def picked(
    points: Float[np.ndarray, "m 3"],
    origin: tuple[float, float, float],
    direction: tuple[float, float, float],
    *,
    voxel_size: float,
) -> int | None:
    """Return the row of the first voxel a ray hits; None where it hits none or has no direction.

    A voxel counts as a ball around its centre that holds the voxel's corners.
    """
    ray = np.asarray(direction, np.float64)
    if not ray.any():
        return None
    ray = ray / np.linalg.norm(ray)
    offset = points - np.asarray(origin, np.float64)
    along = offset @ ray
    aside = np.einsum("ij,ij->i", offset, offset) - along**2
    hit = np.flatnonzero((along > 0) & (aside <= 0.75 * voxel_size**2))  # (√3/2)²
    return int(hit[np.argmin(along[hit])]) if len(hit) else None


def best_names(answer: Answer, row: int, limit: int = NAMES_OF_A_CLICK) -> list[tuple[str, float]]:
    """Return the most probable names of one voxel, best first."""
    scores = answer.scores[:, row]
    order = np.argsort(-scores, kind="stable")[:limit]
    return [(answer.names[i], float(scores[i])) for i in order]


def box_lines(found: Found) -> tuple[Float[np.ndarray, "k 2 3"], UInt8[np.ndarray, "k 2 3"]]:
    """Return the edges of the boxes of all objects, each twice its end points, and their colours."""
    shades = dict(zip(found, colours(list(found)), strict=True))
    boxes = [(one.box.edges, shades[name]) for name, some in found.items() for one in some]
    lines = np.array([edges for edges, _ in boxes], np.float32).reshape(-1, 2, 3)
    ends = [np.broadcast_to(shade, edges.shape) for edges, shade in boxes]
    return lines, np.array(ends, np.uint8).reshape(-1, 2, 3)


def camera_path(sightings: Sightings | None) -> Float[np.ndarray, "n 2 3"]:
    """Return the way of the camera from frame to frame, metres; empty where nobody noted it."""
    places = np.array([one.camera_to_world[:3, 3] for one in sightings or ()], np.float32).reshape(-1, 3)
    return np.stack([places[:-1], places[1:]], 1)


def object_of(found: Found, row: int) -> MapObject | None:
    """Return the best object that a voxel belongs to; None where it belongs to none."""
    holding = [one for some in found.values() for one in some if row in one.rows]
    return max(holding, key=lambda one: one.score, default=None)


def object_names(answer: Answer, one: MapObject, limit: int = NAMES_OF_A_CLICK) -> list[tuple[str, float]]:
    """Return the names most probable over the voxels of an object, best first."""
    scores = answer.scores[:, one.rows].mean(1)
    order = np.argsort(-scores, kind="stable")[:limit]
    return [(answer.names[i], float(scores[i])) for i in order]


def object_html(one: MapObject, names: list[tuple[str, float]]) -> str:
    """Return what a clicked object is, as HTML."""
    size = " × ".join(f"{side:.2f}" for side in one.box.size)
    seen = f", seen in {counted(len(one.frames), 'frame')}" if one.frames else ""
    note = f"{one.id}: {size} m, {counted(one.voxels, 'voxel')}, score {one.score:.2f}{seen}"
    return click_html(names, one.box.centre) + note_html(note)


def legend_html(answer: Answer, found: Found) -> str:
    """Return the names with their colours, voxels and objects, as HTML; names are escaped."""
    counts = np.bincount(answer.labels, minlength=len(answer.names) + 1)[1:]
    rows = []
    for name, colour, count in zip(answer.names, colours(answer.names), counts, strict=True):
        objects = found[name]
        if objects:
            note = f"{len(objects)} found, best {objects[0].score:.2f}, {counted(count, 'voxel')}"
        else:
            note = f"not found, best {answer.best_voxel(name)[0]:.2f}"
        shade = hex_colour(colour if objects else NONE_COLOUR)
        rows.append(
            f'<div style="margin:4px 0"><span style="display:inline-block;width:.9em;height:.9em;'
            f'border-radius:.25em;background:{shade};margin-right:.5em"></span>{escape(name)} '
            f'<small style="opacity:.65">{note}</small></div>'
        )
    return f'<div style="padding:0 .8em">{"".join(rows)}</div>'


def click_html(names: list[tuple[str, float]], place: tuple[float, float, float]) -> str:
    """Return what a clicked voxel is, as HTML."""
    rows = "".join(f"<div>{escape(name)} <b>{value:.2f}</b></div>" for name, value in names)
    at = " ".join(f"{value:.2f}" for value in place)
    return f'<div style="padding:0 .8em"><small style="opacity:.65">at {at} m</small>{rows}</div>'


def note_html(text: str) -> str:
    """Return a line of text as HTML."""
    return f'<div style="padding:0 .8em;opacity:.75">{escape(text)}</div>'
