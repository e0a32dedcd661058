"""The words of the miniature world, and which of their combinations training never sees.

An object is called "<finish> <kind>" ("red ball", "wooden table"), a carpet "<colour> carpet", a painting
"painting".
"""

from radseg.miniature.world.furniture import KINDS
from radseg.miniature.world.materials import COLOURS

_COLOURS = tuple(COLOURS)
_WORKED = (*_COLOURS, "wooden", "metal")

FINISHES: dict[str, tuple[str, ...]] = {
    "ball": _COLOURS,
    "box": (*_COLOURS, "wooden"),
    "pillar": (*_COLOURS, "stone", "brick", "wooden"),
    "cone": _COLOURS,
    "barrel": (*_COLOURS, "wooden"),
    "vase": _COLOURS,
    "table": _WORKED,
    "chair": _WORKED,
    "sofa": _COLOURS,
    "shelf": _WORKED,
    "lamp": _COLOURS,
    "rug": _COLOURS,
    "door": _WORKED,
    "painting": ("canvas",),
}
"""What each kind may be made of or painted in."""

WALLS = ("brick", "wooden", "plaster", "tiled", "concrete", "striped")
FLOORS = ("wooden", "tiled", "stone", "concrete", "carpet")
CEILINGS = ("white", "wooden", "concrete")


def object_name(finish: str, kind: str) -> str:
    """Return what people call it."""
    return "painting" if kind == "painting" else f"{finish} {kind}"


def is_held_out(finish: str, kind: str) -> bool:
    """Say whether training never shows or names this combination (about one in six)."""
    finishes = FINISHES[kind]
    return len(finishes) > 1 and (tuple(KINDS).index(kind) * 4 + finishes.index(finish)) % 6 == 1


def is_held_out_style(wall: str, floor: str) -> bool:
    """Say whether training never shows a room with this wall and floor (one in five)."""
    return (WALLS.index(wall) + 2 * FLOORS.index(floor)) % 5 == 0


def objects(*, held_out: bool) -> tuple[tuple[str, str], ...]:
    """Return all (finish, kind) pairs that are, or are not, held out."""
    return tuple(
        (finish, kind)
        for kind, finishes in FINISHES.items()
        for finish in finishes
        if is_held_out(finish, kind) == held_out
    )


def floor_names() -> tuple[str, ...]:
    """Return every name a floor can have."""
    plain = tuple(f"{floor} floor" for floor in FLOORS if floor != "carpet")
    return (*plain, *(f"{colour} carpet" for colour in COLOURS))


def structure_names() -> tuple[str, ...]:
    """Return every name a wall, floor or ceiling can have."""
    walls, ceilings = (f"{wall} wall" for wall in WALLS), (f"{ceiling} ceiling" for ceiling in CEILINGS)
    return (*walls, *floor_names(), *ceilings)


def training_names() -> tuple[str, ...]:
    """Return every name that occurs in training, without duplicates."""
    names = (object_name(finish, kind) for finish, kind in objects(held_out=False))
    return tuple(dict.fromkeys((*names, *structure_names())))


def held_out_names() -> tuple[str, ...]:
    """Return the names that never occur in training though each of their words does."""
    return tuple(object_name(finish, kind) for finish, kind in objects(held_out=True))
