"""Objects built from solids, standing on a spot: the kinds of the miniature world. No rooms, no rays.

A builder takes the spot (x, y, z of the ground under the middle), a yaw, a finish and a random generator,
and returns the solids of one object. Sizes are in metres and vary a little from object to object.
"""

from collections.abc import Callable

import numpy as np

from radseg.miniature.world.solids import Shape, Solid

Spot = tuple[float, float, float]
Builder = Callable[[Spot, float, str, np.random.Generator], tuple[Solid, ...]]


class _Kit:
    """Places parts given in the object's own frame (x right, y back, z up from the ground)."""

    def __init__(self, spot: Spot, yaw: float, finish: str) -> None:
        self.spot, self.yaw, self.finish = spot, yaw, finish

    def part(
        self,
        shape: Shape,
        middle: Spot,
        half: Spot,
        *,
        taper: float = 1.0,
        glow: float = 0.0,
        finish: str | None = None,
    ) -> Solid:
        c, s = float(np.cos(self.yaw)), float(np.sin(self.yaw))
        x, y, z = middle
        centre = (self.spot[0] + c * x - s * y, self.spot[1] + s * x + c * y, self.spot[2] + z)
        return Solid(shape, centre, half, self.yaw, finish or self.finish, taper, glow)


def ball(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    r = float(rng.uniform(0.18, 0.38))
    return (_Kit(spot, yaw, finish).part("sphere", (0, 0, r), (r, r, r)),)


def box(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    x, y, z = (float(value) for value in rng.uniform(0.2, 0.38, 3))
    return (_Kit(spot, yaw, finish).part("box", (0, 0, z), (x, y, z)),)


def pillar(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, r, h = _Kit(spot, yaw, finish), float(rng.uniform(0.13, 0.22)), float(rng.uniform(0.8, 1.2))
    foot = kit.part("box", (0, 0, 0.06), (r * 1.35, r * 1.35, 0.06))
    head = kit.part("box", (0, 0, 2 * h), (r * 1.35, r * 1.35, 0.06))
    return (kit.part("frustum", (0, 0, h), (r, r, h)), foot, head)


def cone(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    r, h = float(rng.uniform(0.22, 0.34)), float(rng.uniform(0.3, 0.5))
    return (_Kit(spot, yaw, finish).part("frustum", (0, 0, h), (r, r, h), taper=0.02),)


def barrel(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, r, h = _Kit(spot, yaw, finish), float(rng.uniform(0.24, 0.33)), float(rng.uniform(0.22, 0.28))
    lower = kit.part("frustum", (0, 0, h), (r * 0.8, r * 0.8, h), taper=1.25)
    upper = kit.part("frustum", (0, 0, 3 * h), (r, r, h), taper=0.8)
    hoops = (
        kit.part("frustum", (0, 0, z), (r * 1.02, r * 1.02, 0.025), finish="metal")
        for z in (1.7 * h, 2.3 * h)
    )
    return (lower, upper, *hoops)


def vase(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, r = _Kit(spot, yaw, finish), float(rng.uniform(0.14, 0.24))
    belly = kit.part("sphere", (0, 0, r * 1.25), (r, r, r * 1.25))
    neck = kit.part("frustum", (0, 0, r * 2.7), (r * 0.35, r * 0.35, r * 0.5), taper=1.7)
    return (belly, neck)


def table(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit = _Kit(spot, yaw, finish)
    x, y, z = float(rng.uniform(0.5, 0.8)), float(rng.uniform(0.35, 0.5)), float(rng.uniform(0.62, 0.76))
    legs = (
        kit.part("box", (sx * (x - 0.07), sy * (y - 0.07), z / 2), (0.045, 0.045, z / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    )
    return (kit.part("box", (0, 0, z + 0.035), (x, y, 0.035)), *legs)


def chair(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, w, z = _Kit(spot, yaw, finish), float(rng.uniform(0.21, 0.27)), float(rng.uniform(0.42, 0.5))
    seat = kit.part("box", (0, 0, z), (w, w, 0.035))
    back = kit.part("box", (0, w - 0.03, z + 0.3), (w, 0.03, 0.27))
    legs = (
        kit.part("box", (sx * (w - 0.04), sy * (w - 0.04), z / 2), (0.03, 0.03, z / 2))
        for sx in (-1, 1)
        for sy in (-1, 1)
    )
    return (seat, back, *legs)


def sofa(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, w = _Kit(spot, yaw, finish), float(rng.uniform(0.6, 0.85))
    seat = kit.part("box", (0, 0, 0.22), (w, 0.38, 0.2))
    back = kit.part("box", (0, 0.32, 0.55), (w, 0.1, 0.3))
    arms = (kit.part("box", (s * (w + 0.08), 0, 0.33), (0.1, 0.4, 0.31)) for s in (-1, 1))
    return (seat, back, *arms)


def shelf(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, w, h = _Kit(spot, yaw, finish), float(rng.uniform(0.38, 0.55)), float(rng.uniform(0.7, 0.95))
    sides = (kit.part("box", (s * w, 0, h), (0.03, 0.17, h)) for s in (-1, 1))
    boards = (kit.part("box", (0, 0, 0.04 + k * (2 * h - 0.08) / 4), (w, 0.17, 0.03)) for k in range(5))
    back = kit.part("box", (0, 0.16, h), (w, 0.012, h))
    return (*sides, *boards, back)


def lamp(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, h, r = _Kit(spot, yaw, finish), float(rng.uniform(0.55, 0.75)), float(rng.uniform(0.2, 0.28))
    foot = kit.part("frustum", (0, 0, 0.03), (0.16, 0.16, 0.03), finish="metal")
    pole = kit.part("frustum", (0, 0, h), (0.025, 0.025, h), finish="metal")
    shade = kit.part("frustum", (0, 0, 2 * h), (r, r, 0.18), taper=0.55, glow=0.35)
    return (foot, pole, shade)


def rug(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    x, y = float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.45, 0.7))
    dyed = f"carpet {finish}"
    return (_Kit(spot, yaw, dyed).part("box", (0, 0, 0.008), (x, y, 0.008)),)


def door(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, w = _Kit(spot, yaw, finish), float(rng.uniform(0.4, 0.5))
    leaf = kit.part("box", (0, 0, 1.0), (w, 0.03, 1.0))
    panels = (kit.part("box", (0, -0.035, z), (w * 0.65, 0.012, 0.32)) for z in (0.55, 1.45))
    knob = kit.part("sphere", (w * 0.8, -0.06, 1.0), (0.04, 0.04, 0.04), finish="metal")
    return (leaf, *panels, knob)


def painting(spot: Spot, yaw: float, finish: str, rng: np.random.Generator) -> tuple[Solid, ...]:
    kit, x, z = _Kit(spot, yaw, finish), float(rng.uniform(0.3, 0.55)), float(rng.uniform(0.25, 0.4))
    return (kit.part("box", (0, 0, 1.5), (x, 0.03, z)),)


KINDS: dict[str, Builder] = {
    "ball": ball,
    "box": box,
    "pillar": pillar,
    "cone": cone,
    "barrel": barrel,
    "vase": vase,
    "table": table,
    "chair": chair,
    "sofa": sofa,
    "shelf": shelf,
    "lamp": lamp,
    "rug": rug,
    "door": door,
    "painting": painting,
}
"""Every kind of object by the word people use."""

ON_WALL = ("door", "painting")
SMALL = ("ball", "box", "vase", "cone")
"""Kinds that may also stand on a table."""
