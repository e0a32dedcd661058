"""The demo: a room rendered here, prompts, and every kind of output, with nothing downloaded; then a walk
through another room becomes a map that answers prompts.
"""

import math
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radseg.files import make_folder, write_bytes
from radseg.runs.outputs import Segmented, files_of

if TYPE_CHECKING:
    from radseg.mapping.objects import MapObject
    from radseg.miniature.walk import RoomWalk
    from radseg.result import Segmentation

ROOM = 900_001
"""Seed of the room: held out, so neither its wall and floor nor half of its objects were seen in training."""

PROMPTS = (
    *("tiled wall", "tiled floor", "orange pillar", "white sofa", "red vase", "blue lamp", "orange table"),
    *("green chair", "purple door"),
)
"""What the demo asks for; there is no purple door in the room."""


BALL = "red ball"
SOUGHT = (BALL, "wooden chair", "black table", "purple door")
"""What the map is asked for; the room has no purple door."""

VIEWS = 8
VOXEL = 0.05  # metres


class Demo(NamedTuple):
    """What the demo made, and what to say about it."""

    result: "Segmentation"
    files: tuple[Path, ...]
    about: str
    next_command: str


def run_demo(folder: Path) -> Demo:
    """Segment an unseen room with the embedded miniature and write every kind of output into `folder`."""
    from PIL import Image  # noqa: PLC0415

    from radseg import miniature  # noqa: PLC0415
    from radseg.io import image_bytes  # noqa: PLC0415
    from radseg.miniature.world import free_camera, make_room, render_smooth  # noqa: PLC0415
    from radseg.presets.load import load  # noqa: PLC0415

    room = make_room(ROOM, split="held_out")
    image = render_smooth(room, free_camera(room, 0)).rgb
    segmenter = load("miniature+")
    result = segmenter.segment(image, PROMPTS, mode="assign")
    coarse = replace(segmenter, refine=None).segment(image, PROMPTS, mode="assign")
    make_folder(folder)
    scene = folder / "room.png"
    write_bytes(scene, image_bytes(Image.fromarray(image)))
    written = [scene]
    segmented = Segmented(result, segmenter.encode(image))
    for kind, ending, content in files_of(
        segmented, scene, ("labels", "overlay", "legend", "heatmaps", "pca")
    ):
        written.append(folder / kind / f"room{ending}")
        make_folder(written[-1].parent)
        write_bytes(written[-1], content)
    written.append(folder / "overlays" / "room.unrefined.jpg")
    coarse.save_overlay(written[-1])
    about = f"A room it never saw, rendered here, masks refined; {miniature.NOTE}"
    command = f'radseg segment {scene} -m miniature --mode assign -p "lamp, vase, wall, floor"'
    return Demo(result, tuple(written), about, command)


class MapDemo(NamedTuple):
    """What the map answered.

    Attributes:
        lines: what to say, one line per name.
    """

    files: tuple[Path, ...]
    about: str
    lines: tuple[str, ...]
    next_command: str


def run_map_demo(folder: Path) -> MapDemo:
    """Build a map of a walk through an unseen room into `folder`/map, query it for objects, and render it."""
    from PIL import Image  # noqa: PLC0415

    from radseg.io import image_bytes  # noqa: PLC0415
    from radseg.mapping.semantic_map import SemanticMap  # noqa: PLC0415
    from radseg.miniature.walk import RoomWalk  # noqa: PLC0415
    from radseg.presets.load import load  # noqa: PLC0415
    from radseg.runs.lifting import feature_mapper  # noqa: PLC0415
    from radseg.runs.map_query import MapQuestion, find_in_map  # noqa: PLC0415
    from radseg.runs.map_renders import MapScene, ViewOptions, save_renders  # noqa: PLC0415
    from radseg.runs.mapping import BuildRequest, MapSettings, build_map  # noqa: PLC0415

    walk, place = RoomWalk(frames=VIEWS), folder / "map"
    build_map(
        BuildRequest(place, MapSettings(voxel_size=VOXEL), existing="overwrite"),
        walk,
        lambda: feature_mapper(load("miniature"), VOXEL),
        _Silent(),
    )
    finding = find_in_map(MapQuestion(place, SOUGHT))
    crop = folder / "ball.png"
    write_bytes(crop, image_bytes(Image.fromarray(walk.cut_out(BALL))))
    by_image = find_in_map(MapQuestion(place, image=crop)).objects[crop.stem]
    made = SemanticMap.open(place)
    scene = MapScene(made, ViewOptions())
    renders = scene.render_objects(finding.objects), scene.render_answer(finding.answer)
    images = dict(chain(scene.render_colours(), *renders))
    shown = {f"map.{name}": images[name] for name in images if name.endswith("across")}
    lines = []
    for name, objects in finding.objects.items():
        if not objects:
            lines.append(f"{name}: not found (best voxel {finding.answer.best_voxel(name)[0]:.2f})")
            continue
        x, y, z = objects[0].middle
        line = f"{name}: {len(objects)} found, the best at x {x:.2f}, y {y:.2f}, z {z:.2f} m"
        if name == BALL:
            line += f", {_off(objects[0], walk):.0f} cm from where it is"
        lines.append(line)
    off = _off(by_image[0], walk)
    lines.append(f"an image of it, {crop.name}: the best is {off:.0f} cm from where the {BALL} is")
    about = f"A map of {len(made):,} voxels of {100 * VOXEL:.0f} cm from {VIEWS} RGB-D views of another room"
    return MapDemo(
        (crop, *save_renders(folder, iter(shown.items()))),
        about,
        tuple(lines),
        f'radseg query {place} "painting" and radseg map render {place}',
    )


def _off(found: "MapObject", walk: "RoomWalk") -> float:
    """Return how far the middle of a ball is from where it is, centimetres."""
    return 100 * math.dist(found.middle, walk.place(BALL))


class _Silent:
    """Reports nothing."""

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Say nothing."""

    def frame(self, frame_id: str, points: int, reason: str) -> None:
        """Say nothing."""

    def ended(self, manifest: object, progress: object, folder: Path) -> None:
        """Say nothing."""
