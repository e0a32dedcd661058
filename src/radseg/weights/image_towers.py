"""From a catalogue name or a Hugging Face folder to an image tower in our form: converted once, then read."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from radseg.errors import CheckpointError, InputError, MissingFileError
from radseg.weights import cache, catalog
from radseg.weights.vit_config import VIT_FORMAT, VitConfig, require_tower

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.weights.lazy import LazyTensor
    from radseg.weights.pull import Terms

CONVERTER = 1  # raise when the converted form of the same file changes
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""What a folder may hold; the first found is used. The second is read with restricted unpickling."""


def resolve_image_tower(name: str, source: Path | None = None, *, terms: "Terms | None" = None) -> Path:
    """Return the image tower `name` in our form, converting it (once) and fetching it (once) if need be.

    Args:
        name: a catalogue row of kind "vision".
        source: the Hugging Face folder with its weights, or a file already in our form; by default the cache.
        terms: how a download is carried out.

    Raises:
        InputError: no such row, or of another kind.
        MissingFileError: the folder lacks a file.
        WeightsUnavailableError: not on this machine and not to be had.
        CheckpointError: the file is damaged, holds tensors this version does not know, or another model.
    """
    row = catalog.row(name)
    if row.kind != "vision":
        raise InputError(f"{name} is a {row.kind} row; an image tower is needed.")
    if source is not None and source.suffix == ".safetensors" and source.expanduser().is_file():
        return source.expanduser()
    files = files_of(row, source, terms)
    digests = [cache.remembered_sha256(file) for file in files]
    key = hashlib.sha256("".join(digests).encode()).hexdigest()[:24]
    target = cache.converted_folder() / f"{row.name}-{key}-v{CONVERTER}.safetensors"
    if not target.is_file():
        _convert(files, row, digests[1], target)
    return target


class Files(NamedTuple):
    """A published model on this machine."""

    description: Path
    weights: Path

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.weights.parent.name}/{self.weights.name}"


def files_of(row: catalog.Row, source: Path | None, terms: "Terms | None" = None) -> Files:
    """Return the config.json and the weights of a published model, from a folder or from the cache.

    Raises:
        MissingFileError: the folder lacks one.
        WeightsUnavailableError: not on this machine and not to be had.
    """
    if source is None:
        from radseg.weights import pull  # noqa: PLC0415 - loads the hub client

        return Files(*pull.vision_files(row, terms or pull.Terms()))
    files = Files(source.expanduser() / "config.json", weights_in(source.expanduser()))
    if not files.description.is_file():
        raise MissingFileError(f"There is no {files.description}; the folder of {row.name} holds it.")
    return files


def load_image_tower(path: Path) -> "tuple[VitConfig, dict[str, Tensor]]":
    """Return the configuration and tensors of a file in our form.

    Raises:
        CheckpointError: it is not one, or damaged.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != VIT_FORMAT:
                raise CheckpointError(
                    f"{path.name} has format {metadata.get('format')!r:.60}; an image tower has "
                    f"{VIT_FORMAT!r}. Pass the published folder."
                )
            config = VitConfig.from_json(metadata.get("config", ""))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}. Delete it; it is made again.") from error
    require_tower(config, {k: tuple(t.shape) for k, t in tensors.items()}, path.name)
    return config, tensors


def weights_in(folder: Path) -> Path:
    """Return the file of a published folder that holds the weights.

    Raises:
        MissingFileError: there is none.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise MissingFileError(f"{folder} has neither {' nor '.join(WEIGHT_FILES)}.")


def published_tensors(file: Path) -> "dict[str, LazyTensor]":
    """Return every tensor of a published file, unread.

    Raises:
        UnsafeCheckpointError: a pickle that wants more than tensors.
        CheckpointError: the file is damaged.
    """
    from radseg.weights.convert.archive import TorchArchive  # noqa: PLC0415
    from radseg.weights.convert.pickles import TensorRef, shown  # noqa: PLC0415
    from radseg.weights.ranges import FileSource  # noqa: PLC0415
    from radseg.weights.safefile import read_safetensors  # noqa: PLC0415

    if file.suffix == ".safetensors":
        return dict(read_safetensors(FileSource(file)).tensors)
    archive = TorchArchive(FileSource(file))
    state = archive.value()
    if not isinstance(state, dict):
        raise CheckpointError(f"{file.name} holds no table of tensors.")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, TensorRef):
            raise CheckpointError(f"{file.name}: {shown(key)} is not a named tensor.")
    return {key: archive.tensor(value) for key, value in state.items()}


def describe(file: Path) -> dict[str, Any]:
    """Return what a published config.json says.

    Raises:
        CheckpointError: it is no JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{file} does not describe a model.")
    return found


def _convert(files: Files, row: catalog.Row, digest: str, target: Path) -> None:
    from radseg.weights.convert.image_towers import convert_tower  # noqa: PLC0415
    from radseg.weights.safefile import write_safetensors  # noqa: PLC0415

    published, description = published_tensors(files.weights), describe(files.description)
    config, tensors = convert_tower(published, description, row, files.label)
    config = replace(config, source_sha256=digest)
    write_safetensors(target, tensors, {"format": VIT_FORMAT, "config": config.to_json()})
