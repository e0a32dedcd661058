"""Files in our form made from published ones: once per content, found again, the original let go."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from radseg.errors import CheckpointError, MissingFileError
from radseg.weights import catalog, home
from radseg.weights.config import RADIO_FORMAT, RadioConfig
from radseg.weights.home import FileRecord, converted_folder, read_records, remembered_sha256
from radseg.weights.installed import CONVERTED, stored
from radseg.weights.options import DownloadOptions
from radseg.weights.vit_config import VIT_FORMAT, VitConfig

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.weights.published import Published

CONVERTER = 1  # raise when the converted form of the same file changes
CONVERTED_KINDS: tuple[catalog.Kind, ...] = ("radio", "vision")
"""What is made into our form; all other kinds are loaded as they were published, whole or in part."""
Converted = tuple[RadioConfig | VitConfig, "dict[str, Tensor]"]
"""What a converter returns: the configuration, and the tensors under our names."""


def made_before(row: catalog.Row, options: DownloadOptions) -> Path | None:
    """Return what an earlier command made of a row's published files, where these are needed no more.

    With `keep_original` the published files are needed, too, so nothing is returned.
    """
    if options.keep_original or stored(row):
        return None
    records = read_records(row.name)
    names = (*row.beside, *_weights_recorded(row, records))
    if len(names) == len(row.beside) or not all(name in records for name in names):
        return None
    target = target_of(row.name, [records[name].sha256 for name in names], _drop(row, options))
    return target if target.is_file() else None


def convert_row(
    published: "Published", options: DownloadOptions, convert: Callable[[tuple[Path, ...]], Converted]
) -> Path:
    """Return a row's converted form, made from its published files, fetched if they were never converted.

    Args:
        convert: takes the files beside the weights and then the weights.
    """
    row = published.row
    with published.lock():
        made = made_before(row, options)  # by another process, meanwhile
        if made is None:
            beside = [published.file(name) for name in row.beside]  # small: what is wrong is known at once
            files = (*beside, *published.weights())
            made = converted(row.name, files, lambda: convert(files), _drop(row, options))
            if made.name not in read_records(row.name):
                size, digest = made.stat().st_size, home.sha256_of(made)
                home.write_record(row.name, FileRecord(made.name, digest, size, CONVERTED, "none"))
        settle(published, options)
    return made


def converted_from_here(published: "Published", options: DownloadOptions) -> Path | None:
    """Return the converted form of the files that lie here and are known, if made before; writes nothing."""
    row = published.row
    files = [published.local(name) for name in row.beside]
    weights = published.weights_here()
    known = {*row.beside, *(path.name for path in weights)} <= read_records(row.name).keys()
    if not weights or None in files or not known:
        return None
    digests = [remembered_sha256(path) for path in (*files, *weights) if path is not None]
    target = target_of(row.name, digests, _drop(row, options))
    return target if target.is_file() else None


def settle(published: "Published", options: DownloadOptions) -> None:
    """Note that a row is made; let go of what was fetched for it, once no other row of the command needs it.

    What was made of it is on the disk by then, name and content (`home.replacing`).
    """
    published.made = True
    row = published.row
    family = [
        other
        for other in (published, *options.rows.values())
        if other.row.repository == row.repository and {*other.row.candidates} & {*row.candidates}
    ]
    if not options.keep_original and all(other.made for other in family):
        for other in family:
            other.discard_fetched()


def target_of(label: str, digests: Sequence[str], drop: tuple[str, ...]) -> Path:
    """Return where the converted form of files with these digests lies."""
    key = hashlib.sha256("".join([*digests, *drop]).encode()).hexdigest()[:24]
    name = re.sub(r"[^\w.-]", "_", label or "model")
    return converted_folder() / f"{name}-{key}-v{CONVERTER}.safetensors"


def converted(
    label: str, files: Sequence[Path], convert: Callable[[], Converted], drop: tuple[str, ...] = ()
) -> Path:
    """Return the converted form of these files (weights last), from the cache if it was made before."""
    from radseg.weights.tensors import save_tensors  # noqa: PLC0415

    for file in files:
        if not file.is_file():
            raise MissingFileError(f"{file.parent} has no {file.name}; the published folder holds it.")
        if file.stat().st_size == 0:
            raise CheckpointError(f"{file.name} is empty (0 bytes). Fetch it again.")
    digests = [remembered_sha256(file) for file in files]
    target = target_of(label, digests, drop)
    if not target.is_file():
        config, tensors = convert()
        weights = [file for file in files if file.name != "config.json"]
        config = replace(config, source_sha256=home.identity_of(weights))
        kind = VIT_FORMAT if isinstance(config, VitConfig) else RADIO_FORMAT
        source = "/".join(weights[0].parts[-2:])
        save_tensors(target, tensors, {"format": kind, "config": config.to_json()}, source=source)
    return target


def _drop(row: catalog.Row, options: DownloadOptions) -> tuple[str, ...]:
    return options.drop if row.kind == "radio" else ()


def _weights_recorded(row: catalog.Row, records: dict[str, FileRecord]) -> list[str]:
    """Return the names of a row's weights among its notes: one file, or all shards of one."""
    for name in row.candidates:
        if name in records:
            return [name]
        stem, ending = Path(name).stem, Path(name).suffix
        shards = sorted(n for n in records if re.fullmatch(rf"{re.escape(stem)}-\d+-of-\d+{ending}", n))
        if shards:
            return shards
    return []
