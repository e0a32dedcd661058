"""The list of decisions: read back where it belongs to the run, refused where it does not."""

import json
from pathlib import Path

import pytest

from radseg.errors import InputError, MissingFileError
from radseg.jobs.manifest import Record
from radseg.review.decisions import read_review, review_key

RECORDS = [Record(f"{name}.jpg", name, 1, 1, "done", (), 0.1, "", folder="mark") for name in ("a", "deep/b")]
PARAMETERS = {"mode": "assign"}
ROWS = [{"name": "deep/b", "decision": "reject"}, {"name": "a", "decision": "accept"}]


def written(folder: Path, **changes: object) -> Path:
    """Return the file of a list, with some of it replaced."""
    value = {"format": "radseg-review/1", "run": review_key(PARAMETERS, RECORDS), "images": ROWS}
    path = folder / "review.json"
    path.write_text(json.dumps(value | changes))
    return path


def test_a_list_of_this_run_is_read(tmp_path: Path) -> None:
    assert read_review(written(tmp_path), PARAMETERS, RECORDS) == {"a": "accept", "deep/b": "reject"}


def test_a_run_that_was_continued_keeps_its_list(tmp_path: Path) -> None:
    more = [*RECORDS, Record("c.jpg", "c", 1, 1, "done", (), 0.1, "", folder="mark")]
    assert len(read_review(written(tmp_path), PARAMETERS, more)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "x"}, "not a list of decisions"),
        ({"images": [{"name": "a", "decision": "maybe"}]}, "neither accept nor reject"),
        ({"images": [{"name": 3, "decision": "accept"}]}, "no text"),
        ({"images": [ROWS[0], ROWS[0]]}, "twice"),
        ({"images": 3}, "not a list of decisions"),
        ({"images": ["a"]}, "not a list of decisions"),
        ({"images": [{"name": "z", "decision": "accept"}]}, r"another run, with images it does not have: z"),
        ({"run": "0" * 16}, "another run, with other settings or sources"),
    ],
)
def test_another_list_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_review(written(tmp_path, **changes), PARAMETERS, RECORDS)


@pytest.mark.parametrize("content", ["", "[]", "3", "[[" * 10000, '{"images": []}'])
def test_what_is_no_list_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "review.json"
    path.write_text(content)
    with pytest.raises(InputError, match="not a list of decisions"):
        read_review(path, PARAMETERS, RECORDS)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"review\.json does not exist"):
        read_review(tmp_path / "review.json", PARAMETERS, RECORDS)
