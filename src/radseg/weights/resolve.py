"""From a name or a path to a local file, ready to load. A published file is fetched and converted once.

This is the module the rest of the package calls; torch and the hub client load on first use.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import CheckpointError, InputError, MissingFileError
from radseg.files import bytes_of
from radseg.weights import catalog
from radseg.weights.config import RADIO_FORMAT, SAM_FORMAT
from radseg.weights.converted import (
    CONVERTER,
    Converted,
    convert_row,
    converted,
    converted_from_here,
    made_before,
    settle,
)
from radseg.weights.home import converted_folder, model_folder, read_records, remembered_sha256
from radseg.weights.installed import stored
from radseg.weights.options import DownloadOptions
from radseg.weights.shards import index_of, shards_of

if TYPE_CHECKING:
    from radseg.weights.published import Published

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin", "open_clip_pytorch_model.bin")
"""What a folder of one's own may hold, whole or in shards; the first found is used. Pickles: restrictedly."""
_PATHS = {".tar", ".pth", ".pt", ".bin", ".safetensors"}


def resolve_radio(source: str | Path, options: DownloadOptions | None = None) -> Path:
    """Return a RADIO model in our form, converting it (once) and fetching it (once) if need be.

    Args:
        source: a catalogue name ("c-radio_v3-b"), a published `.pth.tar`, a Hugging Face folder (or the
            `model.safetensors` in it), or a file already in our form.

    Raises:
        MissingFileError: a path that does not exist.
        InputError: neither a path nor a catalogue name.
        WeightsUnavailableError: not on this machine and not to be had.
        UnsafeCheckpointError: a pickle in which something that is needed is of a class that is not read.
        CheckpointError: anything else wrong with the file.
    """
    options = options or DownloadOptions()
    path = _path(source)
    if path is not None:
        return _radio_from(path, options)
    row = _row(source, "radio")
    catalog.require_supported(row)
    if row.warning:
        warnings.warn(f"{row.name}: {row.warning}", stacklevel=2)
    return _of_row(row, options)


def resolve_text_tower(source: str | Path, options: DownloadOptions | None = None) -> Path:
    """Return the folder of a text tower: model.safetensors, config.json, tokenizer files, names as published.

    A folder of the store holds the text tensors only (`text_model.*`, `text_projection.*`); one given by
    path may hold more.

    Args:
        source: the name of its space, e.g. "siglip2-so400m-patch16-naflex", or a local folder.

    Raises:
        See `resolve_radio`.
    """
    path = _path(source)
    if path is not None:
        from radseg.weights.text_folder import tower_from  # noqa: PLC0415

        return tower_from(path)
    row = _row(source, "text")
    if not stored(row):
        _reduced(row, options or DownloadOptions())
    return model_folder(row.name)


def resolve_sam_decoder(source: str | Path = "sam-vit-h", options: DownloadOptions | None = None) -> Path:
    """Return SAM's prompt encoder, mask decoder and neck as safetensors (names of `convert.sam`).

    Args:
        source: "sam-vit-h", the original `.pth`, or the transformers library's `model.safetensors`. A file
            that has the original's name and another content is used with a warning.

    Raises:
        See `resolve_radio`.
    """
    path = _path(source)
    if path is not None:
        return _decoder_from(path)
    row = _row(source, "sam_decoder")
    target = model_folder(row.name) / row.files[0]
    return target if target.is_file() else _reduced(row, options or DownloadOptions())


def resolve_image_tower(
    name: str, source: str | Path | None = None, options: DownloadOptions | None = None
) -> Path:
    """Return the image tower `name` in our form, converting it (once) and fetching it (once) if need be.

    Args:
        name: a catalogue row of kind "vision".
        source: the Hugging Face folder with its weights, or a file already in our form; by default the cache.

    Raises:
        See `resolve_radio`.
    """
    row = _row(name, "vision")
    if source is None:
        return _of_row(row, options or DownloadOptions())
    path = Path(source).expanduser()
    if path.suffix == ".safetensors" and path.is_file():
        return path
    files = (_described(path, row), *weights_in(path))
    return converted(row.name, files, lambda: _image_tower(files, row))


