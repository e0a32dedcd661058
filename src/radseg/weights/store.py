"""From a name or a path to weights in our form. A published file is converted once, then never read again.

This is the module the rest of the package calls; torch and the hub client load on first use.
"""

import hashlib
import re
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radseg.errors import CheckpointError, InputError, MissingFileError
from radseg.weights import cache, catalog
from radseg.weights.cache import sha256_of
from radseg.weights.config import RADIO_FORMAT, SAM_FORMAT, RadioConfig

if TYPE_CHECKING:
    from torch import Tensor

    from radseg.weights.convert.radio import Converted
    from radseg.weights.pull import Announce, Terms
    from radseg.weights.safefile import Progress

__all__ = [
    "Check",
    "Installed",
    "installed",
    "load_tensors",
    "read_config",
    "resolve",
    "resolve_sam",
    "resolve_tower",
    "sha256_of",
    "verify",
]

CONVERTER = 1  # raise when the converted form of the same file changes


def resolve(
    source: str | Path,
    *,
    accept_license: bool = False,
    progress: "Progress | None" = None,
    announce: "Announce | None" = None,
    drop: tuple[str, ...] = (),
) -> Path:
    """Return a RADIO model in our form, converting it (once) and fetching it (once) if need be.

    Args:
        source: a catalogue name ("c-radio_v3-b"), a published `.pth.tar`, a Hugging Face folder (or the
            `model.safetensors` in it), or a file already in our form.
        accept_license: the caller accepts a licence that restricts use.
        progress: called with bytes done and in total while fetching.
        announce: called with lines a person should read; the "radseg" logger by default.
        drop: prefixes of unknown tensors to leave out, when a file holds some this version cannot place; a
            whole adaptor is "adaptors.<teacher>.".

    Raises:
        MissingFileError: a path that does not exist.
        InputError: neither a path nor a catalogue name.
        WeightsUnavailableError: not on this machine and not to be had.
        UnsafeCheckpointError: a pickle that wants more than tensors and plain values.
        CheckpointError: anything else wrong with the file.
    """
    path = Path(source).expanduser()
    if path.exists():
        return _resolve_path(path, drop, version="")
    if (
        isinstance(source, Path)
        or len(path.parts) > 1
        or path.suffix in {".tar", ".pth", ".pt", ".safetensors"}
    ):
        raise MissingFileError(f"There is no {path}.")
    row = catalog.row(str(source))
    if row.kind != "radio":
        raise InputError(f"{row.name} is no RADIO model but a {row.kind} part.")
    if not row.supported:
        raise InputError(f"{row.name} cannot be used: {row.warning}")
    if row.warning:
        warnings.warn(f"{row.name}: {row.warning}", stacklevel=2)
    from radseg.weights import pull  # noqa: PLC0415 - loads the hub client

    published = pull.published_file(row, _terms(accept_license, progress, announce))
    return _resolve_path(published, drop, version=row.name)


