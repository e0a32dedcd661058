"""Getting a catalogue row onto this machine: from its folder, the hub client's cache, or the hub."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radseg.errors import CheckpointError, WeightsUnavailableError
from radseg.weights import hub
from radseg.weights.cache import (
    FileRecord,
    model_folder,
    read_records,
    sha256_of,
    write_record,
    write_whole,
)
from radseg.weights.catalog import SAM_PTH, Row
from radseg.weights.config import SAM_FORMAT
from radseg.weights.convert import sam, towers
from radseg.weights.fetch import download
from radseg.weights.parts import Chosen, write_parts
from radseg.weights.repository import Repository
from radseg.weights.safefile import MAX_HEADER, Progress

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
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
"""Files of which a tower needs one to turn words into tokens."""


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
    repository = Repository(row.repository, row.revision, (row.file, towers.INDEX))
    try:
        if not (folder / "config.json").is_file():
            repository.source("config.json")  # there and within reach: time to state the licence
        terms.announce(_license_line(row))
        for file in BESIDE_TOWER:
            _fetch_beside(row, repository, file)
        _require_vocabulary(folder)
        if not target.is_file():
            _write_part(row, target, _tower_parts(row, repository), terms, {"format": "pt"})
    except WeightsUnavailableError as error:
        raise _with_advice(row, target, error) from error
    return folder


def vision_files(row: Row, terms: Terms) -> tuple[Path, Path]:
    """Return the config.json and the published file of an image tower or a whole SAM, fetched if need be.

    Raises:
        WeightsUnavailableError: see `published_file`.
    """
    folder = model_folder(row.name)
    repository = Repository(row.repository, row.revision, (row.file,))
    try:
        if not (folder / "config.json").is_file():
            _require_acceptance(row, terms)
            _fetch_beside(row, repository, "config.json")
    except WeightsUnavailableError as error:
        raise _with_advice(row, folder / row.file, error) from error
    return folder / "config.json", published_file(row, terms)


def sam_file(row: Row, terms: Terms) -> Path:
    """Return the converted parts of SAM ViT-H, fetching only their bytes if need be."""
    target = model_folder(row.name) / "sam.safetensors"
    if not target.is_file():
        _require_acceptance(row, terms)
        try:
            source = Repository(row.repository, row.revision, (row.file,)).source(row.file)
            terms.announce(_license_line(row))
            chosen = [Chosen(source, sam.convert_safetensors(source))]
            _write_part(row, target, chosen, terms, {"format": SAM_FORMAT})
        except WeightsUnavailableError as error:
            raise _with_advice(row, target, error) from error
    return target


def _tower_parts(row: Row, repository: Repository) -> list[Chosen]:
    """Return the text tensors, from one file or from the shards its index names."""
    chosen = None if repository.cached(row.file) is not None else _from_shards(repository)
    if chosen is None:
        source = repository.source(row.file)
        chosen = [Chosen(source, towers.select(source, towers.is_text))]
    towers.require_tower({k: t for c in chosen for k, t in c.tensors.items()}, row.repository)
    return chosen


def _from_shards(repository: Repository) -> list[Chosen] | None:
    try:
        index = repository.source(towers.INDEX)
    except hub.NotPublishedError:
        return None
    if index.size > MAX_HEADER:
        raise CheckpointError(f"{towers.INDEX} has {index.size} bytes; more than {MAX_HEADER} is not read.")
    shards = towers.shards_of(bytes(index.read(0, index.size)), towers.INDEX)
    return [_from_shard(repository, shard, shards) for shard in sorted(set(shards.values()))]


def _from_shard(repository: Repository, shard: str, shards: dict[str, str]) -> Chosen:
    source = repository.source(shard)
    return Chosen(source, towers.select(source, lambda key: shards.get(key) == shard))


def _fetch_beside(row: Row, repository: Repository, file: str) -> None:
    target = model_folder(row.name) / file
    if target.is_file():
        return
    found = repository.cached(file)
    try:
        if found is not None:
            write_whole(target, found.read_bytes())
            digest, origin, verified = sha256_of(target), "hub cache", "none"
        else:
            remote = repository.locate(file)
            digest, origin = download(remote, target), f"{remote.url}@{remote.revision}"
            verified = "hub" if remote.sha256 or remote.git_sha1 else "none"
    except hub.NotPublishedError:
        if file == "config.json":
            raise
        return
    write_record(row.name, FileRecord(file, digest, target.stat().st_size, origin, verified))


def _require_vocabulary(folder: Path) -> None:
    # offline, a file that is not in the cache counts as not published; a tower made so would never be mended
    if hub.is_offline() and not any((folder / file).is_file() for file in VOCABULARIES):
        raise WeightsUnavailableError(
            f"HF_HUB_OFFLINE is set and the hub cache has no tokenizer ({', '.join(VOCABULARIES)})."
        )


def _write_part(row: Row, target: Path, chosen: list[Chosen], terms: Terms, metadata: dict[str, str]) -> None:
    write_parts(target, chosen, metadata, progress=terms.progress)
    revisions = {c.source.remote.revision for c in chosen if isinstance(c.source, hub.HttpSource)}
    origin = f"{row.page}@{', '.join(sorted(revisions)) or 'hub cache'}, by byte range"
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
            f"accept, run `radseg models pull {row.name} --accept-license` (accept_license=True)."
        )


def _license_line(row: Row) -> str:
    return f"{row.name} from {row.page}: {row.license.title}, {row.license.url}"


def _with_advice(row: Row, target: Path, error: WeightsUnavailableError) -> WeightsUnavailableError:
    what = f"Fetch {row.file} from {row.page} and put it at {target}"
    if row.kind == "text":
        what = f"Put {row.file}, config.json and the tokenizer files from {row.page} into {target.parent}"
    if row.kind in ("vision", "segmenter"):
        what = f"Put {row.file} and config.json from {row.page} into {target.parent}"
    if row.kind == "sam":
        what = f"Fetch {row.file} from {row.page}, or {SAM_PTH[0]}"
    return WeightsUnavailableError(
        f"{row.name} is not on this machine: {error} {what}, or pass a local path."
    )
