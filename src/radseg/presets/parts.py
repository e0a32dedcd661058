"""The kinds of weights: how each comes to this machine, and how it is loaded. Nobody else asks for a kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from radseg.errors import InputError
from radseg.models.image_tower import load_image_tower
from radseg.models.radio import language_adaptor, load_radio
from radseg.models.sam2 import load_sam2
from radseg.models.sam_encoder import load_whole_sam
from radseg.presets.options import Options
from radseg.presets.registry import BACKBONES, Preset
from radseg.weights import catalog
from radseg.weights import resolve as weights
from radseg.weights.load import read_config
from radseg.weights.options import DownloadOptions


class Target(NamedTuple):
    """Where a network computes."""

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class Kind:
    """How weights of one kind are handled.

    Attributes:
        resolve: from a catalogue name, and a local path where they are one's own, to what is ready to load.
        network: loads it as an auxiliary network of a method; None where it cannot be one.
    """

    resolve: Callable[[str, str | None, DownloadOptions], Path]
    network: Callable[[str, Path, Target], Any] | None = None


def _speechless_radio(_: str, path: Path, target: Target) -> Any:
    return load_radio(path, language_head=None, device=target.device, dtype=target.dtype)


def _image_tower(name: str, path: Path, target: Target) -> Any:
    return load_image_tower(name, path, device=target.device, dtype=target.dtype)


def _sam(name: str, path: Path, target: Target) -> Any:
    load = load_sam2 if name.startswith("sam2") else load_whole_sam
    return load(name, path, device=target.device, dtype=target.dtype)


def _by_name_or_place(resolve_one: Callable[[str, DownloadOptions], Path]) -> Callable[..., Path]:
    return lambda name, place, options: resolve_one(place or name, options)


KINDS: dict[str, Kind] = {
    "radio": Kind(_by_name_or_place(weights.resolve_radio), _speechless_radio),
    "vision": Kind(weights.resolve_image_tower, _image_tower),
    "sam": Kind(weights.resolve_sam, _sam),
    "sam_decoder": Kind(_by_name_or_place(weights.resolve_sam_decoder)),
    "text": Kind(_by_name_or_place(weights.resolve_text_tower)),
    "text_map": Kind(_by_name_or_place(weights.resolve_text_map)),
}


def resolve(name: str, place: str | None, options: DownloadOptions) -> Path:
    """Return where weights are on this machine, ready to load, fetching and converting them if need be.

    Args:
        name: of the catalogue: what they are, and where they come from.
        place: a file or folder of one's own that is used instead.

    Raises:
        WeightsUnavailableError: offline, licence not accepted, or the download failed; says what to do.
    """
    with options.reporter.named(name):
        return KINDS[catalog.row(name).kind].resolve(name, place, options)


def backbone_row(checkpoint: str, source: str) -> catalog.Row | None:
    """Return the catalogue row of a backbone's weights; None for a file of one's own.

    Args:
        checkpoint: the preset's catalogue name.
        source: the same, another RADIO's catalogue name in its place, or a path.
    """
    if source == checkpoint:
        return catalog.row(checkpoint)
    if Path(source).expanduser().exists():
        return None
    named = [row for row in catalog.ROWS if row.name == source and row.kind == catalog.row(checkpoint).kind]
    return named[0] if named and is_radio(checkpoint) else None


def is_radio(checkpoint: str) -> bool:
    """Whether a catalogue name is a RADIO's: those alone have language adaptors, and tensors to drop."""
    return catalog.row(checkpoint).kind == "radio"


def reads_radio(preset: Preset) -> bool:
    """Whether a preset reads a published RADIO file."""
    catalogued = preset.checkpoint not in BACKBONES  # others bring their weights
    return catalogued and any(is_radio(one) for one in (preset.checkpoint, *preset.auxiliary))


def text_space(
    checkpoint: str, row: catalog.Row | None, own: Path | None, language: str | None
) -> str | None:
    """Return the name of the space that a backbone's features land in; None if it has no language.

    Args:
        checkpoint: the preset's catalogue name.
        row: of the weights that are loaded; None for one's own.
        own: those, resolved; their header says which adaptors they have.
        language: the adaptor that is asked for.
    """
    if not is_radio(checkpoint):
        return catalog.row(checkpoint).space
    if row is not None:
        return row.space if language is None else catalog.ADAPTOR_SPACES.get(language)
    assert own is not None
    config = read_config(own)
    name = language or language_adaptor(config)
    return None if name is None else config.adaptor(name).space


def text_rows(space: str | None) -> tuple[catalog.Row, ...]:
    """Return the row of the text tower of a space, if the catalogue has one."""
    return tuple(row for row in catalog.ROWS if row.kind == "text" and row.name == space)


def load_backbone(
    checkpoint: str, path: Path, target: Target, *, adaptors: Sequence[str], options: Options
) -> Any:
    """Return a backbone with its weights; `adaptors` and the language in `options` are a RADIO's."""
    if is_radio(checkpoint):
        return load_radio(
            path,
            adaptors=adaptors,
            language=getattr(options, "language", None),
            language_head=getattr(options, "language_head", "cls"),
            device=target.device,
            dtype=target.dtype,
        )
    return load_image_tower(checkpoint, path, device=target.device, dtype=target.dtype)


def load_auxiliary(name: str, path: Path, target: Target) -> Any:
    """Return the network behind a catalogue name that a method uses beside its backbone.

    Raises:
        InputError: weights that are no network for images.
    """
    network = KINDS[catalog.row(name).kind].network
    if network is None:
        raise InputError(f"{name} is no network that a method can use beside its backbone.")
    return network(name, path, target)


def embeds_prompts(row: catalog.Row) -> bool:
    """Whether weights are needed to embed prompts, and not for images."""
    return row.kind in ("text", "text_map")


def brings_sam(names: Sequence[str]) -> str | None:
    """Return the whole SAM among a method's auxiliary networks, if there is one."""
    return next((name for name in names if catalog.row(name).kind == "sam"), None)
