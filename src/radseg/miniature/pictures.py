"""The training pictures: windows of everyday views and views of single things, rendered once and kept as
arrays.

    python -m radseg.miniature.pictures FOLDER --rooms 0 1120

One file per 40 rooms, so that rendering can be interrupted, continued and split over processes. Labels index
`training_names()`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radseg.miniature.world import (
    Camera,
    Room,
    View,
    free_camera,
    make_room,
    render,
    thing_camera,
    training_names,
)

SIDE = 176  # pixels; training cuts 160 out of it at random
ROOMS_PER_FILE = 40
VIEWS_PER_ROOM = 6
FIRST_TRAINING_SEED = 1_000_000  # rooms of tests and evaluation have smaller seeds
_FRAME = (352, 480)  # the everyday picture the windows are cut from


def room_views(room: Room) -> Iterator[View]:
    """Yield the training views of one room: three windows and three single things."""
    rng = np.random.default_rng((room.seed, 9))
    for index in range(3):
        focal = float(np.exp(rng.uniform(np.log(230), np.log(480))))
        frame = free_camera(room, index, height=_FRAME[0], width=_FRAME[1], focal=focal)
        left, top = (float(rng.uniform(0, full - SIDE)) for full in (_FRAME[1], _FRAME[0]))
        centre = (frame.centre[0] - left, frame.centre[1] - top)
        yield render(room, Camera(SIDE, SIDE, focal, centre, frame.camera_to_world), seed=index)
    order = np.resize(rng.permutation(len(room.things)), VIEWS_PER_ROOM - 3)
    for index in order.tolist():
        fill = float(rng.uniform(0.5, 1.1))
        camera = thing_camera(room, room.things[index], int(index), side=SIDE, fill=fill, focal=320)
        yield render(room, camera, seed=10 + int(index))


def render_file(folder: Path, first_room: int) -> Path:
    """Render ROOMS_PER_FILE rooms from `first_room` on into one .npz, unless it exists; return its path."""
    path = folder / f"rooms_{first_room:06d}.npz"
    if path.exists():
        return path
    codes = {name: i for i, name in enumerate(training_names())}
    images: list[NDArray[np.uint8]] = []
    labels: list[NDArray[np.uint8]] = []
    for number in range(first_room, first_room + ROOMS_PER_FILE):
        for view in room_views(make_room(FIRST_TRAINING_SEED + number)):
            images.append(view.rgb)
            labels.append(np.array([codes[name] for name in view.names], np.uint8)[view.semantic])
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(stream, images=np.stack(images), labels=np.stack(labels))
    unfinished.rename(path)
    return path


def load_pictures(folder: Path, *, most: int | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return images "n S S 3" and labels "n S S" of all finished files, in order."""
    files = sorted(folder.glob("rooms_*.npz"))[:most]
    loaded = [np.load(path) for path in files]
    images, labels = (np.concatenate([file[key] for file in loaded]) for key in ("images", "labels"))
    return images, labels


def main() -> None:
    """Render the rooms named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rooms", type=int, nargs=2, default=(0, 1120), metavar=("FIRST", "LAST"))
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    for first in range(chosen.rooms[0], chosen.rooms[1], ROOMS_PER_FILE):
        render_file(chosen.folder, first)


if __name__ == "__main__":
    main()
