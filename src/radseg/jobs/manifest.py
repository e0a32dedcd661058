"""`manifest.jsonl`: which image became which files, in the output folder of every run over images."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from radseg.errors import InputError
from radseg.files import open_regular, write_bytes
from radseg.jobs.record import Parameters, RecordWriter, line_of, read_record, start_of

MANIFEST_NAME = "manifest.jsonl"
FORMAT = "radseg-run/1"


@dataclass(frozen=True)
class ClassRecord:
    """What one class has of an image.

    Attributes:
        id: its label value.
        share: part of the pixels, 0 to 1.
        confidence: mean probability over those pixels, 0 to 1; None where there are none.
        presence: highest probability anywhere in the image, 0 to 1.
    """

    id: int
    share: float
    confidence: float | None
    presence: float


@dataclass(frozen=True)
class Record:
    """One finished image.

    Attributes:
        source: path of the image below its source folder, with forward slashes; two may share it.
        name: its output name, relative to the output folder, without suffix.
        size, mtime_ns: of the image file when it was read, in bytes and nanoseconds.
        status: "done", or "failed" with the reason in `message`.
        outputs: files written, relative to the output folder; each lies in the folder of its kind.
        kinds: the folders of the kinds that were stored; one may hold no file of this image.
        seconds: from opening the image to the last output.
        parameters: hash of all that decides what the outputs hold; see `plan.deciding`.
        message: why it failed; empty when done.
        folder: mark of the source folder; see `matching.folder_mark`.
        classes: what each class has of the image; without those that have nothing.
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
    folder: str = ""
    classes: tuple[ClassRecord, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """What a manifest says: parameters, the latest record of each output name, where the sound part ends."""

    parameters: dict[str, Any]
    records: dict[str, Record]
    sound_bytes: int = 0


def holds_run(folder: Path) -> bool:
    """Return whether `folder` is the output folder of a run."""
    start = start_of(FORMAT)
    try:
        with open_regular(folder / MANIFEST_NAME, most=None) as file:
            return file.read(len(start)) == start
    except (InputError, OSError):
        return False


def read_manifest(path: Path) -> History | None:
    """Return what the manifest says; None when there is none. Raises as `record.read_record`."""
    recorded = read_record(path, FORMAT, _record_of)
    if recorded is None:
        return None
    records = {record.name: record for record in recorded.entries}
    return History(recorded.parameters, records, recorded.sound_bytes)


def _record_of(raw: Any) -> Record:
    """Return the record in a line's JSON value; TypeError or ValueError where it is none."""
    lists = {"outputs": tuple(raw["outputs"]), "kinds": tuple(raw["kinds"])}
    record = Record(**{**raw, **lists, "classes": tuple(map(_class_of, raw["classes"]))})
    texts = (record.source, record.name, record.status, record.parameters, record.message, record.folder)
    numbers = (record.size, record.mtime_ns, record.seconds)
    if not (
        all(isinstance(one, str) for one in (*texts, *record.outputs, *record.kinds))
        and all(isinstance(one, int | float) for one in numbers)
    ):
        raise TypeError("a value of another type")
    return record


def _class_of(raw: Any) -> ClassRecord:
    """Return what a class has; TypeError or ValueError where it is none of ours."""
    one = ClassRecord(**raw)
    parts = (one.share, one.presence, 0 if one.confidence is None else one.confidence)
    if not (isinstance(one.id, int) and one.id > 0 and all(0 <= part <= 1 for part in parts)):
        raise ValueError("a class with a value out of range")
    return one


def rewritten(path: Path, parameters: Parameters, history: History) -> History:
    """Write the manifest anew under other parameters, in one step; its records stay as they are.

    Each says by its hash whether it was made with the new ones.
    """
    head = {"format": FORMAT, "parameters": dict(parameters)}
    content = b"".join(map(line_of, (head, *map(asdict, history.records.values()))))
    write_bytes(path, content)
    return History(dict(parameters), history.records, len(content))


class ManifestWriter(RecordWriter):
    """Appends records to the manifest of a run that goes on after `history`."""

    def __init__(self, path: Path, parameters: Parameters, history: History | None) -> None:
        super().__init__(path, FORMAT, parameters, history.sound_bytes if history else 0)

    def add(self, record: Record) -> None:
        """Write one record and wait until the disk has it."""
        self.append(asdict(record))
