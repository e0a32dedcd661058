"""The record of a run: `manifest.jsonl`, a first line of parameters and one line per finished image.

Lines are appended and synced one by one, so after a kill only the last one can be torn; it is cut off when
the run goes on, and its image is done again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from radseg.errors import InputError, ResourceError
from radseg.jobs.lines import DurableLines, whole_lines

MANIFEST_NAME = "manifest.jsonl"
FORMAT = "radseg-run/1"
_START = f'{{"format": "{FORMAT}", '.encode()

Parameters = Mapping[str, Any]
"""Everything that decides what the outputs are, as JSON values: model, prompts, mode, sizes, output kinds."""


@dataclass(frozen=True)
class Record:
    """One finished image.

    Attributes:
        source: absolute path of the image.
        name: its output name, relative to the output folder, without suffix.
        size, mtime_ns: of the image file when it was read, in bytes and nanoseconds.
        status: "done", or "failed" with the reason in `message`.
        outputs: files written, relative to the output folder.
        seconds: from opening the image to the last output.
        parameters: hash of the run's parameters.
        message: why it failed; empty when done.
    """

    source: str
    name: str
    size: int
    mtime_ns: int
    status: Literal["done", "failed"]
    outputs: tuple[str, ...]
    seconds: float
    parameters: str
    message: str = ""


@dataclass
class History:
    """What a manifest says: parameters, the latest record of each image, where the sound part ends."""

    parameters: dict[str, Any]
    records: dict[str, Record] = field(default_factory=dict)
    sound_bytes: int = 0

    def of(self, status: Literal["done", "failed"]) -> tuple[Record, ...]:
        """Return the records with this status, in the order they were first written."""
        return tuple(record for record in self.records.values() if record.status == status)


def holds_run(folder: Path) -> bool:
    """Return whether `folder` is the output folder of a run."""
    try:
        with (folder / MANIFEST_NAME).open("rb") as file:
            return file.read(len(_START)) == _START
    except OSError:
        return False


def parameters_hash(parameters: Parameters) -> str:
    """Return a short digest that is equal exactly when all parameters are."""
    return hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()[:16]


def read_manifest(path: Path) -> History | None:
    """Return what the manifest says; None when there is none, or only a torn first line.

    Raises:
        InputError: the file is another program's.
        ResourceError: a line other than the last is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if not (content.startswith(_START) or _START.startswith(content)):
        raise InputError(
            f"{path} is another program's file, not the manifest of a radseg run. "
            "Choose another output folder with -o."
        )
    history: History | None = None
    sound = 0
    for number, line in enumerate(whole_lines(content), start=1):
        try:
            raw = json.loads(line)
            if history is None:
                history = History(dict(raw["parameters"]))
            else:
                record = Record(**{**raw, "outputs": tuple(raw["outputs"])})
                history.records[record.source] = record
        except (ValueError, TypeError, KeyError) as error:
            raise ResourceError(
                f"Line {number} of {path} is not one that radseg wrote ({error}). "
                "Start the run again with --overwrite, or choose another folder with -o."
            ) from error
        sound += len(line)
    if history is not None:
        history.sound_bytes = sound
    return history


def require_same(before: Parameters, now: Parameters) -> None:
    """Raise InputError naming every parameter that differs between an earlier run and this one."""
    if parameters_hash(before) == parameters_hash(now):
        return
    changed = [
        f"{key} was {_short(before, key)}, is now {_short(now, key)}"
        for key in sorted({*before, *now})
        if _recorded(before, key) != _recorded(now, key)
    ]
    raise InputError(
        f"The earlier run had other settings: {'; '.join(changed)}. "
        "--resume continues only with equal settings: use the earlier ones, choose another folder with -o, "
        "or start again with --overwrite."
    )


class ManifestWriter:
    """Appends records; each is on the disk when `append` returns."""

    def __init__(self, path: Path, parameters: Parameters, history: History | None) -> None:
        self.parameters = parameters
        self._lines = DurableLines(path, history.sound_bytes if history else 0)

    def __enter__(self) -> Self:
        self._lines.__enter__()
        if not self._lines.sound_bytes:
            self._lines.append({"format": FORMAT, "parameters": dict(self.parameters)})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    def append(self, record: Record) -> None:
        """Write one record and wait until the disk has it.

        Raises:
            OSError: the disk is full; what was written of the line is removed again.
        """
        self._lines.append(asdict(record))


def _recorded(parameters: Parameters, key: str) -> str:
    """Return a value as it enters the hash: 1 is not 1.0, and null is not "absent"."""
    if key not in parameters:
        return "not recorded"
    return json.dumps(parameters[key], sort_keys=True, ensure_ascii=False)


def _short(parameters: Parameters, key: str) -> str:
    text = _recorded(parameters, key)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"
