"""The record of an evaluation while it runs: `shards/<i>-of-<n>.jsonl`, the counts of one image on each line.

The first line holds the parameters, which must be equal in all logs of a folder; a line "session" holds what
a process found out about its model and machine. Logs of any division into shards count together: an image
is done if any of them says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.shards import Shard
from radseg.files import make_folder
from radseg.jobs.record import Parameters, RecordWriter, read_record

FORMAT = "radseg-eval-log/1"
FOLDER = "shards"


@dataclass(frozen=True)
class Log:
    """What one log says; `counts` holds the latest of each image."""

    path: Path
    parameters: dict[str, Any]
    sessions: list[dict[str, Any]]
    counts: dict[str, ImageCounts]
    sound_bytes: int


def log_path(folder: Path, shard: Shard) -> Path:
    """Return where the log of a shard lies."""
    return folder / FOLDER / f"{shard.name}.jsonl"


def read_logs(folder: Path) -> tuple[Log, ...]:
    """Return the logs of an output folder, by name; those without a whole first line are left out.

    Raises:
        InputError: a file there is no log.
        ResourceError: a line other than the last is damaged.
    """
    logs = (read_log(path) for path in sorted((folder / FOLDER).glob("*.jsonl")))
    return tuple(log for log in logs if log is not None)


def read_log(path: Path) -> Log | None:
    """Return what a log says; None where there is none or only a torn first line. Raises as `read_logs`."""
    recorded = read_record(path, FORMAT, _entry)
    if recorded is None:
        return None
    counts = [entry for entry in recorded.entries if isinstance(entry, ImageCounts)]
    sessions = [entry for entry in recorded.entries if isinstance(entry, dict)]
    known = {one.id: one for one in counts}
    return Log(path, recorded.parameters, sessions, known, recorded.sound_bytes)


def _entry(line: dict[str, Any]) -> ImageCounts | dict[str, Any]:
    """Return the counts of an image, or the facts of a session."""
    return dict(line["session"]) if "session" in line else ImageCounts.from_line(line)


def known_counts(logs: Iterable[Log], ids: Sequence[str]) -> dict[str, ImageCounts]:
    """Return the counts of every image that any log knows, in the order of `ids`; "done" beats "failed"."""
    known: dict[str, ImageCounts] = {}
    for log in logs:
        for id, counts in log.counts.items():
            if id not in known or known[id].message:
                known[id] = counts
    return {id: known[id] for id in ids if id in known}


class LogWriter(RecordWriter):
    """Appends to the log of a shard what one session does, after what it finds out about itself."""

    def __init__(
        self, path: Path, parameters: Parameters, session: Mapping[str, Any], earlier: Log | None
    ) -> None:
        super().__init__(path, FORMAT, parameters, earlier.sound_bytes if earlier else 0)
        self._session = dict(session)

    def __enter__(self) -> Self:
        make_folder(self.path.parent)
        super().__enter__()
        self.append({"session": self._session})
        return self

    def add(self, counts: ImageCounts) -> None:
        """Write the counts of one image and wait until the disk has them."""
        self.append(counts.as_line())
