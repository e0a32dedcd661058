"""The models by name: which weights each needs, which of them are here, and getting the others."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import InputError, MissingFileError
from radseg.modes import WITH_SAM
from radseg.weights import catalog, home
from radseg.weights.options import DownloadOptions
from radseg.weights.options import Reporter as Fetching

if TYPE_CHECKING:
    from radseg.preset_table import Preset
    from radseg.weights.installed import Check


SAM = "sam-vit-h"
"""Catalogue row of what RADSeg+ needs beside RADIO."""
FOR_CHECKPOINTS = "radseg-b"
"""The preset that a checkpoint named by its path is used with."""
CHECKPOINT_SUFFIXES = frozenset({".tar", ".pth", ".pt", ".safetensors"})


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

    return tuple(Model(name, needed_rows(name), preset.note) for name, preset in PRESETS.items())


def default_model() -> Model:
    """Return what to use when nobody says: radseg-b, else the first model whose weights are here, else the
    embedded miniature, which needs none.
    """
    ready = [m for m in models() if m.weights and is_here(m.weights[0])]
    return (sorted(ready, key=lambda m: m.name != "radseg-b") or [_named("miniature")])[0]


def _named(name: str) -> Model:
    return next(model for model in models() if model.name == name)


def rows_of(name: str) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows behind a model's or a row's name.

    Raises:
        InputError: neither; the message lists both.
    """
    known = {model.name: model.weights for model in models()} | {row.name: (row,) for row in catalog.ROWS}
    if name not in known:
        raise InputError(f"There is no model {name!r}. Known: {', '.join(known)}.")
    return known[name]


def needed_rows(
    model: str, settings: Mapping[str, Any] | None = None, *, with_tower: bool = True
) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows that `presets.load(model, **settings)` reads: the image weights come first.

    What the settings give as files of one's own needs no row, and an embedded model needs none at all.

    Args:
        model: a preset, or the path of a checkpoint.
        settings: arguments of `presets.load`; those that choose no weights are passed over.
        with_tower: whether words will be embedded, which takes the text tower.

    Raises:
        InputError: no such model.
        MissingFileError: a checkpoint that is not there.
        CheckpointError: a checkpoint of one's own cannot be read; its words' tower stands in it.
    """
    from radseg.preset_methods import METHODS  # noqa: PLC0415
    from radseg.presets import PRESETS  # noqa: PLC0415

    path, given = checkpoint_path(model), dict(settings or {})
    name = model if path is None else FOR_CHECKPOINTS
    if name not in PRESETS:
        raise InputError(f"There is no model {name!r}. Known: {', '.join(PRESETS)}.")
    preset = PRESETS[name]
    if preset.checkpoint is None:
        return ()
    image, text = _image_and_text(preset, given.get("checkpoint") or path, given)
    own = given.get("auxiliary") or {}
    further = [catalog.row(one) for one in (*preset.auxiliary, preset.text_map) if one and one not in own]
    if with_tower and not given.get("text_tower"):
        image = (*image, *text)
    refine = given.get("refine", preset.options.refine)
    # A method that brings a whole SAM refines with that.
    if refine in WITH_SAM and METHODS[preset.method].refiner is None and given.get("sam", SAM) == SAM:
        further.append(catalog.row(SAM))
    return (*image, *further)


def _image_and_text(
    preset: "Preset", checkpoint: str | Path | None, given: Mapping[str, Any]
) -> tuple[tuple[catalog.Row, ...], tuple[catalog.Row, ...]]:
    """Return the rows of a preset's backbone and of its text tower."""
    image = catalog.row(str(preset.checkpoint))
    language = given.get("language")
    if image.kind != "radio":  # CLIP and DINO do not say their text space; the preset does
        space = catalog.OPENAI_B if preset.text_map else image.space
        return (() if checkpoint else (image,)), _towers(space)
    if checkpoint is not None and not Path(checkpoint).exists():
        named = [row for row in catalog.ROWS if (row.name, row.kind) == (str(checkpoint), "radio")]
        if named:
            (image,), checkpoint = named, None
    if checkpoint is not None:
        return (), _towers(_space_inside(checkpoint, language, tuple(given.get("drop") or ())))
    return (image,), _towers(image.space if language is None else catalog.ADAPTOR_SPACES.get(language))


def _space_inside(checkpoint: str | Path, language: str | None, drop: tuple[str, ...]) -> str | None:
    """Return the text space of a checkpoint of one's own; None if it has no language."""
    from radseg.models.radio import language_adaptor  # noqa: PLC0415
    from radseg.weights.load import read_config  # noqa: PLC0415
    from radseg.weights.resolve import resolve_radio  # noqa: PLC0415

    config = read_config(resolve_radio(checkpoint, DownloadOptions(drop=drop)))
    name = language or language_adaptor(config)
    return None if name is None else config.adaptor(name).space


def _towers(space: str | None) -> tuple[catalog.Row, ...]:
    return tuple(row for row in catalog.ROWS if row.kind == "text" and row.name == space)


def checkpoint_path(model: str) -> Path | None:
    """Return the path that `model` is, or None when it is a preset's name (`presets.load` decides alike).

    Raises:
        MissingFileError: it is written as a path, and nothing is there.
    """
    path = Path(model)
    written_as_path = "/" in model or os.sep in model or path.suffix in CHECKPOINT_SUFFIXES
    if not path.exists():
        if written_as_path:
            raise MissingFileError(
                f"There is no checkpoint {model}. `radseg models list` shows the models by name."
            )
        return None
    if written_as_path or path.is_file():
        return path
    from radseg.presets import PRESETS  # loads torch: only asked in this rare case  # noqa: PLC0415

    return None if model in PRESETS else path


def is_here(row: catalog.Row) -> bool:
    """Return whether a row's files are on this machine."""
    from radseg.weights.installed import is_cached  # noqa: PLC0415

    return is_cached(row)


def obtain(
    rows: tuple[catalog.Row, ...], fetching: Fetching, *, accept_license: bool, drop: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Return where each row is on this machine, ready to load, fetching and converting what is missing.

    Raises:
        WeightsUnavailableError: offline, licence not accepted, or the download failed; says what to do.
    """
    from radseg.weights import resolve  # noqa: PLC0415

    ways = {
        "radio": resolve.resolve_radio,
        "text": resolve.resolve_text_tower,
        "sam_decoder": resolve.resolve_sam_decoder,
        "vision": resolve.resolve_image_tower,
        "sam": resolve.resolve_sam,
        "text_map": resolve.resolve_text_map,
    }
    options = DownloadOptions(accept_license, tuple(drop), fetching)
    paths = []
    for row in rows:
        with fetching.named(row.name):
            paths.append(ways[row.kind](row.name, options))
    return tuple(paths)


def verify_rows(rows: tuple[catalog.Row, ...]) -> Iterator[tuple[catalog.Row, "tuple[Check, ...]"]]:
    """Yield each row with the checks of its files; without files the checks are empty."""
    from radseg.weights.installed import verify  # noqa: PLC0415

    for row in rows:
        yield row, verify(row) if home.read_records(row.name) else ()
