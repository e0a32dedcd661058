"""From a name or a path to a local file, ready to load. A published file is fetched and converted once.

This is the module the rest of the package calls; torch and the hub client load on first use.
"""

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import CheckpointError, InputError, MissingFileError
from radseg.weights import catalog, home
from radseg.weights.config import RADIO_FORMAT, SAM_FORMAT, RadioConfig
from radseg.weights.home import FileRecord, converted_folder, model_folder, read_records, remembered_sha256
from radseg.weights.installed import CONVERTED, stored
from radseg.weights.options import DownloadOptions
from radseg.weights.vit_config import VIT_FORMAT, VitConfig

if TYPE_CHECKING:
    from torch import Tensor

CONVERTER = 1  # raise when the converted form of the same file changes
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
"""What a folder of one's own may hold; the first found is used. The second is read restrictedly."""
_PATHS = {".tar", ".pth", ".pt", ".bin", ".safetensors"}
_DEFAULT = DownloadOptions()


def resolve_radio(source: str | Path, options: DownloadOptions = _DEFAULT) -> Path:
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
    path = _path(source)
    if path is not None:
        return _radio_from(path, options)
    row = _row(source, "radio")
    if not row.supported:
        raise InputError(f"{row.name} cannot be used: {row.warning}")
    if row.warning:
        warnings.warn(f"{row.name}: {row.warning}", stacklevel=2)
    return _of_row(row, options, lambda files: _radio(files[0], row.name, options), options.drop)


def resolve_text_tower(source: str | Path, options: DownloadOptions = _DEFAULT) -> Path:
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
        for file in ("model.safetensors", "config.json"):
            if not (path / file).is_file():
                raise MissingFileError(f"{path} has no {file}; a text tower's folder holds it.")
        return path
    row = _row(source, "text")
    if not stored(row):
        _make_tower(row, options)
    return model_folder(row.name)


def resolve_sam_decoder(source: str | Path = "sam-vit-h", options: DownloadOptions = _DEFAULT) -> Path:
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
    if target.is_file():
        return target
    from radseg.weights.convert import sam  # noqa: PLC0415
    from radseg.weights.parts import Part  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client
    from radseg.weights.tensors import read_safetensors, save_tensors  # noqa: PLC0415

    published = Published(row, options)
    with published.lock():
        if target.is_file():  # another process has fetched it meanwhile
            return target
        metadata = {"format": SAM_FORMAT}
        if (here := published.local(row.file)) is not None:
            save_tensors(target, sam.convert_library(read_safetensors(here).tensors, here.name), metadata)
            published.record_made(target)
        else:
            whole = published.header()
            names = sam.library_names(whole.tensors)
            sam.require_complete(names, row.file)
            wanted = Part(whole.source, {ours: whole.tensors[key] for key, ours in names.items()})
            published.fetch_parts(target, [wanted], metadata)
    return target


