"""The record of an evaluation while it runs: `shards/<i>-of-<n>.jsonl`, the counts of one image on each line.

The first line holds the parameters, which must be equal in all logs of a folder; a line "session" holds what
a process found out about its model and machine. Logs of any division into shards count together: an image
is done if any of them says so.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from radseg.errors import InputError, ResourceError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.shards import Shard
from radseg.jobs.lines import DurableLines, whole_lines

FORMAT = "radseg-eval-log/1"
FOLDER = "shards"


@dataclass
class Log:
    """What one log says; `counts` holds the latest of each image."""

    path: Path
    parameters: dict[str, Any]
    sessions: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, ImageCounts] = field(default_factory=dict)
    sound_bytes: int = 0


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
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    log: Log | None = None
    sound = 0
    for number, line in enumerate(whole_lines(content), start=1):
        try:
            raw = json.loads(line)
            if log is None:
                if raw["format"] != FORMAT:
                    raise InputError(f"{path} has format {raw['format']!r}, not {FORMAT!r}.")
                log = Log(path, dict(raw["parameters"]))
            elif "session" in raw:
                log.sessions.append(dict(raw["session"]))
            else:
                counts = ImageCounts.from_line(raw)
                log.counts[counts.id] = counts
        except InputError:
            raise
        except (ValueError, TypeError, KeyError) as error:
            raise ResourceError(
                f"Line {number} of {path} is not one that radseg wrote ({error}). "
                "Start the evaluation again with --overwrite, or choose another folder with -o."
            ) from error
        sound += len(line)
    if log is not None:
        log.sound_bytes = sound
    return log


def known_counts(logs: Iterable[Log], ids: Sequence[str]) -> dict[str, ImageCounts]:
    """Return the counts of every image that any log knows, in the order of `ids`; "done" beats "failed"."""
    known: dict[str, ImageCounts] = {}
    for log in logs:
        for id, counts in log.counts.items():
            if id not in known or known[id].message:
                known[id] = counts
    return {id: known[id] for id in ids if id in known}


class LogWriter:
    """Appends to the log of a shard; the counts of an image are on the disk when `append` returns."""

    def __init__(
        self, path: Path, parameters: Mapping[str, Any], session: Mapping[str, Any], earlier: Log | None
    ) -> None:
        self._lines = DurableLines(path, earlier.sound_bytes if earlier else 0)
        self._parameters = dict(parameters)
        self._session = dict(session)

    def __enter__(self) -> Self:
        self._lines.path.parent.mkdir(exist_ok=True)
        self._lines.__enter__()
        if not self._lines.sound_bytes:
            self._lines.append({"format": FORMAT, "parameters": self._parameters})
        self._lines.append({"session": self._session})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.__exit__(kind, error, trace)

    def append(self, counts: ImageCounts) -> None:
        """Write the counts of one image and wait until the disk has them."""
        self._lines.append(counts.as_line())