def resolve_sam(name: str, source: str | Path | None = None, options: DownloadOptions | None = None) -> Path:
    """Return the folder of a whole SAM or SAM 2.1: its weights and config.json, as published.

    Args:
        name: a catalogue row of kind "sam".
        source: the folder, where it is not in the cache.

    Raises:
        See `resolve_radio`.
    """
    row = _row(name, "sam")
    if source is not None:
        weights_in(Path(source).expanduser())
        return _described(Path(source).expanduser(), row).parent
    options = options or DownloadOptions()
    files = _published(row, options)
    if len({file.parent for file in files}) > 1:  # one in the hub client's cache, another placed by hand
        from radseg.weights.published import Published  # noqa: PLC0415

        published = Published.of(row, options)
        for file in files:
            published.copy(file.name)
        return model_folder(row.name)
    return files[0].parent


def resolve_text_map(source: str | Path, options: DownloadOptions | None = None) -> Path:
    """Return the file of a trained map from one text space into another, as published.

    Args:
        source: a catalogue row of kind "text_map", or the file.

    Raises:
        See `resolve_radio`.
    """
    path = _path(source)
    if path is not None:
        return path
    row, options = _row(source, "text_map"), options or DownloadOptions()
    return _text_map(row, options) or _reduced(row, options)


def weights_in(folder: Path) -> tuple[Path, ...]:
    """Return the file of a published folder that holds the weights, or all its shards.

    Raises:
        MissingFileError: there is none, or a shard is missing.
        CheckpointError: an index of shards is none.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return (folder / name,)
        index = index_of(name)
        if index and (folder / index).is_file():
            shards = shards_of(bytes_of(folder / index), index, lambda _: True)
            missing = [shard for shard in shards if not (folder / shard).is_file()]
            if missing:
                raise MissingFileError(f"{folder} has no {missing[0]}, which {index} names.")
            return tuple(folder / shard for shard in shards)
    raise MissingFileError(f"{folder} has neither {' nor '.join(WEIGHT_FILES)}.")


def _path(source: str | Path) -> Path | None:
    """Return the path that `source` is, None if it is a name; raise if it is written as a path to nothing."""
    path = Path(source).expanduser()
    if path.is_file() or path.is_dir():
        return path
    if path.exists():
        raise InputError(f"{path} is neither a file nor a folder, so it holds no weights.")
    if isinstance(source, Path) or len(path.parts) > 1 or path.suffix in _PATHS:
        raise MissingFileError(f"There is no {path}.")
    return None


def _row(name: str | Path, kind: catalog.Kind) -> catalog.Row:
    row = catalog.row(str(name))
    if row.kind != kind:
        names = ", ".join(r.name for r in catalog.ROWS if r.kind == kind)
        raise InputError(
            f"{row.name} is no {catalog.KINDS[kind]} but a {catalog.KINDS[row.kind]}; choose from {names}."
        )
    return row


def _described(folder: Path, row: catalog.Row) -> Path:
    if not (folder / "config.json").is_file():
        raise MissingFileError(f"There is no {folder / 'config.json'}; the folder of {row.name} holds it.")
    return folder / "config.json"


def _of_row(row: catalog.Row, options: DownloadOptions) -> Path:
    """Return a row's converted form; its published files are fetched only if they were never converted."""
    from radseg.weights.plan import announce  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published.of(row, options)
    made = made_before(row, options) or converted_from_here(published, options)
    if made is None:
        announce([row], options)
        return convert_row(published, options, lambda files: _convert(row, files, options))
    settle(published, options)
    return made


def _convert(row: catalog.Row, files: Sequence[Path], options: DownloadOptions) -> Converted:
    if row.kind == "vision":
        return _image_tower(files, row)
    return _radio(files[0], row.name, options)


def _published(row: catalog.Row, options: DownloadOptions) -> tuple[Path, ...]:
    """Return a row's published files on this machine: the weights, or their shards, and what lies beside."""
    from radseg.weights.plan import announce  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published.of(row, options)
    files = (*published.weights_here(), *(published.local(name) for name in row.beside))
    known = {file.name for file in files if file is not None} <= read_records(row.name).keys()
    if not published.weights_here() or None in files or not known:
        announce([row], options)
        with published.lock():
            beside = [published.file(name) for name in row.beside]  # small: what is wrong is known at once
            return (*published.weights(), *beside)
    return tuple(path for path in files if path is not None)


