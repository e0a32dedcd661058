"""A map that replaces another: the old one is whole until the new one stands, whatever ends the build."""

import multiprocessing
import random
from pathlib import Path

import pytest

from mapping.map_folders import Walk, build, content, is_sound, killed, merge_slowly, tight
from radseg.errors import CheckpointError, InputError
from radseg.mapping.manifest import MANIFEST, TILES, read_manifest
from radseg.mapping.replacing import NEXT
from radseg.runs.mapping import merge_into


def test_an_interrupted_replacement_costs_nothing_and_can_go_on(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    before = content(tmp_path / "map")
    with pytest.raises(KeyboardInterrupt):
        build(
            tmp_path / "map", Walk(stop=4), existing="overwrite", skip=1, checkpoint_seconds=0, budget=tight()
        )
    assert before.items() <= content(tmp_path / "map").items()
    with pytest.raises(InputError, match="holds a map that is being replaced. Go on with --resume"):
        build(tmp_path / "map", Walk(), skip=1)
    _, watcher = build(tmp_path / "map", Walk(), existing="resume", skip=1)
    assert (watcher.todo, watcher.earlier) == (1, 2)
    build(tmp_path / "fresh", Walk(), skip=1)
    assert content(tmp_path / "map") == content(tmp_path / "fresh")


def test_a_replacement_begun_twice_begins_anew(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "map", Walk(stop=3), existing="overwrite")
    _, watcher = build(tmp_path / "map", Walk(), existing="overwrite", skip=2)
    assert watcher.earlier == 0
    build(tmp_path / "fresh", Walk(), skip=2)
    assert content(tmp_path / "map") == content(tmp_path / "fresh")


def test_a_replacement_without_a_usable_frame_leaves_the_map(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    before = content(tmp_path / "map")
    with pytest.raises(InputError, match="None of the 2 frames"):
        build(tmp_path / "map", Walk(frames=2, broken=(0, 1)), existing="overwrite")
    assert content(tmp_path / "map") == before


def test_a_damaged_map_can_be_replaced(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    (tmp_path / "map" / MANIFEST).write_text("{")
    build(tmp_path / "map", Walk(), existing="overwrite")
    build(tmp_path / "fresh", Walk())
    assert content(tmp_path / "map") == content(tmp_path / "fresh")


def test_a_merge_of_a_damaged_source_leaves_the_map(tmp_path):
    for name, skip in (("a", 0), ("b", 1), ("map", 2)):
        build(tmp_path / name, Walk(3), skip=skip)
    before = content(tmp_path / "map")
    last = max(
        (tmp_path / "b" / TILES).iterdir(), key=lambda path: [int(n) for n in path.name.split("_")[1:4]]
    )
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=last.name):
        merge_into([tmp_path / "a", tmp_path / "b"], tmp_path / "map", budget=1, overwrite=True)
    assert content(tmp_path / "map") == before
    with pytest.raises(CheckpointError, match=last.name):
        merge_into([tmp_path / "a", tmp_path / "b"], tmp_path / "fresh", budget=1)
    assert not (tmp_path / "fresh").exists()


def test_kill_9_of_a_replacement_leaves_the_map_and_nothing_half(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch", "pytest", "radseg.mapping.builder", "mapping.map_folders"])
    moments, folder = random.Random(3), tmp_path / "map"
    build(folder, Walk(frames=3))
    before = content(folder)
    for existing in ("overwrite", "resume", "overwrite", "resume"):
        killed(processes, folder, moments, existing)
        assert is_sound(folder)
        assert before.items() <= content(folder).items()
    assert read_manifest(folder, NEXT).build["frames"]["done"] > 0
    build(folder, Walk(frames=7), existing="overwrite")
    build(tmp_path / "fresh", Walk(frames=7))
    assert content(folder) == content(tmp_path / "fresh")


@pytest.mark.parametrize("steps", [8, 1])
def test_kill_9_of_a_merge_leaves_the_old_map_or_the_new_one(tmp_path: Path, steps: int) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["torch", "pytest", "radseg.mapping.builder", "mapping.map_folders"])
    moments, folder, sources = random.Random(5), tmp_path / "map", [tmp_path / "a", tmp_path / "b"]
    build(sources[0], Walk(frames=5))
    build(sources[1], Walk(frames=10, broken=tuple(range(5))))
    merge_into(sources, tmp_path / "fresh")
    build(folder, Walk(frames=3))
    before, fresh = content(folder), content(tmp_path / "fresh")
    for _ in range(3):
        killed(processes, folder, moments, sources, work=merge_slowly, steps=steps)
        assert is_sound(folder)
        assert before.items() <= content(folder).items() or fresh.items() <= content(folder).items()
    merge_into(sources, folder, overwrite=True)
    assert content(folder) == fresh
