"""Getting a catalogue row onto this machine: from its folder, the hub client's cache, or the hub."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radseg.errors import WeightsUnavailableError
from radseg.weights import hub
from radseg.weights.cache import FileRecord, model_folder, read_records, sha256_of, write_record
from radseg.weights.catalog import SAM_PTH, Row
from radseg.weights.convert import sam, towers
from radseg.weights.fetch import download
from radseg.weights.lazy import LazyTensor
from radseg.weights.ranges import FileSource, RangeSource
from radseg.weights.safefile import Progress, write_safetensors

Announce = Callable[[str], None]
BESIDE_TOWER = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.json",
    "merges.txt",
)
"""Small files that belong to a text tower; all but the first may be absent."""


@dataclass(frozen=True)
class Terms:
    """How a download is to be carried out.

    Attributes:
        accept_license: the caller has accepted the licence where that is needed.
        progress: called with bytes done and in total.
        announce: called with lines a person should read: licence, warnings.
    """

    accept_license: bool = False
    progress: Progress | None = None
    announce: Announce = logging.getLogger("radseg").warning


def published_file(row: Row, terms: Terms) -> Path:
    """Return a row's published file on this machine, fetching it if need be.

    Raises:
        WeightsUnavailableError: not here, and offline, refused, or not to be had; says what to put where.
    """
    target = model_folder(row.name) / row.file
    if target.is_file():
        _note_by_hand(row, target)
        return target
    found = hub.cached(row.repository, row.file, row.revision)
    if found is not None:
        return found
    _require_acceptance(row, terms)
    try:
        remote = hub.locate(row.repository, row.file, row.revision)
        terms.announce(_license_line(row))
        digest = download(remote, target, sha256=row.sha256, progress=terms.progress)
    except WeightsUnavailableError as error:
        raise _with_advice(row, target, error) from error
    verified = "pinned" if row.sha256 else "hub" if remote.sha256 else "none"
    origin = f"{remote.url}@{remote.revision}"
    write_record(row.name, FileRecord(row.file, digest, target.stat().st_size, origin, verified))
    return target


def tower_folder(row: Row, terms: Terms) -> Path:
    """Return the folder of a text tower: its tensors only, with config and tokenizer as published.

    Raises:
        WeightsUnavailableError: see `published_file`.
    """
    folder = model_folder(row.name)
    target = folder / "model.safetensors"
    if target.is_file() and (folder / "config.json").is_file():
        return folder
    _require_acceptance(row, terms)
    try:
        for file in BESIDE_TOWER:
            _fetch_beside(row, file, terms)
        if not target.is_file():
            _write_part(row, target, _tower_tensors(row), terms)
    except WeightsUnavailableError as error:
        raise _with_advice(row, target, error) from error
    return folder


def sam_file(row: Row, terms: Terms) -> Path:
    """Return the converted parts of SAM ViT-H, fetching only their bytes if need be."""
    target = model_folder(row.name) / "sam.safetensors"
    if not target.is_file():
        _require_acceptance(row, terms)
        try:
            tensors = sam.convert_safetensors(_source(row, row.file))
            _write_part(row, target, tensors, terms, {"format": sam.FORMAT})
        except WeightsUnavailableError as error:
            raise _with_advice(row, target, error) from error
    return target


def _tower_tensors(row: Row) -> dict[str, LazyTensor]:
    """Return the text tensors, from one file or from the shards its index names."""
    try:
        index = _source(row, towers.INDEX)
    except hub.NotPublishedError:
        chosen = towers.select(_source(row, row.file), towers.is_text)
    else:
        shards = towers.shards_of(bytes(index.read(0, index.size)), towers.INDEX)
        chosen = {}
        for shard in sorted(set(shards.values())):
            chosen |= towers.select(_source(row, shard), lambda k: k in shards)
    towers.require_tower(chosen, row.repository)
    return chosen


def _source(row: Row, file: str) -> RangeSource:
    found = hub.cached(row.repository, file, row.revision)
    if found is not None:
        return FileSource(found)
    return hub.HttpSource(hub.locate(row.repository, file, row.revision), file)


def _fetch_beside(row: Row, file: str, terms: Terms) -> None:
    target = model_folder(row.name) / file
    if target.is_file():
        return
    found = hub.cached(row.repository, file, row.revision)
    try:
        if found is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(found.read_bytes())
            digest, origin, verified = sha256_of(target), "hub cache", "none"
        else:
            remote = hub.locate(row.repository, file, row.revision)
            digest, origin = download(remote, target), f"{remote.url}@{remote.revision}"
            verified = "hub" if remote.sha256 or remote.git_sha1 else "none"
    except hub.NotPublishedError:
        if file == "config.json":
            raise
        return
    write_record(row.name, FileRecord(file, digest, target.stat().st_size, origin, verified))


def _write_part(
    row: Row,
    target: Path,
    tensors: dict[str, LazyTensor],
    terms: Terms,
    metadata: dict[str, str] | None = None,
) -> None:
    terms.announce(_license_line(row))
    write_safetensors(target, tensors, metadata or {"format": "pt"}, progress=terms.progress)
    origin = f"{row.page}@{row.revision}, by byte range"
    digest = sha256_of(target)
    write_record(row.name, FileRecord(target.name, digest, target.stat().st_size, origin, "none"))


def _note_by_hand(row: Row, target: Path) -> None:
    if row.file in read_records(row.name):
        return
    digest = sha256_of(target)
    if row.sha256 not in (None, digest):
        raise WeightsUnavailableError(f"{target} has sha256 {digest}; {row.sha256} is expected. Replace it.")
    verified = "pinned" if row.sha256 else "none"
    record = FileRecord(row.file, digest, target.stat().st_size, "placed by hand", verified)
    write_record(row.name, record)


def _require_acceptance(row: Row, terms: Terms) -> None:
    if row.license.requires_acceptance and not terms.accept_license:
        raise WeightsUnavailableError(
            f"{row.name} is under the {row.license.title}: {row.license.url}. Nothing was fetched. To "
            "accept, run "
            f"`radseg models pull {row.name} --accept-license` (accept_license=True)."
        )


def _license_line(row: Row) -> str:
    return f"{row.name} from {row.page}: {row.license.title}, {row.license.url}"


def _with_advice(row: Row, target: Path, error: WeightsUnavailableError) -> WeightsUnavailableError:
    what = f"Fetch {row.file} from {row.page} and put it at {target}"
    if row.kind == "text":
        what = f"Put {row.file}, config.json and the tokenizer files from {row.page} into {target.parent}"
    if row.kind == "sam":
        what = f"Fetch {row.file} from {row.page}, or {SAM_PTH[0]}"
    return WeightsUnavailableError(
        f"{row.name} is not on this machine: {error} {what}, or pass a local path."
    )
