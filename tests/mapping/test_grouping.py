"""Small tiles share files: few of them, the same for equal maps, on the disk before a manifest names them."""

import os
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mapping.map_builders import CHANNELS, description
from mapping.map_folders import content, is_sound
from radseg.mapping.grouping import _MOST_ROWS, SMALL, groups_of
from radseg.mapping.manifest import TILES, MapManifest, read_manifest, write_manifest
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.tiles import SIDE, tile_ids, tile_index
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums, pack


def far_apart(count: int) -> torch.Tensor:
    """Return voxels of which no two lie in tiles side by side, in no order."""
    number = torch.arange(count)
    places = torch.stack([number % 16, number // 16 % 16, number // 256], 1) * 3 * SIDE - 20 * SIDE
    return places[torch.randperm(count, generator=torch.Generator().manual_seed(1))]


def sums(indices: torch.Tensor) -> VoxelSums:
    keys = pack(indices).sort().values
    values = torch.stack([keys % (7 + channel) for channel in range(CHANNELS)], 1).float()
    return VoxelSums(keys, torch.ones_like(keys), values, values[:, :3] / 10)


def write(folder, parts, *, budget=None, every=1000):
    """Write a map of these sums with a checkpoint after `every` of them."""
    into = VoxelMap(description(), folder=folder, budget=budget)
    for number, part in enumerate([*parts, None]):
        if part is None or number % every == every - 1:
            manifest = MapManifest(into.description, into.flush())
            write_manifest(folder, manifest)
            into.published(manifest)
        if part is not None:
            into.add(part)
    return folder


def test_far_apart_voxels_share_few_files_and_come_back(tmp_path):
    one = sums(far_apart(3072))
    write(tmp_path / "map", [one])
    files = list((tmp_path / "map" / TILES).iterdir())
    assert len(files) < 3072 / 30
    assert is_sound(tmp_path / "map")
    memory = VoxelMap(description())
    memory.add(one)
    for mine, theirs in zip(
        SemanticMap.open(tmp_path / "map").whole(), memory.to_semantic_map().whole(), strict=True
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(("budget", "every"), [(None, 1000), (1, 1000), (None, 2), (1, 2), (9000, 3)])
def test_equal_maps_are_equal_files_whatever_the_order_and_the_memory(tmp_path, budget, every):
    voxels = torch.cat([far_apart(300), torch.cartesian_prod(*[torch.arange(-6, 6)] * 3)])
    write(tmp_path / "one", [sums(voxels)])
    order = torch.randperm(len(voxels), generator=torch.Generator().manual_seed(2))
    parts = [sums(part) for part in voxels[order].split(277)]
    write(tmp_path / "other", parts, budget=budget, every=every)
    assert content(tmp_path / "one") == content(tmp_path / "other")
    assert {len(shard.tiles) > 1 for shard in read_manifest(tmp_path / "one").shards} == {False, True}


sizes = st.dictionaries(st.tuples(*[st.integers(-3, 3)] * 3), st.integers(1, 2 * SMALL))


@given(sizes)
def test_every_tile_is_in_one_file_large_ones_alone(rows):
    groups = groups_of(rows)
    assert sorted(index for group in groups for index in group) == sorted(rows)
    assert all(len(group) == 1 for group in groups if any(rows[index] >= SMALL for index in group))
    assert all(sum(rows[index] for index in group) <= _MOST_ROWS for group in groups)
    assert all(list(group) == sorted(group) for group in groups)
    assert all(one < other for one, other in pairwise(groups))


def test_a_new_tile_changes_few_files():
    rows = {tile_index(one): 3 for one in tile_ids(pack(far_apart(3072))).tolist()}
    before = set(groups_of(rows))
    for fresh in ((-50, 0, 0), (0, 1, 0), (-19, -19, -19), (900, 0, 0)):
        assert len(set(groups_of(rows | {fresh: 3})) - before) <= 2


def test_what_is_not_touched_is_not_read(tmp_path):
    voxels = far_apart(600)
    write(tmp_path, [sums(voxels)])
    manifest = read_manifest(tmp_path)
    kept = manifest.shards[len(manifest.shards) // 2]
    for shard in manifest.shards:
        if shard != kept:
            (tmp_path / TILES / shard.file).unlink()
    grown = VoxelMap(description(), folder=tmp_path, shards=manifest.shards)
    wanted = torch.tensor(kept.indices[-1]) * SIDE
    grown.add(sums(wanted[None]))
    fresh = VoxelMap(description())
    fresh.add(sums(wanted[None]))
    assert grown.resident_bytes <= fresh.resident_bytes


@pytest.mark.parametrize("budget", [None, 1])
def test_files_are_on_the_disk_before_the_manifest_and_their_folder_is_synced_once(
    tmp_path, monkeypatch, budget
):
    real, synced = os.fsync, []

    def fsync(handle):
        synced.append(os.fstat(handle).st_ino)
        real(handle)

    into = VoxelMap(description(), folder=tmp_path, budget=budget)
    monkeypatch.setattr(os, "fsync", fsync)
    into.add(sums(torch.cat([far_apart(200), torch.cartesian_prod(*[torch.arange(6)] * 3)])))
    shards = into.flush()
    tiles = tmp_path / TILES
    assert sorted(synced[:-1]) == sorted((tiles / shard.file).stat().st_ino for shard in shards)
    if os.name == "posix":
        assert synced[-1] == tiles.stat().st_ino
    into.flush()
    assert len(synced) == len(shards) + 1, "nothing changed, nothing to sync"