def resolve_tower(
    source: str | Path,
    *,
    accept_license: bool = False,
    progress: "Progress | None" = None,
    announce: "Announce | None" = None,
) -> Path:
    """Return the folder of a text tower: model.safetensors, config.json, tokenizer files, names as published.

    A folder in the cache holds the text tensors only (`text_model.*`, `text_projection.*`); one given by
    path may hold more.

    Args:
        source: the name of its space, e.g. "siglip2-so400m-patch16-naflex", or a local folder.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        for file in ("model.safetensors", "config.json"):
            if not (path / file).is_file():
                raise MissingFileError(f"{path} has no {file}; a text tower's folder holds it.")
        return path
    row = _row_of_kind(source, "text")
    from radseg.weights import pull  # noqa: PLC0415 - loads the hub client

    return pull.tower_folder(row, _terms(accept_license, progress, announce))


def resolve_sam(
    source: str | Path = "sam-vit-h",
    *,
    progress: "Progress | None" = None,
    announce: "Announce | None" = None,
) -> Path:
    """Return SAM's prompt encoder, mask decoder and neck as safetensors (names of `convert.sam`).

    Args:
        source: "sam-vit-h", the original `.pth`, or the transformers library's `model.safetensors`. A file
            that has the original's name and another content is used with a warning.
    """
    from radseg.weights import pull  # noqa: PLC0415 - loads the hub client
    from radseg.weights.convert import sam  # noqa: PLC0415
    from radseg.weights.ranges import FileSource  # noqa: PLC0415
    from radseg.weights.safefile import read_safetensors, write_safetensors  # noqa: PLC0415

    path = Path(source).expanduser()
    if not path.is_file():
        return pull.sam_file(_row_of_kind(source, "sam"), _terms(False, progress, announce))
    is_safe = path.suffix == ".safetensors"
    if is_safe and read_safetensors(FileSource(path)).metadata.get("format") == SAM_FORMAT:
        return path
    digest = cache.remembered_sha256(path)
    if path.name == catalog.SAM_PTH[0] and digest != catalog.SAM_PTH[1]:
        warnings.warn(
            f"{path.name} is not the published file: its sha256 is {digest}, {catalog.SAM_PTH[1]} is "
            "expected. Its parts are used as they are; rename it if that is meant, else fetch it again.",
            stacklevel=2,
        )
    target = cache.converted_folder() / f"{digest[:24]}-sam-v{CONVERTER}.safetensors"
    if not target.is_file():
        convert = sam.convert_safetensors if is_safe else sam.convert_pth
        write_safetensors(target, convert(FileSource(path)), {"format": SAM_FORMAT})
    return target


def read_config(path: Path) -> RadioConfig:
    """Return the configuration inside a file in our form.

    Raises:
        CheckpointError: it is not one.
    """
    from radseg.weights.ranges import FileSource  # noqa: PLC0415
    from radseg.weights.safefile import read_safetensors  # noqa: PLC0415
    from radseg.weights.shapes import require_shapes  # noqa: PLC0415

    metadata, tensors = read_safetensors(FileSource(path))
    if metadata.get("format") != RADIO_FORMAT or "config" not in metadata:
        raise CheckpointError(
            f"{path.name} is not in radseg's form ({RADIO_FORMAT}) but "
            f"{metadata.get('format', 'without a format')!r:.60}. "
            "Pass the published file to `resolve`."
        )
    config = RadioConfig.from_json(metadata["config"])
    require_shapes(config, {k: t.shape for k, t in tensors.items()}, path.name)
    return config


def load_tensors(
    path: Path, *, adaptors: Sequence[str] | None = None, summary_only: Collection[str] = ()
) -> "tuple[RadioConfig, dict[str, Tensor]]":
    """Return the configuration, reduced to the wanted adaptors, and its tensors; other adaptors stay unread.

    Args:
        path: a file in our form (see `resolve`).
        adaptors: their names, () for the backbone alone, None for all.
        summary_only: names of adaptors whose feature head is left out too; segmentation by words needs the
            summary head alone.

    Raises:
        CheckpointError: the file is not in our form, or lacks an adaptor; a backbone-only file says where
        heads are.
    """
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415

    config = read_config(path)
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
    try:
        with safe_open(path, framework="pt") as file:
            wanted = [k for k in file.keys() if not k.startswith("adaptors.") or k.startswith(prefixes)]  # noqa: SIM118
            return config, {k: file.get_tensor(k) for k in wanted}
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}. Delete it; it is made again.") from error


class Installed(NamedTuple):
    """A catalogue row's files on this machine."""

    row: catalog.Row
    files: tuple[Path, ...]
    bytes: int


def installed() -> tuple[Installed, ...]:
    """Return the catalogue rows that are complete in the store. Looks nothing up elsewhere."""
    found = []
    for row in catalog.ROWS:
        folder = cache.model_folder(row.name)
        files = tuple(sorted(p for p in folder.glob("*") if p.is_file() and _counts(p)))
        if _main_files(row) <= {p.name for p in files}:
            found.append(Installed(row, files, sum(p.stat().st_size for p in files)))
    return tuple(found)


class Check(NamedTuple):
    """The outcome of verifying one file."""

    path: Path
    ok: bool
    found: str
    expected: str


