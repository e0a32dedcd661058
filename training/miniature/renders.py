"""The training renders: everyday views and views of single objects, rendered once and kept as arrays.

    python -m training.miniature.renders FOLDER --rooms 1500

One file per 40 rooms, so that rendering can be interrupted, continued and spread over processes. Labels index
`training_names()`.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from radseg.miniature.world import (
    Camera,
    Room,
    SceneObject,
    View,
    free_camera,
    make_room,
    pose_towards,
    render,
    training_names,
)
from radseg.miniature.world.cameras import as_spot
from radseg.ops.regions import label_regions

WIDE = (352, 480)  # height and width of everyday views
CLOSE = (176, 176)  # of views of one object
ROOMS = 1500
ROOMS_PER_FILE = 40
WIDE_PER_ROOM, CLOSE_PER_ROOM = 2, 3
SMALLEST_REGION = 250  # pixels; smaller ones are not used as mask prompts
FIRST_TRAINING_SEED = 1_000_000  # rooms of tests and evaluation have smaller seeds


@dataclass(frozen=True, eq=False)
class Shots:
    """Renders of one size and everything known about them.

    Attributes:
        images: sRGB.
        labels: index into `training_names()`.
        regions: number of the connected region of one name, from 1; 0 where it is too small to be a prompt.
        depth: metres, half precision.
        focal: length in pixels.
    """

    images: UInt8[np.ndarray, "n H W 3"]
    labels: UInt8[np.ndarray, "n H W"]
    regions: UInt8[np.ndarray, "n H W"]
    depth: Float[np.ndarray, "n H W"]
    focal: Float[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def of(cls, views: Iterable[View]) -> "Shots":
        """Return what is kept of rendered views of one size."""
        codes = {name: i for i, name in enumerate(training_names())}
        labels, regions, images, depth, focal = [], [], [], [], []
        for view in views:
            named = np.array([codes[name] for name in view.names], np.uint8)[view.semantic]
            found = label_regions(named, np.ones(named.shape, np.float32), min_area=SMALLEST_REGION)
            labels.append(named)
            regions.append(found.ids.astype(np.uint8))
            images.append(view.rgb)
            depth.append(view.depth.astype(np.float16))
            focal.append(view.camera.focal)
        return cls(
            np.stack(images),
            np.stack(labels),
            np.stack(regions),
            np.stack(depth),
            np.array(focal, np.float32),
        )

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays under names that begin with `prefix`."""
        return {f"{prefix}_{name}": value for name, value in vars(self).items()}

    @classmethod
    def joined(cls, parts: Sequence["Shots"]) -> "Shots":
        """Return the renders of all parts, in order."""
        return cls(*(np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])))


@dataclass(frozen=True, eq=False)
class Renders:
    """Both kinds of renders of the same rooms."""

    wide: Shots
    close: Shots


def wide_views(room: Room) -> Iterator[View]:
    """Yield everyday views of a room, through lenses from wide to narrow."""
    rng = np.random.default_rng((room.seed, 9))
    for index in range(WIDE_PER_ROOM):
        focal = float(np.exp(rng.uniform(np.log(230), np.log(480))))
        yield render(room, free_camera(room, index, height=WIDE[0], width=WIDE[1], focal=focal), seed=index)


def close_views(room: Room) -> Iterator[View]:
    """Yield views of single objects, other objects as far as there are."""
    rng = np.random.default_rng((room.seed, 10))
    for index in np.resize(rng.permutation(len(room.objects)), CLOSE_PER_ROOM).tolist():
        fill = float(rng.uniform(0.5, 1.1))
        camera = object_camera(room, room.objects[index], index, side=CLOSE[0], fill=fill, focal=320)
        yield render(room, camera, seed=10 + index)


def render_file(folder: Path, first_room: int) -> Path:
    """Render ROOMS_PER_FILE rooms from `first_room` on into one .npz, unless it exists; return its path."""
    path = folder / f"rooms_{first_room:06d}.npz"
    if path.exists():
        return path
    rooms = [make_room(FIRST_TRAINING_SEED + first_room + i) for i in range(ROOMS_PER_FILE)]
    wide = Shots.of(view for room in rooms for view in wide_views(room))
    close = Shots.of(view for room in rooms for view in close_views(room))
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **wide.arrays("wide"), **close.arrays("close"))
    unfinished.rename(path)
    return path


def render_all(folder: Path, *, rooms: int = ROOMS, processes: int = 1) -> None:
    """Render what is not there yet of the first `rooms` rooms, several files at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, rooms, ROOMS_PER_FILE)
    # Spawned, not forked: torch's threads do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(partial(render_file, folder), firsts))


def load_renders(files: Sequence[Path]) -> Renders:
    """Return the renders of finished files, in order."""
    loaded = [np.load(path) for path in files]
    wide, close = (
        Shots.joined(
            [Shots(*(file[f"{kind}_{name}"] for name in Shots.__dataclass_fields__)) for file in loaded]
        )
        for kind in ("wide", "close")
    )
    return Renders(wide, close)


def render_files(folder: Path) -> list[Path]:
    """Return the finished files of a folder, in order."""
    return sorted(folder.glob("rooms_*.npz"))


def main() -> None:
    """Render as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rooms", type=int, default=ROOMS)
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    render_all(chosen.folder, rooms=chosen.rooms, processes=chosen.processes)


def object_camera(
    room: Room, object: SceneObject, seed: int, *, side: int, fill: float, focal: float
) -> Camera:
    """Return a square camera in which the object covers about `fill` of the side, seen from inside the
    room.
    """
    rng = np.random.default_rng((room.seed, seed, 5))
    solids = object.solids
    low = np.min([np.subtract(s.centre, _extent(s.half)) for s in solids], 0)
    high = np.max([np.add(s.centre, _extent(s.half)) for s in solids], 0)
    middle, span = (low + high) / 2, float(np.linalg.norm(high - low)) * 0.75
    inward = np.array([room.size[0] / 2, room.size[1] / 2, 0]) - middle
    angle = float(np.arctan2(inward[1], inward[0]) + rng.normal(0, 0.5))
    distance = focal * span / (fill * side)
    eye = middle + distance * np.array([np.cos(angle), np.sin(angle), 0])
    eye[:2] = np.clip(eye[:2], 0.15, np.array(room.size[:2]) - 0.15)
    eye[2] = float(np.clip(middle[2] + rng.uniform(0.2, 1.0), 0.6, room.size[2] - 0.4))
    true_distance = float(np.linalg.norm(eye - middle))
    zoom = (
        fill * side * max(true_distance, 0.3) / span
    )  # what the walls took from the distance, the lens gives back
    return Camera(
        side,
        side,
        zoom,
        (side / 2, side / 2),
        pose_towards(as_spot(eye), as_spot(middle + rng.normal(0, 0.04, 3))),
    )


def _extent(half: tuple[float, float, float]) -> tuple[float, float, float]:
    flat = float(np.hypot(half[0], half[1])) * 0.8
    return flat, flat, half[2]


if __name__ == "__main__":
    main()
