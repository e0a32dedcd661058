"""The demo: a room rendered here, words, and every kind of output, with nothing downloaded."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radseg.runs.outputs import Segmented, files_of

if TYPE_CHECKING:
    from radseg.result import Segmentation

ROOM = 900_001
"""Seed of the room: held out, so neither its wall and floor nor half of its things were seen in training."""

WORDS = (
    *("tiled wall", "tiled floor", "orange pillar", "white sofa", "red vase", "blue lamp", "orange table"),
    *("green chair", "purple door"),
)
"""What the demo asks for; there is no purple door in the room."""


class Demo(NamedTuple):
    """What the demo made, and what to say about it."""

    result: "Segmentation"
    files: tuple[Path, ...]
    about: str
    next_command: str


def run_demo(folder: Path) -> Demo:
    """Segment an unseen room with the embedded miniature and write every kind of picture into `folder`."""
    from PIL import Image  # noqa: PLC0415

    from radseg import miniature  # noqa: PLC0415
    from radseg.miniature.world import free_camera, make_room, render_smooth  # noqa: PLC0415
    from radseg.presets import load  # noqa: PLC0415

    room = make_room(ROOM, split="held_out")
    picture = render_smooth(room, free_camera(room, 0)).rgb
    segmenter = load("miniature+")
    result = segmenter.segment(picture, WORDS, mode="assign")
    coarse = replace(segmenter, refine=None).segment(picture, WORDS, mode="assign")
    folder.mkdir(parents=True, exist_ok=True)
    scene = folder / "room.png"
    Image.fromarray(picture).save(scene)
    written = [scene]
    segmented = Segmented(result, segmenter.encode(picture))
    for ending, write in files_of(segmented, scene, ("labels", "overlay", "heatmaps", "pca")):
        path = folder / f"room{'.labels' if ending == '.png' else ''}{ending}"
        write(path)
        written.append(path)
    written.append(folder / "room.unrefined.overlay.jpg")
    coarse.save_overlay(written[-1])
    about = f"A room it never saw, rendered here, masks refined; {miniature.NOTE}"
    command = f'radseg segment {scene} -m miniature --mode assign -p "lamp, vase, wall, floor"'
    return Demo(result, tuple(written), about, command)
