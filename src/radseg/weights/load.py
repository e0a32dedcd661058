"""Reading files in our form: the configuration inside, and the tensors that are asked for."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import CheckpointError
from radseg.files import bytes_of, json_of
from radseg.weights.config import RADIO_FORMAT, RadioConfig
from radseg.weights.shapes import expected_shapes, require_tensors
from radseg.weights.vit_config import VIT_FORMAT, VitConfig, tower_shapes

if TYPE_CHECKING:
    from torch import Tensor


def read_config(path: Path) -> RadioConfig:
    """Return the configuration of a RADIO model inside a file in our form.

    Raises:
        CheckpointError: it is not one.
    """
    return _read_radio(path)[0]


def load_tensors(
    path: Path, *, adaptors: Sequence[str] | None = None, summary_only: Collection[str] = ()
) -> "tuple[RadioConfig, dict[str, Tensor]]":
    """Return the configuration, reduced to the wanted adaptors, and its tensors; other adaptors stay unread.

    Args:
        path: a file in our form (see `resolve_radio`).
        adaptors: their names, () for the backbone alone, None for all.
        summary_only: names of adaptors whose feature head is left out too; segmentation by words needs the
            summary head alone.

    Raises:
        CheckpointError: the file is not in our form, or lacks an adaptor; a backbone-only file says where
        heads are.
    """
    config, tensors = _read_radio(path)
    if adaptors is not None:
        config = replace(config, adaptors=tuple(config.adaptor(name) for name in dict.fromkeys(adaptors)))
    reduced = (replace(a, features=None) if a.name in summary_only else a for a in config.adaptors)
    config = replace(config, adaptors=tuple(reduced))
    prefixes = tuple(
        f"adaptors.{a.name}.{part}."
        for a in config.adaptors
        for part, head in (("summary", a.summary), ("features", a.features))
        if head is not None
    )
    wanted = (k for k in tensors if not k.startswith("adaptors.") or k.startswith(prefixes))
    return config, {k: tensors[k] for k in wanted}


def load_image_tower(path: Path) -> "tuple[VitConfig, dict[str, Tensor]]":
    """Return the configuration and tensors of an image tower in our form.

    Raises:
        CheckpointError: it is not one, or damaged.
    """
    from radseg.weights.tensors import read_safetensors  # noqa: PLC0415

    metadata, tensors = read_safetensors(path)
    if metadata.get("format") != VIT_FORMAT:
        raise CheckpointError(
            f"{path.name} has format {metadata.get('format')!r:.60}; an image tower has {VIT_FORMAT!r}. Pass "
            "the published folder."
        )
    config = VitConfig.from_json(metadata.get("config", ""), path.name)
    require_tensors(tower_shapes(config), tensors, path.name)
    return config, tensors


def read_description(file: Path) -> dict[str, Any]:
    """Return what a published config.json says.

    Raises:
        CheckpointError: it is no JSON object.
    """
    try:
        found = json_of(bytes_of(file))
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} does not describe a model.")
    return found


def _read_radio(path: Path) -> "tuple[RadioConfig, dict[str, Tensor]]":
    from radseg.weights.tensors import read_safetensors  # noqa: PLC0415

    metadata, tensors = read_safetensors(path)
    if metadata.get("format") != RADIO_FORMAT or "config" not in metadata:
        raise CheckpointError(
            f"{path.name} is not in radseg's form ({RADIO_FORMAT}) but "
            f"{metadata.get('format', 'without a format')!r:.60}. "
            "Pass the published file to `resolve_radio`."
        )
    config = RadioConfig.from_json(metadata["config"], path.name)
    require_tensors(expected_shapes(config), tensors, path.name)
    return config, tensors
