"""Where to stand in a room: free views and walks; and captions of what is seen."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from radseg.miniature.world.furniture import Spot
from radseg.miniature.world.render import View, render
from radseg.miniature.world.scene import Camera, Room, pose_towards

FOCAL_PER_WIDTH = 0.8
"""Focal length over image width of the everyday camera (64° across)."""


def free_camera(
    room: Room, seed: int, *, height: int = 352, width: int = 480, focal: float | None = None
) -> Camera:
    """Return a camera at eye height in a free spot, looking across the room at its objects."""
    rng = np.random.default_rng((room.seed, seed, 3))
    eye = free_spot(room, rng)
    middle = np.array([room.size[0] / 2, room.size[1] / 2, 0.7])
    candidates = [object.middle for object in room.objects] or [tuple(middle)]
    far = sorted(candidates, key=lambda spot: -np.hypot(spot[0] - eye[0], spot[1] - eye[1]))
    aim = np.array(far[int(rng.integers(max(1, len(far) // 2)))])
    aim[2] = 0.6
    aim = 0.6 * aim + 0.4 * middle + rng.normal(0, 0.15, 3)
    chosen = focal if focal is not None else FOCAL_PER_WIDTH * width
    return Camera(height, width, chosen, (width / 2, height / 2), pose_towards(eye, as_spot(aim)))


def free_spot(room: Room, rng: np.random.Generator) -> Spot:
    """Return an eye position 1.2 to 1.7 m high that stands in nothing."""
    best, best_gap = (room.size[0] / 2, room.size[1] / 2, 1.5), -np.inf
    for _ in range(24):
        spot = (
            float(rng.uniform(0.3, room.size[0] - 0.3)),
            float(rng.uniform(0.3, room.size[1] - 0.3)),
            float(rng.uniform(1.2, 1.7)),
        )
        gaps = (
            np.hypot(spot[0] - t.middle[0], spot[1] - t.middle[1]) - t.reach
            for t in room.objects
            if t.kind != "rug"
        )
        gap = min(gaps, default=1.0)
        border = max(abs(spot[0] / room.size[0] - 0.5), abs(spot[1] / room.size[1] - 0.5))
        score = min(gap, 0.5) + 0.6 * border  # free, and rather near a wall so that much is in view
        if score > best_gap:
            best, best_gap = spot, score
    return best


def sequence_cameras(room: Room, frames: int, *, height: int = 240, width: int = 320) -> tuple[Camera, ...]:
    """Return a walk: an ellipse around the room's middle at eye height, looking across it."""
    cx, cy = room.size[0] / 2, room.size[1] / 2
    poses = []
    for angle in np.linspace(0, 2 * np.pi, frames, endpoint=False):
        direction = np.array([np.cos(angle), np.sin(angle)])
        eye = (
            float(cx + 0.36 * room.size[0] * direction[0]),
            float(cy + 0.36 * room.size[1] * direction[1]),
            1.6,
        )
        target = (float(cx - 0.5 * direction[0]), float(cy - 0.5 * direction[1]), 0.6)
        poses.append(
            Camera(height, width, FOCAL_PER_WIDTH * width, (width / 2, height / 2), pose_towards(eye, target))
        )
    return tuple(poses)


def sequence(
    room: Room, frames: int, *, height: int = 240, width: int = 320, seed: int = 0
) -> Iterator[View]:
    """Yield the views of a walk through the room, rendered as they are asked for."""
    for index, camera in enumerate(sequence_cameras(room, frames, height=height, width=width)):
        yield render(room, camera, seed=seed * 1009 + index)


def captions(view: View, *, smallest: float = 0.02) -> tuple[str, ...]:
    """Return what people would say: one phrase per visible name above `smallest` share, then one sentence."""
    seen = [name for name, share in view.shares().items() if share >= smallest]
    objects = [name for name in seen if name.split()[-1] not in ("wall", "floor", "carpet", "ceiling")]
    around = [name for name in seen if name not in objects]
    listed = " and ".join(f"a {name}" for name in objects) or "an empty room"
    return (*seen, f"{listed} with {' and '.join(around)}" if around else listed)


def as_spot(values: NDArray[np.float64]) -> Spot:
    """Return a place in the room from its three coordinates."""
    x, y, z = (float(value) for value in values)
    return x, y, z