def resolve_image_tower(
    name: str, source: str | Path | None = None, options: DownloadOptions = _DEFAULT
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
        return _of_row(row, options, lambda files: _image_tower(files, row))
    path = Path(source).expanduser()
    if path.suffix == ".safetensors" and path.is_file():
        return path
    files = (_described(path, row), weights_in(path))
    return _converted(row.name, files, lambda: _image_tower(files, row))


def resolve_sam(name: str, source: str | Path | None = None, options: DownloadOptions = _DEFAULT) -> Path:
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
    files = _published(row, options)
    if len({file.parent for file in files}) > 1:  # one in the hub client's cache, another placed by hand
        from radseg.weights.published import Published  # noqa: PLC0415

        for file in row.files:
            Published(row, options).copy(file)
        return model_folder(row.name)
    return files[0].parent


def resolve_text_map(source: str | Path, options: DownloadOptions = _DEFAULT) -> Path:
    """Return the file of a trained map from one text space into another, as published.

    Args:
        source: a catalogue row of kind "text_map", or the file.

    Raises:
        See `resolve_radio`.
    """
    path = _path(source)
    return path if path is not None else _published(_row(source, "text_map"), options)[0]


def weights_in(folder: Path) -> Path:
    """Return the file of a published folder that holds the weights.

    Raises:
        MissingFileError: there is none.
    """
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return folder / name
    raise MissingFileError(f"{folder} has neither {' nor '.join(WEIGHT_FILES)}.")


def _path(source: str | Path) -> Path | None:
    """Return the path that `source` is, None if it is a name; raise if it is written as a path to nothing."""
    path = Path(source).expanduser()
    if path.exists():
        return path
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


def _published(row: catalog.Row, options: DownloadOptions) -> tuple[Path, ...]:
    """Return a row's published files on this machine, in the order of `row.files`."""
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client

    published = Published(row, options)
    here = [published.local(name) for name in row.files]
    if None in here or not set(row.files) <= read_records(row.name).keys():
        with published.lock():
            beside = [
                published.file(name) for name in row.beside
            ]  # small: what is refused is refused at once
            return (published.file(row.file), *beside)
    return tuple(path for path in here if path is not None)


def _make_tower(row: catalog.Row, options: DownloadOptions) -> None:
    from radseg.errors import WeightsUnavailableError  # noqa: PLC0415
    from radseg.weights.convert.towers import is_text, require_tower  # noqa: PLC0415
    from radseg.weights.published import Published  # noqa: PLC0415 - loads the hub client
    from radseg.weights.tensors import read_safetensors, save_tensors  # noqa: PLC0415

    published = Published(row, options)
    target = published.folder / row.file
    with published.lock():
        for file in row.beside:
            published.copy(file)
        for file in row.optional:
            published.copy_optional(file)
        if not any((published.folder / file).is_file() for file in row.one_of):
            raise WeightsUnavailableError(f"{row.repository} has no tokenizer ({', '.join(row.one_of)}).")
        here = [] if target.is_file() else published.weights()
        if here:
            found = {k: t for path in here for k, t in read_safetensors(path).tensors.items() if is_text(k)}
            require_tower(found, row.repository)
            save_tensors(target, found, {"format": "pt"})
            published.record_made(target)
        elif not target.is_file():
            parts = published.text_parts()
            require_tower({k for part in parts for k in part.tensors}, row.repository)
            published.fetch_parts(target, parts, {"format": "pt"})


_Converted = tuple[RadioConfig | VitConfig, "dict[str, Tensor]"]


def _radio(path: Path, version: str, options: DownloadOptions) -> _Converted:
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
        return _converted("", files, lambda: _radio(path, "", options), options.drop)
    if path.suffix == ".safetensors":
        if read_safetensors(path).metadata.get("format") == RADIO_FORMAT:
            return path
        if path.name == "model.safetensors":
            return _radio_from(path.parent, options)
        raise CheckpointError(f"{path.name} is not in radseg's form; pass the folder with its config.json.")
    known = catalog.row_of_file(path.name)
    version = known.name if known else "unknown"
    return _converted(version, (path,), lambda: _radio(path, version, options), options.drop)


def _image_tower(files: Sequence[Path], row: catalog.Row) -> _Converted:
    from radseg.weights.convert.image_towers import convert_tower  # noqa: PLC0415
    from radseg.weights.load import read_description  # noqa: PLC0415
    from radseg.weights.tensors import published_tensors  # noqa: PLC0415

    description, weights = files
    label = f"{weights.parent.name}/{weights.name}"
    return convert_tower(published_tensors(weights), read_description(description), row, label)


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
        save_tensors(target, convert(published_tensors(path), path.name), {"format": SAM_FORMAT})
    return target


def _of_row(
    row: catalog.Row,
    options: DownloadOptions,
    convert: Callable[[tuple[Path, ...]], _Converted],
    drop: tuple[str, ...] = (),
) -> Path:
    """Return a row's converted form; its published files are fetched only if they were never converted."""
    order = (*row.beside, row.file)
    records = read_records(row.name)
    if not stored(row) and all(name in records for name in order):
        target = _target(row.name, [records[name].sha256 for name in order], drop)
        if target.is_file():
            return target
    weights, *beside = _published(row, options)
    files = (*beside, weights)
    target = _converted(row.name, files, lambda: convert(files), drop)
    if target.name not in records:
        size, digest = target.stat().st_size, home.sha256_of(target)
        home.write_record(row.name, FileRecord(target.name, digest, size, CONVERTED, "none"))
    return target


def _target(label: str, digests: Sequence[str], drop: tuple[str, ...]) -> Path:
    key = hashlib.sha256("".join([*digests, *drop]).encode()).hexdigest()[:24]
    name = re.sub(r"[^\w.-]", "_", label or "model")
    return converted_folder() / f"{name}-{key}-v{CONVERTER}.safetensors"


def _converted(
    label: str, files: Sequence[Path], convert: Callable[[], _Converted], drop: tuple[str, ...] = ()
) -> Path:
    """Return the converted form of these files (weights last), from the cache if it was made before."""
    from radseg.weights.tensors import save_tensors  # noqa: PLC0415

    for file in files:
        if not file.is_file():
            raise MissingFileError(f"{file.parent} has no {file.name}; the published folder holds it.")
        if file.stat().st_size == 0:
            raise CheckpointError(f"{file.name} is empty (0 bytes). Fetch it again.")
    digests = [remembered_sha256(file) for file in files]
    target = _target(label, digests, drop)
    if not target.is_file():
        config, tensors = convert()
        config = replace(config, source_sha256=digests[-1])
        kind = VIT_FORMAT if isinstance(config, VitConfig) else RADIO_FORMAT
        save_tensors(target, tensors, {"format": kind, "config": config.to_json()})
    return target
