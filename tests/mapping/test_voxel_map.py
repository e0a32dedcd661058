"""The growing map: equal to the definition, whatever the order, the splitting and the memory."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping.map_builders import CHANNELS, description, frame, grid_lift, grown
from oracles.voxel_means import voxel_means
from radseg.errors import InputError, MemoryBudgetError
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.shards import check_shard
from radseg.mapping.tiles import tile_ids, tile_index
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import pack


def stored(folder, indices, **changes):
    """Return the map of these frames, written to a folder and opened again."""
    what = description(**{k: v for k, v in changes.items() if k != "budget"})
    into = grown(indices, into=VoxelMap(what, folder=folder, budget=changes.pop("budget", None)), **changes)
    manifest = MapManifest(what, into.flush())
    write_manifest(folder, manifest)
    into.published(manifest)
    return SemanticMap.open(folder)


def assert_equal(one, other):
    for mine, theirs in zip(one.whole(), other.whole(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_map_is_the_mean_over_all_pixels():
    frames = [frame(i) for i in range(3)]
    expected = voxel_means(frames, [grid_lift()(one.rgb) for one in frames], 0.1)
    chunk = grown(range(3)).to_semantic_map().whole()
    assert {tuple(key) for key in chunk.keys.tolist()} == set(expected)
    for key, value, weight, colour in zip(*chunk, strict=True):
        count, mean, mean_colour = expected[tuple(key.tolist())]
        assert weight == count
        assert torch.allclose(value.double(), torch.as_tensor(mean), atol=2e-6)  # worst seen 6e-7
        assert torch.allclose(colour.double(), torch.as_tensor(mean_colour), atol=1e-6)


@settings(max_examples=10)
@given(st.permutations(range(5)))
def test_the_order_of_frames_does_not_matter(order):
    one, other = (grown(indices).to_semantic_map().whole() for indices in (range(5), order))
    assert torch.equal(one.keys, other.keys)
    assert torch.equal(one.weights, other.weights)
    assert torch.allclose(one.values, other.values, atol=2e-6)
    assert torch.allclose(one.colours, other.colours, atol=2e-6)


def test_memory_for_one_tile_changes_nothing(tmp_path):
    assert_equal(stored(tmp_path, range(6), dtype="float16", budget=1),
                 grown(range(6), dtype="float16").to_semantic_map())  # fmt: skip


def test_a_stored_map_is_the_map(tmp_path):
    assert_equal(stored(tmp_path, range(2)), grown(range(2)).to_semantic_map())


def test_equal_maps_have_equal_digests_and_others_do_not(tmp_path):
    one = stored(tmp_path / "one", range(4), budget=1)
    same = stored(tmp_path / "same", range(4))
    other = stored(tmp_path / "other", range(3))
    assert one.digest == same.digest != other.digest


def test_half_precision_keeps_the_mean():
    exact, half = (grown([0, 1] * 20, dtype=t).to_semantic_map().whole() for t in ("float32", "float16"))
    assert torch.equal(exact.weights, half.weights)
    cosine = torch.nn.functional.cosine_similarity(exact.values, half.values)
    assert float(cosine.min()) > 1 - 1e-4  # mapping spec 5.3 B: 1e-6 after 100 updates in 768 channels


def test_the_budget_bounds_the_memory(tmp_path):
    fine = {"voxel_size": 0.02}
    into, free = VoxelMap(description(**fine), folder=tmp_path, budget=80_000), grown(range(6), **fine)
    for index in range(6):
        grown([index], into=into, **fine)
        assert into.resident_bytes <= 80_000
    assert free.resident_bytes > 120_000
    assert len(into) == len(free)


def test_what_is_beside_the_tiles_is_kept_free_of_them(tmp_path):
    fine = {"voxel_size": 0.02}
    into = VoxelMap(description(**fine), folder=tmp_path, budget=160_000)
    into.leave_room(80_000, "A frame")
    for index in range(6):
        grown([index], into=into, **fine)
        assert into.resident_bytes <= 80_000
    into.leave_room(150_000, "A frame")
    assert into.resident_bytes <= 80_000 - 20_000
    with pytest.raises(MemoryBudgetError, match=r"A frame needs 1MiB of memory.*--memory-budget 1MiB"):
        into.leave_room(160_001, "A frame")


def test_a_budget_needs_a_folder():
    with pytest.raises(InputError, match="needs a folder"):
        VoxelMap(description(), budget=1000)


def test_superseded_tiles_are_deleted_and_strangers_stay(tmp_path):
    (tmp_path / "tiles").mkdir()
    (tmp_path / "tiles" / "notes.txt").write_text("mine")
    stored(tmp_path, range(6), budget=1)
    names = {path.name for path in (tmp_path / "tiles").iterdir()}
    opened = SemanticMap.open(tmp_path)
    assert names == {part.shard.file for part in opened.parts} | {"notes.txt"}


def test_an_unchanged_tile_is_not_written_again(tmp_path, monkeypatch):
    into = grown(range(2), into=VoxelMap(description(), folder=tmp_path))
    before = into.flush()
    monkeypatch.delattr("radseg.mapping.voxel_map.write_shard")
    assert into.flush() == before


def test_a_damaged_file_of_an_earlier_build_is_replaced(tmp_path):
    first = grown(range(2), into=VoxelMap(description(), folder=tmp_path)).flush()
    for path in (tmp_path / "tiles").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    assert grown(range(2), into=VoxelMap(description(), folder=tmp_path)).flush() == first
    for shard in first:
        check_shard(tmp_path / "tiles", shard)


def test_chunks_cover_the_map_once():
    whole = grown(range(2)).to_semantic_map()
    chunks = list(whole.chunks(rows=7))
    assert max(len(chunk.keys) for chunk in chunks) <= 7
    keys = torch.cat([chunk.keys for chunk in chunks])
    assert torch.equal(pack(keys).sort().values, pack(whole.whole().keys))
    assert torch.equal(torch.cat(list(whole.keys(rows=7))), keys)
    assert len(whole) == len(keys)


def test_tiles_are_cubes_around_their_index():
    indices = torch.tensor([[0, 0, 0], [63, 63, 63], [-1, 64, -65], [200, -200, 5]])
    tiles = [tile_index(one) for one in tile_ids(pack(indices)).tolist()]
    assert tiles == [(0, 0, 0), (0, 0, 0), (-1, 1, -2), (3, -4, 0)]


def test_an_empty_map_has_no_voxels():
    whole = VoxelMap(description()).to_semantic_map().whole()
    assert [tuple(array.shape) for array in whole] == [(0, 3), (0, CHANNELS), (0,), (0, 3)]
