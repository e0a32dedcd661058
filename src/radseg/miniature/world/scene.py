"""Rooms and cameras: what stands where, what it is called, who looks at it. No rays.

World frame: metres, z up, one corner of the room at the origin. Camera frame: OpenCV (x right, y down, z
forward). Everything follows from a seed; the same seed gives the same room on every machine.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from radseg.miniature.world import names as words
from radseg.miniature.world.furniture import KINDS, ON_WALL, SMALL, Spot
from radseg.miniature.world.materials import COLOURS
from radseg.miniature.world.solids import Solid

Split = Literal["train", "held_out"]
Matrix = NDArray[np.float64]
FIRST_OBJECT = 6
"""Instances 0 … 5 are the faces of the room in the order of `solids.room_hit`."""

_AGAINST = ("sofa", "shelf")
_WALL_YAW = (np.pi / 2, np.pi, -np.pi / 2, 0.0)  # turns an object's back to the walls x=0, y=0, x=X, y=Y


@dataclass(frozen=True)
class SceneObject:
    """One piece of furniture: its solids, its name, and the circle it covers on the floor."""

    name: str
    kind: str
    finish: str
    solids: tuple[Solid, ...]
    middle: tuple[float, float, float]
    reach: float
    tint: tuple[float, float, float]

    @property
    def bound(self) -> tuple[tuple[float, float, float], float]:
        """Middle and radius of a sphere around all solids, metres."""
        x, y, z = (float(value) for value in np.mean([s.centre for s in self.solids], 0))
        radius = max(float(np.linalg.norm(np.subtract(s.centre, (x, y, z)))) + s.radius for s in self.solids)
        return (x, y, z), radius


@dataclass(frozen=True, eq=False)
class Room:
    """A room: extent in metres, finishes of its faces, lights and objects.

    Attributes:
        faces: finish of the six faces, in the order of `solids.room_hit`.
        names: all names that occur, sorted; `View.semantic` indexes them.
        lights: position and linear RGB of every lamp that shines.
    """

    seed: int
    size: tuple[float, float, float]
    faces: tuple[str, ...]
    face_names: tuple[str, ...]
    face_tints: tuple[tuple[float, float, float], ...]
    objects: tuple[SceneObject, ...]
    lights: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]
    ambient: float
    names: tuple[str, ...]

    def instance_name(self, instance: int) -> str:
        """Return the name of an instance id of `View.instance`."""
        return (
            self.face_names[instance]
            if instance < FIRST_OBJECT
            else self.objects[instance - FIRST_OBJECT].name
        )


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera; pixel centres lie at integer + 0.5.

    Attributes:
        height, width: of the image, pixels.
        focal: focal length in pixels, the same along both axes.
        centre: principal point (x, y) in pixels; outside the image when it is a window of a larger one.
        camera_to_world: 4 × 4, OpenCV camera axes.
    """

    height: int
    width: int
    focal: float
    centre: tuple[float, float]
    camera_to_world: Matrix

    @property
    def intrinsics(self) -> Matrix:
        """The 3 × 3 matrix K."""
        return np.array([[self.focal, 0, self.centre[0]], [0, self.focal, self.centre[1]], [0, 0, 1.0]])


def pose_towards(eye: Spot, target: Spot) -> Matrix:
    """Return camera_to_world of an upright camera at `eye` that looks at `target` (metres)."""
    forward = np.subtract(target, eye, dtype=np.float64)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, eye
    return pose


def make_room(seed: int, *, split: Split = "train", count: int | None = None) -> Room:
    """Return the room of `seed`.

    A "held_out" room has a wall–floor style that training never sees, and half of its objects are
    combinations that training never sees. `count` is the number of objects tried (default 6 to 10; fewer may
    find a place).
    """
    rng = np.random.default_rng((seed, 0 if split == "train" else 1))
    size = (float(rng.uniform(3.8, 6)), float(rng.uniform(3.8, 6)), float(rng.uniform(2.5, 2.9)))
    wall, floor, ceiling = _style(rng, split)
    face_names = (f"{wall} wall",) * 2 + (floor,) + (f"{wall} wall",) * 2 + (f"{ceiling} ceiling",)
    finishes = (wall, wall, _floor_finish(floor), wall, wall, ceiling)
    tints = tuple(_tint(rng, 0.12) for _ in range(3))
    objects = _furnish(rng, size, split, count if count is not None else int(rng.integers(6, 11)))
    return Room(
        seed=seed,
        size=size,
        faces=finishes,
        face_names=face_names,
        face_tints=(tints[0], tints[0], tints[1], tints[0], tints[0], tints[2]),
        objects=objects,
        lights=_lights(rng, size),
        ambient=float(rng.uniform(0.4, 0.6)),
        names=tuple(sorted({*face_names, *(object.name for object in objects)})),
    )


