"""Renders of a map folder: in colour, in classes, and as a heat map of every name, from above and across."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from radseg.colours import colours
from radseg.errors import InputError
from radseg.files import make_folder, write_bytes
from radseg.io import arrays_bytes, image_bytes
from radseg.mapping.points import coloured_points
from radseg.mapping.up import up_axis
from radseg.types import Up
from radseg.visual.boxes import ShownBox, draw_boxes
from radseg.visual.heat import with_scale
from radseg.visual.legend import Entry, with_legend
from radseg.visual.maps import (
    View,
    camera_across,
    camera_from_above,
    class_shades,
    heat_shades,
    render_voxels,
    without_ceiling,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from radseg.mapping.objects import MapObject
    from radseg.mapping.query import Answer
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.runs.map_query import MapFinding


_BOXES, _FAINT = 10, 0.5
"""Of a name at most so many boxes are drawn, and none of objects whose score is below this share of the best
one's."""


@dataclass(frozen=True)
class ViewOptions:
    """How a map is shown.

    Attributes:
        up: world axis that points up; None takes the one nearest to where the images' tops pointed.
        azimuth, elevation: of the eye of the perspective view, degrees; azimuth None looks for a good one.
        ceiling: metres over the floor from which voxels are left out; None decides by the map's height.
        width, height: of a render, pixels.
    """

    up: Up | None = None
    azimuth: float | None = None
    elevation: float = 45.0
    ceiling: float | None = None
    width: int = 960
    height: int = 720


class MapScene:
    """The voxels of a map as they are shown, ready for several renders.

    Args:
        semantic_map: read whole but for its values.
        options: how it is shown.

    Raises:
        InputError: the map is empty.
    """

    def __init__(self, semantic_map: "SemanticMap", options: ViewOptions) -> None:
        self.options, self.voxel_size = options, semantic_map.voxel_size
        self.points, self.colours = coloured_points(semantic_map)
        up = options.up or up_axis(semantic_map)
        self.shown = without_ceiling(self.points, up=up, above=options.ceiling)
        if not self.shown.any():
            raise InputError(f"No voxel lies within {options.ceiling} m of the map's floor; raise --ceiling.")
        points = self.points[self.shown]
        self.views: dict[str, View] = {
            "above": camera_from_above(points, up=up, aspect=options.width / options.height),
            "across": camera_across(
                points,
                up=up,
                azimuth=options.azimuth,
                elevation=options.elevation,
                aspect=options.width / options.height,
            ),
        }

    def draw(self, shades: UInt8[np.ndarray, "m 3"], view: str) -> "Image":
        """Return the image of all shown voxels in these colours."""
        return render_voxels(
            self.points[self.shown],
            shades[self.shown],
            voxel_size=self.voxel_size,
            view=self.views[view],
            width=self.options.width,
            height=self.options.height,
        )

    def render_colours(self) -> "Iterator[tuple[str, Image]]":
        """Yield the map in its own colours."""
        shades = (np.clip(self.colours, 0, 1) * 255).round().astype(np.uint8)
        for view in self.views:
            yield f"colour.{view}", self.draw(shades, view)

    def render_objects(self, objects: "Mapping[str, tuple[MapObject, ...]]") -> "Iterator[tuple[str, Image]]":
        """Yield the map in its own colours with the boxes of the best objects of every name."""
        shades = (np.clip(self.colours, 0, 1) * 255).round().astype(np.uint8)
        boxes = shown_boxes(objects)
        for view in self.views:
            yield f"objects.{view}", draw_boxes(self.draw(shades, view), self.views[view], boxes)

    def render_answer(self, answer: "Answer") -> "Iterator[tuple[str, Image]]":
        """Yield the map in classes, and a heat map of each name; the voxels are the answer's, in order."""
        shades = class_shades(self.colours, answer.labels, answer.names)
        entries = class_entries(answer)
        for view in self.views:
            yield f"classes.{view}", with_legend(self.draw(shades, view), entries)
        for i, name in enumerate(answer.names):
            heat = heat_shades(self.colours, answer.scores[i])
            for view in self.views:
                image = with_scale(self.draw(heat, view), name, float(answer.scores[i].max()))
                yield f"heat-{i + 1}-{slug(name)}.{view}", image


def shown_boxes(objects: "Mapping[str, tuple[MapObject, ...]]") -> list[ShownBox]:
    """Return the boxes of the best objects of every name; those far below the best of all are left out."""
    best = max((one.score for some in objects.values() for one in some), default=0.0)
    return [
        ShownBox(one.box.edges, f"{name} {one.score:.2f}", (int(shade[0]), int(shade[1]), int(shade[2])))
        for (name, some), shade in zip(objects.items(), colours(list(objects)), strict=True)
        for one in some[:_BOXES]
        if one.score >= _FAINT * best
    ]


def class_entries(answer: "Answer") -> list[Entry]:
    """Return the legend of an answer: names that won voxels, with their number."""
    counts = np.bincount(answer.labels, minlength=len(answer.names) + 1)[1:]
    shades = colours(answer.names)
    return [
        Entry(
            name,
            f"{int(counts[i]):,} voxel{'' if counts[i] == 1 else 's'}",
            (int(shades[i][0]), int(shades[i][1]), int(shades[i][2])),
            f"{i + 1}",
        )
        for i, name in enumerate(answer.names)
        if counts[i]
    ]


def slug(name: str) -> str:
    """Return a name as part of a file name: letters, digits and dashes, at most 40."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "name"


def save_renders(folder: Path, images: "Iterator[tuple[str, Image]]") -> list[Path]:
    """Write renders as PNG, each whole or not at all, and return their paths.

    Raises:
        ResourceError: the folder cannot be written.
    """
    make_folder(folder)
    written = []
    for name, image in images:
        written.append(folder / f"{name}.png")
        write_bytes(written[-1], image_bytes(image))
    return written


def save_finding(
    folder: Path, finding: "MapFinding", semantic_map: "SemanticMap", options: ViewOptions
) -> list[Path]:
    """Write an answer: query.json, scores.npz (keys, scores, labels, names) and renders; return the paths."""
    make_folder(folder)
    text = json.dumps(finding.as_json(), indent=1, ensure_ascii=False).encode() + b"\n"
    answer = finding.answer
    arrays: dict[str, Any] = {
        "keys": answer.keys.astype(np.int32),
        "scores": answer.scores.astype(np.float16),
        "labels": answer.labels.astype(np.int16),
        "names": np.array(answer.names),
        "voxel_size": np.array(answer.voxel_size),
    }
    write_bytes(folder / "query.json", text)
    write_bytes(folder / "scores.npz", arrays_bytes(**arrays))
    scene = MapScene(semantic_map, options)
    images = chain(scene.render_objects(finding.objects), scene.render_answer(answer))
    return [folder / "query.json", folder / "scores.npz", *save_renders(folder, images)]