def _text_map(row: catalog.Row, options: DownloadOptions) -> Path | None:
    """Return a map that is published by itself, or was taken out of a whole model before; None to take it."""
    from radseg.weights.plan import announce  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published.of(row, options)
    here = published.weights_here()
    if here and (here[0].name == row.file or here[0].parent == published.folder):
        return _published(row, options)[0]
    if not here:
        announce([row], options)
        with published.lock():
            if published.parts() is None:
                return published.weights()[0]
    return None


def _reduced(row: catalog.Row, options: DownloadOptions) -> Path:
    """Return the file with what is kept of a row's weights, fetched or made if need be."""
    from radseg.weights.plan import announce  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client
    from radseg.weights.reduced import reduced_name  # noqa: PLC0415
    from radseg.weights.text_folder import describe, lay_beside  # noqa: PLC0415

    published = Published.of(row, options)
    target = published.folder / reduced_name(row)
    announce([row], options)
    with published.lock():
        lay_beside(published)
        if not target.is_file():
            _make_reduced(published, target)
        describe(row, target)
        settle(published, options)
    return target


def _make_reduced(published: "Published", target: Path) -> None:
    from radseg.weights.reduced import REDUCTIONS, reduced_tensors  # noqa: PLC0415
    from radseg.weights.tensors import save_tensors  # noqa: PLC0415

    made_of = None if published.weights_here() else published.parts()
    if made_of is not None:
        published.fetch_parts(target, made_of)
        return
    row, files = published.row, published.weights()
    save_tensors(target, reduced_tensors(row, files), REDUCTIONS[row.kind].metadata, source=files[0].name)
    published.record_made(target, f"{files[0].name} of {row.page}")


def _radio(path: Path, version: str, options: DownloadOptions) -> Converted:
    from radseg.weights.convert.radio import convert_checkpoint, convert_folder  # noqa: PLC0415

    convert = convert_folder if path.is_dir() else convert_checkpoint
    model = convert(path, version=version, drop=options.drop)
    if model.note:
        options.reporter.announce(model.note)
    return model.config, model.tensors


def _radio_from(path: Path, options: DownloadOptions) -> Path:
    from radseg.weights.tensors import read_safetensors  # noqa: PLC0415

    if path.is_dir():
        files = (path / "config.json", path / "model.safetensors")
        return converted("", files, lambda: _radio(path, "", options), options.drop)
    if path.suffix == ".safetensors":
        if read_safetensors(path).metadata.get("format") == RADIO_FORMAT:
            return path
        if path.name == "model.safetensors":
            return _radio_from(path.parent, options)
        raise CheckpointError(f"{path.name} is not in radseg's form; pass the folder with its config.json.")
    known = catalog.row_of_file(path.name)
    version = known.name if known else "unknown"
    return converted(version, (path,), lambda: _radio(path, version, options), options.drop)


def _image_tower(files: Sequence[Path], row: catalog.Row) -> Converted:
    from radseg.weights.convert.image_towers import convert_tower  # noqa: PLC0415
    from radseg.weights.load import read_description  # noqa: PLC0415
    from radseg.weights.tensors import published_tensors  # noqa: PLC0415

    description, *weights = files
    label = f"{weights[0].parent.name}/{weights[0].name}"
    return convert_tower(published_tensors(*weights), read_description(description), row, label)


def _decoder_from(path: Path) -> Path:
    from radseg.weights.convert import sam  # noqa: PLC0415
    from radseg.weights.tensors import published_tensors, read_safetensors, save_tensors  # noqa: PLC0415

    is_library = path.suffix == ".safetensors"
    if is_library and read_safetensors(path).metadata.get("format") == SAM_FORMAT:
        return path
    digest = remembered_sha256(path)
    if path.name == catalog.SAM_PTH[0] and digest != catalog.SAM_PTH[1]:
        warnings.warn(
            f"{path.name} is not the published file: its sha256 is {digest}, {catalog.SAM_PTH[1]} is "
            "expected. Its parts are used as they are; rename it if that is meant, else fetch it again.",
            stacklevel=3,
        )
    target = converted_folder() / f"{digest[:24]}-sam-v{CONVERTER}.safetensors"
    if not target.is_file():
        convert = sam.convert_library if is_library else sam.convert_pth
        tensors = convert(published_tensors(path), path.name)
        save_tensors(target, tensors, {"format": SAM_FORMAT}, source=path.name)
    return target
