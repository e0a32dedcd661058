"""Aligned features are made once, used again, and made again when their tile or their encoder changes."""

import os

import numpy as np
import pytest
import torch

from query_builders import BLOCKS, stored_map
from radseg.mapping.aligned import AlignedCache, aligned_parts

WIDTH = 126


class Counting:
    def __init__(self):
        self.rows = 0

    def __call__(self, values):
        self.rows += len(values)
        return values * 2.0


def features(parts):
    keys, rows = zip(*parts, strict=True)
    return torch.cat(keys), torch.cat(rows)


def test_the_second_time_nothing_is_aligned_and_the_features_are_the_same(tmp_path):
    stored, align = stored_map(tmp_path / "map"), Counting()
    cache = AlignedCache.of(tmp_path / "cache", align, "encoder a", WIDTH)
    first = features(cache.parts(stored))
    assert align.rows == len(stored)
    second = features(cache.parts(stored))
    assert align.rows == len(stored)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    plain = features(aligned_parts(stored, Counting()))
    assert torch.equal(first[0], plain[0])
    assert torch.allclose(first[1].float(), plain[1], atol=5e-4)  # float16


def test_only_tiles_that_changed_are_aligned_again_and_old_files_go(tmp_path):
    align = Counting()
    cache = AlignedCache.of(tmp_path / "cache", align, "encoder a", WIDTH)
    list(cache.parts(stored_map(tmp_path / "map")))
    files = set(cache.folder.glob("*.npy"))
    align.rows = 0
    changed = stored_map(tmp_path / "map", BLOCKS | {"white": (201, 0, 0)})
    assert len(features(cache.parts(changed))[0]) == len(changed)
    assert 0 < align.rows < len(changed)
    assert len(set(cache.folder.glob("*.npy"))) == len(files)


def test_halves_of_a_killed_question_go_with_the_next(tmp_path):
    cache = AlignedCache.of(tmp_path / "cache", None, "encoder a", WIDTH)
    stored = stored_map(tmp_path / "map")
    list(cache.parts(stored))
    half = cache.folder / ".radseg-0123.part"
    half.write_bytes(b"half")
    list(cache.parts(stored))
    assert not half.exists()


def test_beyond_the_limit_the_caches_not_used_for_longest_go(tmp_path, monkeypatch):
    stored = stored_map(tmp_path / "map")
    old, used, new = (AlignedCache.of(tmp_path / "cache", None, name, WIDTH) for name in "abc")
    for cache, age in ((old, 10), (used, 20)):
        list(cache.parts(stored))
        os.utime(cache.folder, (age, age))
    size = sum(file.stat().st_size for file in used.folder.iterdir())
    monkeypatch.setattr("radseg.mapping.aligned.LIMIT", size)
    list(new.parts(stored))
    assert [cache.folder.exists() for cache in (old, used, new)] == [False, True, True]


def test_another_encoder_has_another_folder(tmp_path):
    one, other = (AlignedCache.of(tmp_path, None, name, WIDTH) for name in ("a", "b"))
    assert one.folder != other.folder


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def empty(path):
    path.write_bytes(b"")


def of_another_tile(path):
    np.save(path, np.load(path)[:1])


def archive(path):
    array = np.load(path)
    with path.open("wb") as file:
        np.savez(file, array)


def huge(path):
    """Let the header promise more rows than any memory holds."""
    array = np.load(path)
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": (10**15, array.shape[1])}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(array.tobytes())


def changed(**numbers):
    def damage(path):
        array = np.load(path)
        array[-1, -1] = numbers["keys" if "keys" in path.name else "features"]
        np.save(path, array)

    return damage


def wider(path):
    np.save(path, np.load(path)[:, [0, *range(np.load(path).shape[1])]])


@pytest.mark.parametrize("kind", ["features", "keys"])
@pytest.mark.parametrize(
    "damage",
    [
        cut, empty, of_another_tile, archive, huge, wider,
        changed(features=np.nan, keys=10**6), changed(features=-np.inf, keys=-1), changed(features=2, keys=0),
    ],
)  # fmt: skip
def test_damaged_cache_files_are_made_again(tmp_path, kind, damage):
    stored, align = stored_map(tmp_path / "map"), Counting()
    cache = AlignedCache.of(tmp_path / "cache", align, "encoder a", WIDTH)
    wanted = features(cache.parts(stored))
    damage(min(cache.folder.glob(f"*.{kind}.npy")))
    align.rows = 0
    again = features(cache.parts(stored))
    assert 0 < align.rows < len(stored)
    assert all(torch.equal(one, other) for one, other in zip(wanted, again, strict=True))


def test_values_that_are_aligned_already_need_no_align(tmp_path):
    stored = stored_map(tmp_path / "map")
    cached = features(AlignedCache.of(tmp_path / "cache", None, "same", WIDTH).parts(stored))
    assert torch.allclose(cached[1].float().norm(dim=1), torch.ones(len(stored)), atol=1e-3)


def test_progress_counts_voxels(tmp_path):
    stored, seen = stored_map(tmp_path / "map"), []
    list(
        AlignedCache.of(tmp_path / "cache", None, "x", WIDTH).parts(
            stored, lambda done, total: seen.append((done, total))
        )
    )
    assert seen[-1] == (len(stored), len(stored))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