def verify(name: str) -> tuple[Check, ...]:
    """Return, for each file of a catalogue row in the store, whether its content is what was recorded.

    Raises:
        InputError: no such row.
        MissingFileError: nothing of it is on this machine.
    """
    row = catalog.row(name)
    records = cache.read_records(row.name)
    if not records:
        raise MissingFileError(
            f"{row.name} is not in {cache.model_folder(row.name)}. `radseg models pull {row.name}`"
        )
    checks = []
    for record in records.values():
        path = cache.model_folder(row.name) / record.file
        expected = row.sha256 if row.sha256 and record.file == row.file else record.sha256
        found = sha256_of(path) if path.is_file() else "missing"
        checks.append(Check(path, found == expected, found, expected))
    return tuple(checks)


def _main_files(row: catalog.Row) -> set[str]:
    """Return the names without which a row's folder is only half fetched."""
    by_kind = {"text": {"model.safetensors", "config.json"}, "sam": {"sam.safetensors"}}
    if row.kind in ("vision", "segmenter"):
        return {row.file, "config.json"}
    return by_kind.get(row.kind, {row.file})


def _counts(path: Path) -> bool:
    return path.name != "record.json" and not path.name.startswith(".") and ".part" not in path.suffixes


def _row_of_kind(source: str | Path, kind: catalog.Kind) -> catalog.Row:
    if isinstance(source, Path):
        raise MissingFileError(f"There is no {source}.")
    row = catalog.row(source)
    if row.kind != kind:
        names = ", ".join(r.name for r in catalog.ROWS if r.kind == kind)
        raise InputError(f"{row.name} is a {row.kind} row; a {kind} row is needed: {names}.")
    return row


def _terms(accept: bool, progress: "Progress | None", announce: "Announce | None") -> "Terms":
    from radseg.weights.pull import Terms  # noqa: PLC0415

    terms = Terms(accept_license=accept, progress=progress)
    return terms if announce is None else replace(terms, announce=announce)


def _resolve_path(path: Path, drop: tuple[str, ...], *, version: str) -> Path:
    from radseg.weights.convert.radio import convert_checkpoint, convert_folder  # noqa: PLC0415
    from radseg.weights.ranges import FileSource  # noqa: PLC0415
    from radseg.weights.safefile import read_safetensors  # noqa: PLC0415

    if path.is_dir():
        files = [path / "config.json", path / "model.safetensors"]
        return _converted(files, lambda: convert_folder(path, version=version, drop=drop), version, drop)
    if path.suffix == ".safetensors":
        if read_safetensors(FileSource(path)).metadata.get("format") == RADIO_FORMAT:
            return path
        if path.name == "model.safetensors":
            return _resolve_path(path.parent, drop, version=version)
        raise CheckpointError(f"{path.name} is not in radseg's form; pass the folder with its config.json.")
    if not version:
        known = catalog.row_of_file(path.name)
        version = known.name if known else "unknown"
    return _converted([path], lambda: convert_checkpoint(path, version=version, drop=drop), version, drop)


def _converted(
    files: Sequence[Path], convert: "Callable[[], Converted]", version: str, drop: tuple[str, ...]
) -> Path:
    """Return the converted form of these files, from the cache if their content was converted before."""
    from radseg.weights.safefile import write_safetensors  # noqa: PLC0415

    for file in files:
        if not file.is_file():
            raise MissingFileError(f"{file.parent} has no {file.name}; a published RADIO folder holds it.")
        if file.stat().st_size == 0:
            raise CheckpointError(f"{file.name} is empty (0 bytes). Fetch it again.")
    digest = hashlib.sha256("".join([*map(cache.remembered_sha256, files), *drop]).encode()).hexdigest()
    source = cache.remembered_sha256(files[-1])
    label = re.sub(r"[^\w.-]", "_", version or "model")
    target = cache.converted_folder() / f"{label}-{digest[:24]}-v{CONVERTER}.safetensors"
    if not target.is_file():
        model = convert()
        config = replace(model.config, source_sha256=source)
        write_safetensors(target, model.tensors, {"format": RADIO_FORMAT, "config": config.to_json()})
    return target
