"""The list that the page gives back: which images a person accepted and which they rejected."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from radseg.errors import InputError
from radseg.files import given_bytes, json_of, listed, shown
from radseg.jobs.manifest import Record
from radseg.jobs.plan import deciding
from radseg.jobs.record import Parameters

REVIEW_FORMAT = "radseg-review/1"
Decision = Literal["accept", "reject"]


def review_key(parameters: Parameters, records: Sequence[Record]) -> str:
    """Return what tells a run from others, and stays when it is continued: what decides its masks."""
    sources = sorted({record.folder for record in records})
    return hashlib.sha256(json.dumps([deciding(parameters), sources]).encode()).hexdigest()[:16]


def read_review(path: Path, parameters: Parameters, records: Sequence[Record]) -> dict[str, Decision]:
    """Return the decisions in a list by the output name of the image; who is not in it was not decided on.

    Args:
        parameters, records: of the run that the list should belong to.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is no such list, or one of another run; the message says which.
    """
    try:
        key, rows = _rows_of(json_of(given_bytes(path, "list of decisions")))
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{shown(path)} is not a list of decisions ({error}). "
            "Make one with `radseg review RUN` and the page's button `Download list`."
        ) from error
    unknown = rows.keys() - {record.name for record in records}
    if key != review_key(parameters, records) or unknown:
        what = (
            f"images it does not have: {listed(sorted(unknown))}" if unknown else "other settings or sources"
        )
        raise InputError(
            f"{shown(path)} belongs to another run, with {what}. Review this run: radseg review RUN"
        )
    return rows


def _rows_of(raw: Mapping[str, Any]) -> tuple[str, dict[str, Decision]]:
    """Return key and decisions; ValueError, TypeError or KeyError where it is none of ours."""
    if raw["format"] != REVIEW_FORMAT:
        raise ValueError(f"its format is not {REVIEW_FORMAT}")
    rows: dict[str, Decision] = {}
    for one in raw["images"]:
        name, decision = one["name"], one["decision"]
        if not isinstance(name, str) or decision not in get_args(Decision):
            raise ValueError("a decision that is neither accept nor reject, or a name that is no text")
        if name in rows:
            raise ValueError("an image is in it twice")
        rows[name] = decision
    return raw["run"], rows
