"""What can be chosen, what of it is on this machine, and what is used when nobody chooses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from radseg.errors import InputError
from radseg.presets.plugins import load_installed
from radseg.presets.spec import model_spec
from radseg.presets.table import PRESETS
from radseg.weights import catalog, home

if TYPE_CHECKING:
    from radseg.weights.installed import Check


def required_by(name: str) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows that a preset reads with its own options; () for an embedded model."""
    from radseg.presets.load import required  # noqa: PLC0415 - loads torch

    return required(model_spec(name))


def default_model() -> str:
    """Return what to use when nobody says: radseg-b, else the first preset whose backbone is here, else the
    embedded miniature, which needs none.
    """
    from radseg.weights.installed import is_cached  # noqa: PLC0415

    load_installed()
    for name in sorted(PRESETS, key=lambda one: one != "radseg-b"):
        row = next((row for row in catalog.ROWS if row.name == PRESETS[name].checkpoint), None)
        if row is not None and is_cached(row):
            return name
    return "miniature"


def rows_of(name: str) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows behind a model's or a row's name.

    Raises:
        InputError: neither; the message lists both.
    """
    load_installed()
    if name in PRESETS:
        return required_by(name)
    rows = tuple(row for row in catalog.ROWS if row.name == name)
    if not rows:
        known = (*PRESETS, *(row.name for row in catalog.ROWS))
        raise InputError(f"There is no model {name!r}. Known: {', '.join(known)}.")
    return rows


def verify_rows(rows: tuple[catalog.Row, ...]) -> Iterator[tuple[catalog.Row, "tuple[Check, ...]"]]:
    """Yield each row with the checks of its files; without files the checks are empty."""
    from radseg.weights.installed import verify  # noqa: PLC0415

    for row in rows:
        yield row, verify(row) if home.read_records(row.name) else ()
