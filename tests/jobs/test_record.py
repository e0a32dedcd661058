"""The record of a run survives kills and says what changed."""

import errno
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from radseg.errors import InputError, ResourceError
from radseg.jobs.manifest import ManifestWriter, Record, read_manifest
from radseg.jobs.record import parameters_hash, require_same

PARAMETERS = {"model": "toy", "prompts": ["red", "blue"]}


def record(name: str, status: str = "done") -> Record:
    """Return a record of an image called `name`."""
    return Record(f"/photos/{name}.jpg", name, 7, 8, status, (f"{name}.png",), 0.5, "abc")  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest with two images."""
    path = tmp_path / "manifest.jsonl"
    with ManifestWriter(path, PARAMETERS, None) as manifest:
        manifest.add(record("a"))
        manifest.add(record("b"))
    return path


def test_what_was_written_is_read_back(path: Path) -> None:
    history = read_manifest(path)
    assert history is not None
    assert list(history.records.values()) == [record("a"), record("b")]
    assert history.parameters == PARAMETERS


def test_no_file_is_no_history(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "manifest.jsonl") is None


def test_a_file_cut_anywhere_reads_as_the_whole_lines_before_the_cut(path: Path) -> None:
    content = path.read_bytes()
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        history = read_manifest(path)
        whole_lines = content[:cut].count(b"\n")
        assert (0 if history is None else 1 + len(history.records)) == whole_lines


def test_going_on_after_a_torn_line_leaves_no_trace_of_it(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])
    with ManifestWriter(path, PARAMETERS, read_manifest(path)) as manifest:
        manifest.add(record("c"))
    history = read_manifest(path)
    assert history is not None
    assert [r.name for r in history.records.values()] == ["a", "c"]


def test_the_latest_record_of_an_image_counts(path: Path) -> None:
    with ManifestWriter(path, PARAMETERS, read_manifest(path)) as manifest:
        manifest.add(record("a", "failed"))
    history = read_manifest(path)
    assert history is not None
    assert {r.name: r.status for r in history.records.values()} == {"a": "failed", "b": "done"}


def test_a_file_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    with ManifestWriter(tmp_path / "m", PARAMETERS, None) as manifest:
        manifest.add(record(name))
    history = read_manifest(tmp_path / "m")
    assert history is not None
    assert [one.source for one in history.records.values()] == [f"/photos/{name}.jpg"]


def line_with(**changed: object) -> str:
    """Return the line of an image with other values."""
    return json.dumps({**asdict(record("c")), **changed})


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1]",
        '{"source": "x"}',
        '{"unknown": 1}',
        "[" * 99_999 + "]" * 99_999,
        line_with(source=["/photos/c.jpg"]),
        line_with(name=None),
        line_with(outputs=[1]),
        line_with(size="7"),
        line_with(message=0),
    ],
)
def test_a_damaged_line_in_the_middle_is_named(path: Path, line: str) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], line, *lines[1:]]) + "\n")
    with pytest.raises(ResourceError, match=r"Line 2 of .*manifest\.jsonl .*--overwrite"):
        read_manifest(path)


def test_another_programs_manifest_is_refused(tmp_path: Path) -> None:
    for content in ('{"files": []}\n', '{"files": []}', "\n"):
        (tmp_path / "manifest.jsonl").write_text(content)
        with pytest.raises(InputError, match=r"another program's file.*-o"):
            read_manifest(tmp_path / "manifest.jsonl")


def test_a_full_disk_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    real = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[: len(data) // 2])

    with ManifestWriter(path, PARAMETERS, read_manifest(path)) as manifest:
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(ResourceError, match=r"disk is full: .*manifest\.jsonl"):
            manifest.add(record("c"))
    assert path.read_bytes() == before


def test_the_hash_ignores_the_order_of_keys_only() -> None:
    assert parameters_hash({"a": 1, "b": 2}) == parameters_hash({"b": 2, "a": 1})
    assert parameters_hash({"a": [1, 2]}) != parameters_hash({"a": [2, 1]})


def test_every_changed_parameter_is_named() -> None:
    now = {**PARAMETERS, "model": "radseg-b", "crop": 336}
    with pytest.raises(
        InputError, match=r'crop was not recorded, is now 336; model was "toy", is now "radseg-b"\.'
    ):
        require_same(PARAMETERS, now)
    require_same(PARAMETERS, json.loads(json.dumps(PARAMETERS)))


def test_a_parameter_that_only_one_side_knows_is_named_even_where_it_is_null() -> None:
    """A key added by a later release, or written only when given, is a difference of the hash."""
    with pytest.raises(InputError, match=r"settings: auxiliary was not recorded, is now null\. "):
        require_same(PARAMETERS, {**PARAMETERS, "auxiliary": None})
    with pytest.raises(InputError, match=r"settings: auxiliary was \"x\", is now not recorded\. "):
        require_same({**PARAMETERS, "auxiliary": "x"}, PARAMETERS)


def test_numbers_that_only_json_tells_apart_are_named() -> None:
    with pytest.raises(InputError, match=r"size was 1, is now 1\.0\. "):
        require_same({"size": 1}, {"size": 1.0})


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "manifest.jsonl").symlink_to(tmp_path / "victim")
    with (
        pytest.raises(ResourceError, match="is a link"),
        ManifestWriter(tmp_path / "manifest.jsonl", PARAMETERS, None),
    ):
        pass
    assert (tmp_path / "victim").read_bytes() == b""


def test_a_folder_in_place_of_the_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").mkdir()
    with pytest.raises(ResourceError, match=r"manifest\.jsonl cannot be read"):
        read_manifest(tmp_path / "manifest.jsonl")