def _style(rng: np.random.Generator, split: Split) -> tuple[str, str, str]:
    styles = [
        (wall, floor)
        for wall in words.WALLS
        for floor in words.FLOORS
        if words.is_held_out_style(wall, floor) == (split == "held_out")
    ]
    wall, floor = styles[int(rng.integers(len(styles)))]
    name = (
        f"{list(COLOURS)[int(rng.integers(len(COLOURS)))]} carpet" if floor == "carpet" else f"{floor} floor"
    )
    return wall, name, words.CEILINGS[int(rng.integers(len(words.CEILINGS)))]


def _floor_finish(name: str) -> str:
    first, last = name.split()
    return f"carpet {first}" if last == "carpet" else first


def _tint(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    light = rng.uniform(1 - spread, 1 + spread)
    r, g, b = (float(light * value) for value in rng.uniform(0.96, 1.04, 3))
    return r, g, b


def _lights(
    rng: np.random.Generator, size: tuple[float, float, float]
) -> tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...]:
    lights = []
    for _ in range(2):
        spot = (
            float(size[0] * rng.uniform(0.25, 0.75)),
            float(size[1] * rng.uniform(0.25, 0.75)),
            size[2] - 0.25,
        )
        power, warmth = float(rng.uniform(0.35, 0.6)), float(rng.uniform(-0.06, 0.08))
        lights.append((spot, (power * (1 + warmth), power, power * (1 - warmth))))
    return tuple(lights)


def _choose(rng: np.random.Generator, split: Split) -> tuple[str, str]:
    """Draw a kind first, so that no kind is rare, then one of its allowed finishes."""
    held_out = split == "held_out" and bool(rng.random() < 0.5)
    allowed = words.objects(held_out=held_out)
    kinds = sorted({kind for _, kind in allowed})
    kind = kinds[int(rng.integers(len(kinds)))]
    finishes = [finish for finish, owner in allowed if owner == kind]
    return finishes[int(rng.integers(len(finishes)))], kind


def _furnish(
    rng: np.random.Generator, size: tuple[float, float, float], split: Split, count: int
) -> tuple[SceneObject, ...]:
    objects: list[SceneObject] = []
    for _ in range(count):
        finish, kind = _choose(rng, split)
        for _ in range(12):
            object = _place(rng, size, objects, finish, kind)
            if _fits(object, objects, size):
                objects.append(object)
                break
    return tuple(objects)


def _place(
    rng: np.random.Generator,
    size: tuple[float, float, float],
    objects: list[SceneObject],
    finish: str,
    kind: str,
) -> SceneObject:
    yaw = float(rng.uniform(-np.pi, np.pi))
    spot: Spot = (float(rng.uniform(0.5, size[0] - 0.5)), float(rng.uniform(0.5, size[1] - 0.5)), 0.0)
    if kind in ON_WALL or kind in _AGAINST:
        side = int(rng.integers(4))
        gap = {"door": 0.04, "painting": 0.03, "sofa": 0.48, "shelf": 0.2}[kind]
        along = float(rng.uniform(0.8, size[1 - side % 2] - 0.8))
        across = gap if side < 2 else size[side % 2] - gap
        spot = (across, along, 0.0) if side % 2 == 0 else (along, across, 0.0)
        yaw = float(_WALL_YAW[side])
    tables = [object for object in objects if object.kind == "table"]
    if kind in SMALL and tables and rng.random() < 0.4:
        top = tables[int(rng.integers(len(tables)))]
        spot = (top.middle[0], top.middle[1], top.solids[0].centre[2] + top.solids[0].half[2])
    solids = KINDS[kind](spot, yaw, finish, rng)
    reach = max(
        float(np.hypot(s.centre[0] - spot[0], s.centre[1] - spot[1]) + np.hypot(s.half[0], s.half[1]) * 0.9)
        for s in solids
    )
    return SceneObject(words.object_name(finish, kind), kind, finish, solids, spot, reach, _tint(rng, 0.12))


def _fits(object: SceneObject, others: list[SceneObject], size: tuple[float, float, float]) -> bool:
    """Say whether the object is inside the room and its circle overlaps none but tables below it."""
    x, y, z = object.middle
    margin = 0.0 if object.kind in ON_WALL or object.kind in _AGAINST else object.reach
    if not (margin <= x <= size[0] - margin and margin <= y <= size[1] - margin):
        return False
    for other in others:
        distance = float(np.hypot(x - other.middle[0], y - other.middle[1]))
        if z > 0 and other.kind == "table" and distance < 0.05:
            continue
        if object.kind == "rug" or other.kind == "rug":
            if object.kind == other.kind and distance < 1.2:
                return False
            continue
        if distance < 0.85 * (object.reach + other.reach):
            return False
    return True
