"""The models by name: which weights each needs, which of them are here, and getting the others."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from radseg.errors import InputError
from radseg.modes import WITH_SAM
from radseg.weights import cache, catalog

if TYPE_CHECKING:
    from radseg.preset_table import Preset
    from radseg.weights.store import Check


SAM = "sam-vit-h"
"""Catalogue row of what RADSeg+ needs beside RADIO."""


class Fetching(Protocol):
    """Is told about a download."""

    def announce(self, line: str) -> None:
        """Say something a person should read: the licence, a warning."""

    def progress(self, done: int, total: int) -> None:
        """Say how many bytes are here, of how many (0 where not known)."""

    def named(self, name: str) -> AbstractContextManager[None]:
        """Say that inside this context `name` is being fetched."""


@dataclass(frozen=True)
class Model:
    """A model as a person chooses it.

    Attributes:
        weights: catalogue rows: the image weights, the text tower, SAM's decoder for models that refine;
            empty for a model that needs none.
        note: what it is for.
    """

    name: str
    weights: tuple[catalog.Row, ...]
    note: str


def models() -> tuple[Model, ...]:
    """Return the presets in their order."""
    from radseg.presets import PRESETS  # noqa: PLC0415

    return tuple(Model(p.name, _rows(p), p.note) for p in PRESETS.values())


def rows_of(name: str) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows behind a model's or a row's name.

    Raises:
        InputError: neither; the message lists both.
    """
    known = {model.name: model.weights for model in models()} | {row.name: (row,) for row in catalog.ROWS}
    if name not in known:
        raise InputError(f"There is no model {name!r}. Known: {', '.join(known)}.")
    return known[name]


def tower_rows(checkpoint: Path, drop: Sequence[str] = ()) -> tuple[catalog.Row, ...]:
    """Return the row of the text tower that a local checkpoint's words need; none if it has no language."""
    from radseg.models.radio import language_adaptor  # noqa: PLC0415
    from radseg.weights import store  # noqa: PLC0415

    source = checkpoint if checkpoint.exists() else str(checkpoint)
    config = store.read_config(store.resolve(source, drop=tuple(drop)))
    name = language_adaptor(config)
    space = None if name is None else config.adaptor(name).space
    return tuple(row for row in catalog.ROWS if row.kind == "text" and row.name == space)


def is_here(row: catalog.Row) -> bool:
    """Return whether a row's files are in the store of this machine."""
    from radseg.weights.store import installed  # noqa: PLC0415

    return any(found.row.name == row.name for found in installed())


def obtain(
    rows: tuple[catalog.Row, ...], fetching: Fetching, *, accept_license: bool, drop: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Return where each row is on this machine, ready to load, fetching and converting what is missing.

    Raises:
        WeightsUnavailableError: offline, licence not accepted, or the download failed; says what to do.
    """
    from radseg.weights import store  # noqa: PLC0415
    from radseg.weights.image_towers import resolve_image_tower  # noqa: PLC0415
    from radseg.weights.pull import Terms, published_file, vision_files  # noqa: PLC0415

    paths = []
    for row in rows:
        told: Any = {"progress": fetching.progress, "announce": fetching.announce}
        with fetching.named(row.name):
            if row.kind == "sam":
                paths.append(store.resolve_sam(row.name, **told))
            elif row.kind == "text":
                paths.append(store.resolve_tower(row.name, accept_license=accept_license, **told))
            elif row.kind == "vision":
                paths.append(resolve_image_tower(row.name, terms=Terms(accept_license, **told)))
            elif row.kind == "segmenter":
                paths.append(vision_files(row, Terms(accept_license, **told))[1])
            elif row.kind == "text_map":
                paths.append(published_file(row, Terms(accept_license, **told)))
            else:
                paths.append(store.resolve(row.name, accept_license=accept_license, drop=tuple(drop), **told))
    return tuple(paths)


def verify_rows(rows: tuple[catalog.Row, ...]) -> Iterator[tuple[catalog.Row, "tuple[Check, ...]"]]:
    """Yield each row with the checks of its files; without files the checks are empty."""
    from radseg.weights.store import verify  # noqa: PLC0415

    for row in rows:
        yield row, verify(row.name) if cache.read_records(row.name) else ()


def _rows(preset: "Preset") -> tuple[catalog.Row, ...]:
    if preset.checkpoint is None:
        return ()
    image = catalog.row(preset.checkpoint)
    space = catalog.OPENAI_B if preset.text_map else image.space
    text = () if space is None else (catalog.row(space),)
    refiner = (SAM,) if image.kind == "radio" and preset.options.refine in WITH_SAM else ()
    further = (*preset.helpers, *([preset.text_map] if preset.text_map else []), *refiner)
    return (image, *text, *(catalog.row(name) for name in further))
