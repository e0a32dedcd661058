"""The disk cache of text rows: damage, size, writers at the same time, folders that refuse."""

import multiprocessing
import os
import warnings
from pathlib import Path

import pytest
import torch

from radseg.text.cache import TextCache


def rows(count: int, width: int = 8) -> dict[str, torch.Tensor]:
    return {f"key {i}": torch.full((width,), float(i)) for i in range(count)}


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.safetensors"))


def test_what_is_written_is_read_and_the_rest_is_absent(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    written = rows(3)
    cache.write(written)
    found = cache.read([*written, "unknown"])
    assert set(found) == set(written)
    assert all(torch.equal(found[key], written[key]) for key in written)


def test_rows_of_another_tower_are_absent(tmp_path: Path) -> None:
    TextCache(tmp_path, "tower").write(rows(1))
    assert TextCache(tmp_path, "other").read(["key 0"]) == {}


def test_an_empty_cache_makes_no_folder(tmp_path: Path) -> None:
    assert TextCache(tmp_path / "text", "tower").read(["key 0"]) == {}
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize(
    "damage", ["truncated", "flipped bit", "empty", "not a safetensors file", "foreign name"]
)
def test_a_damaged_entry_is_absent_removed_and_can_be_written_again(tmp_path: Path, damage: str) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(2))
    file, other = (cache._path(f"key {i}") for i in range(2))
    content = bytearray(file.read_bytes())
    if damage == "flipped bit":
        content[-1] ^= 1
    file.write_bytes(
        {
            "truncated": content[:-3],
            "flipped bit": content,
            "empty": b"",
            "not a safetensors file": b"\xff" * 200,
            "foreign name": other.read_bytes(),
        }[damage]
    )
    assert set(cache.read(["key 0", "key 1"])) == {"key 1"}
    assert not file.exists()
    cache.write(rows(1))
    assert set(cache.read(["key 0"])) == {"key 0"}


def test_beyond_the_limit_the_least_recently_used_go(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(6))
    size = entries(tmp_path)[0].stat().st_size
    for age, key in enumerate(reversed(list(rows(6)))):  # key 0 is the oldest
        os.utime(cache._path(key), (1e9 - age, 1e9 - age))
    cache.read(["key 0"])  # now it is the most recent
    small = TextCache(tmp_path, "tower", limit=3 * size)
    small.write({"new": torch.zeros(8)})
    assert sum(file.stat().st_size for file in entries(tmp_path)) <= 3 * size
    assert set(small.read([*rows(6), "new"])) == {"key 0", "key 5", "new"}


def test_what_a_dead_writer_left_is_cleared_and_a_living_ones_is_not(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(1))
    folder = entries(tmp_path)[0].parent
    dead, living = folder / ".radseg-dead.part", folder / ".radseg-living.part"
    dead.write_bytes(b"x")
    living.write_bytes(b"x")
    os.utime(dead, (1e9, 1e9))
    cache.write(rows(1))
    assert not dead.exists()
    assert living.exists()


def test_an_entry_that_vanishes_while_the_folder_is_measured_is_no_problem(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(1))
    (entries(tmp_path)[0].parent / "gone.safetensors").symlink_to(tmp_path / "removed by another process")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.write(rows(2))
    assert set(cache.read(rows(2))) == set(rows(2))


def test_a_row_that_was_read_survives_the_removal_of_its_file(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(2))
    row = cache.read(["key 1"])["key 1"]
    cache._path("key 1").write_bytes(b"")
    assert torch.equal(row, torch.ones(8))


def test_a_folder_that_cannot_be_written_is_a_warning_with_the_action(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="RADSEG_HOME"):
        TextCache(tmp_path / "text", "tower").write(rows(1))
    assert TextCache(tmp_path / "text", "tower").read(["key 0"]) == {}


def _write_and_read(folder: str, seed: int, failures: "multiprocessing.Queue[str]") -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    cache = TextCache(
        Path(folder), "tower", limit=60_000
    )  # so small that the writers also evict each other's rows
    for turn in range(15):
        mine = {f"key {(seed * 7 + turn * 3 + i) % 40}": 0 for i in range(8)}
        cache.write({key: torch.full((256,), float(key.split()[1])) for key in mine})
        for key, row in cache.read([f"key {i}" for i in range(40)]).items():
            if not torch.equal(row, torch.full((256,), float(key.split()[1]))):
                failures.put(f"{key} is wrong")


def test_four_processes_write_read_and_evict_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    failures = context.Queue()
    workers = [context.Process(target=_write_and_read, args=(str(tmp_path), i, failures)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert failures.empty()
    assert not list(tmp_path.glob("*/.radseg-*.part"))
    assert entries(tmp_path)


def ordinary_mode(folder: Path) -> int:
    (folder / "ordinary").write_text("x")
    return (folder / "ordinary").stat().st_mode


def test_rows_have_the_ordinary_mode_so_that_a_folder_can_be_shared(tmp_path: Path) -> None:
    TextCache(tmp_path, "tower").write(rows(1))
    assert entries(tmp_path)[0].stat().st_mode == ordinary_mode(tmp_path)


def test_a_row_that_may_not_be_read_is_a_miss_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = TextCache(tmp_path, "tower")
    cache.write(rows(1))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("radseg.text.cache.safe_open", refuse)
    assert cache.read(["key 0"]) == {}
    assert len(entries(tmp_path)) == 1
