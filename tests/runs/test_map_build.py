"""Building a map folder: resumed exactly, faults of single frames reported, other files left alone."""

import json
import multiprocessing
import random
import shutil
from pathlib import Path

import pytest
import torch

from mapping.map_builders import description, frame, grid_lift
from mapping.map_folders import Walk, build, content, geometry, is_sound, killed, mapper, tight
from radseg.errors import CheckpointError, InputError, ResourceError, WeightsUnavailableError
from radseg.jobs.record import require_same
from radseg.mapping.manifest import MANIFEST, TILES, read_manifest
from radseg.mapping.mapper import Mapper
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.runs.map_facts import verify_map
from radseg.runs.mapping import (
    BuildRequest,
    MapSettings,
    Recording,
    merge_into,
    sampled,
)
from radseg.text.vocabulary import Vocabulary


def test_an_interrupted_build_goes_on_to_the_same_folder(tmp_path):
    build(tmp_path / "whole", Walk())
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "parts", Walk(stop=4))
    assert read_manifest(tmp_path / "parts").build["frames"]["done"] == 4
    _, watcher = build(tmp_path / "parts", Walk(), existing="resume")
    assert (watcher.todo, watcher.earlier) == (2, 4)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_model_that_cannot_be_loaded_costs_no_map(tmp_path):
    build(tmp_path / "map", Walk())
    before = content(tmp_path / "map")

    def offline():
        raise WeightsUnavailableError("offline")

    for make_mapper, settings in ((offline, {}), (geometry, {"components": 2})):
        with pytest.raises((WeightsUnavailableError, InputError)):
            build(tmp_path / "map", Walk(), make_mapper=make_mapper, existing="overwrite", **settings)
        assert content(tmp_path / "map") == before


@pytest.mark.parametrize(
    ("frames", "wanted"), [(3, [0, 1, 2]), (8, list(range(8))), (15, [0, 1, 3, 5, 7, 9, 11, 13])]
)
def test_frames_for_a_basis_are_spread_over_the_whole_sequence(frames, wanted):
    assert sampled([str(i) for i in range(frames)], 8) == [str(i) for i in wanted]
    assert sampled([], 8) == []
    assert sampled("abcdefghij", 3) == ["a", "d", "g"]


def test_an_interrupt_in_the_middle_of_a_frame_does_not_count_it_twice(tmp_path, monkeypatch):
    build(tmp_path / "whole", Walk())
    merge, calls = VoxelMap._add_to, []

    def interrupted(self, index, sums):
        calls.append(index)
        merge(self, index, sums)
        if len(calls) == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(VoxelMap, "_add_to", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "parts", Walk(), checkpoint_seconds=0)
    monkeypatch.undo()
    build(tmp_path / "parts", Walk(), existing="resume")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_eviction_and_checkpoints_change_nothing(tmp_path):
    build(tmp_path / "one", Walk())
    build(tmp_path / "other", Walk(), budget=tight(), checkpoint_seconds=0)
    assert content(tmp_path / "one") == content(tmp_path / "other")


def test_a_frame_that_does_not_fit_is_refused_with_the_number_that_suffices(tmp_path):
    with pytest.raises(InputError, match=r"None of the 6 frames .*A frame of 24×32 needs 1MiB of memory"):
        build(tmp_path / "map", Walk(), budget=tight() // 2)
    progress, _ = build(tmp_path / "map", Walk(), budget=2**20)
    assert progress.used == 6


def test_the_sums_of_a_frame_count_from_the_second_one_on(tmp_path):
    alone = mapper().frame_bytes(frame())
    progress, _ = build(tmp_path / "map", Walk(), budget=alone)
    assert progress.used == 1


def test_a_bad_frame_is_passed_over_and_counted_with_its_reason(tmp_path):
    progress, _ = build(tmp_path / "map", Walk(broken=(1, 3)))
    assert progress.used == 4
    assert dict(progress.reasons) == {"001.depth.png is cut short.": 1, "003.depth.png is cut short.": 1}
    noted = SemanticMap.open(tmp_path / "map").build["frames"]
    assert [pair[0] for pair in noted["skipped"]] == ["001", "003"]


def test_an_unforeseen_fault_of_one_frame_costs_that_frame(tmp_path):
    class Faulty(Walk):
        def read(self, frame_id):
            return {}[frame_id] if frame_id == "002" else super().read(frame_id)

    progress, _ = build(tmp_path / "map", Faulty())
    assert (progress.used, dict(progress.reasons)) == (5, {"KeyError: '002'": 1})


def test_a_sequence_without_a_usable_frame_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match=r"None of the 2 frames could be used. Frame 000: 000.depth"):
        build(tmp_path / "map", Walk(frames=2, broken=(0, 1)))
    assert not (tmp_path / "map").exists()


def test_every_third_frame_with_skip_two(tmp_path):
    build(tmp_path / "map", Walk(frames=7), skip=2)
    assert read_manifest(tmp_path / "map").build["frames"]["done"] == 3


def test_a_map_is_not_replaced_unasked(tmp_path):
    build(tmp_path / "map", Walk(frames=2))
    before = content(tmp_path / "map")
    with pytest.raises(InputError, match="holds a map"):
        build(tmp_path / "map", Walk(frames=3))
    assert content(tmp_path / "map") == before
    build(tmp_path / "map", Walk(frames=3), existing="overwrite")
    build(tmp_path / "fresh", Walk(frames=3))
    assert content(tmp_path / "map") == content(tmp_path / "fresh")


def test_resuming_with_other_settings_or_frames_is_refused(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    with pytest.raises(InputError, match="skip was 0, is now 1"):
        build(tmp_path / "map", Walk(), existing="resume", skip=1)
    other = replace_ids(Walk())
    with pytest.raises(InputError, match="not those in the map"):
        build(tmp_path / "map", other, existing="resume")
    coarser = lambda: Mapper(description(dtype="float16", voxel_size=0.2), grid_lift())  # noqa: E731
    with pytest.raises(InputError, match="voxel_size is 0.2, not 0.1"):
        build(tmp_path / "map", Walk(), existing="resume", make_mapper=coarser)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("space", "none"),
        ("prompts", Vocabulary.parse(["red", "blue"])),
        ("voxel_size", 0.1),
        ("store", "float32"),
        ("frame", "kitchen"),
        ("max_depth", 2.0),
        ("max_points", 9),
        ("box", ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))),
        ("skip", 1),
        ("components", 2),
    ],
)
def test_every_setting_decides_the_map(tmp_path, name, value):
    before = BuildRequest(tmp_path).parameters(Walk())
    now = BuildRequest(tmp_path, MapSettings(**{name: value})).parameters(Walk())
    with pytest.raises(InputError, match=rf"settings: {name} was [^;]*\. --resume"):
        require_same(before, now)
    require_same(now, json.loads(json.dumps(now)))


@pytest.mark.parametrize(
    ("name", "value"),
    [("layout", "tum"), ("depth_scale", 5000.0), ("poses", "world-to-camera"), ("axes", "opengl")],
)
def test_how_a_recording_is_read_decides_the_map(tmp_path, name, value):
    before = BuildRequest(tmp_path, recording=Recording(tmp_path)).parameters(Digested("a"))
    now = BuildRequest(tmp_path, recording=Recording(tmp_path, **{name: value})).parameters(Digested("a"))
    with pytest.raises(InputError, match=rf"settings: {name} was [^;]*\. --resume"):
        require_same(before, now)


def test_the_model_and_the_sequence_decide_the_map(tmp_path):
    first = BuildRequest(tmp_path, recording=Recording(tmp_path), model_parameters={"model": "x"})
    other = BuildRequest(tmp_path, recording=Recording(tmp_path), model_parameters={"model": "y"})
    with pytest.raises(InputError, match=r'model was "x", is now "y"; sequence was "a", is now "b"'):
        require_same(first.parameters(Digested("a")), other.parameters(Digested("b")))


class Digested(Walk):
    """A walk that says what files it is of."""

    def __init__(self, digest):
        super().__init__()
        self.digest = lambda: digest


def replace_ids(walk):
    class Renamed(Walk):
        def frame_ids(self):
            return tuple(f"9{name}" for name in walk.frame_ids())

    return Renamed()


def test_a_map_is_not_merged_with_itself_grown_or_with_what_it_grew_from(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    shutil.copytree(tmp_path / "map", tmp_path / "copy")
    merge_into([tmp_path / "map", build_of_other_frames(tmp_path)], tmp_path / "merged")
    build(tmp_path / "map", Walk(frames=6), existing="resume")
    for other, message in (("copy", "the same map .* at two times"), ("merged", "was merged from .*/map")):
        with pytest.raises(InputError, match=f"{message}.* count twice"):
            merge_into([tmp_path / other, tmp_path / "map"], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def build_of_other_frames(tmp_path):
    build(tmp_path / "other", Walk(broken=(0, 1, 2)))
    return tmp_path / "other"


def test_a_longer_recording_is_taken_up_where_the_map_ends(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    build(tmp_path / "map", Walk(frames=6), existing="resume")
    build(tmp_path / "whole", Walk(frames=6))
    assert content(tmp_path / "map") == content(tmp_path / "whole")


def test_an_exchanged_tile_stops_the_resumed_build(tmp_path):
    build(tmp_path / "map", Walk(frames=3))
    tiles = sorted((tmp_path / "map" / TILES).iterdir())
    for tile in tiles:
        data = bytearray(tile.read_bytes())
        data[-1] ^= 1
        tile.write_bytes(data)
    assert {name for name, fault in verify_map(tmp_path / "map") if fault} == {tile.name for tile in tiles}
    with pytest.raises(CheckpointError, match="SHA-256"):
        build(tmp_path / "map", Walk(), existing="resume")


def test_a_linked_tile_folder_is_not_written_through(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / TILES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match="is a link"):
        build(tmp_path / "map", Walk())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_cameras_up_is_noted(tmp_path):
    build(tmp_path / "map", Walk(frames=2))
    up = torch.tensor(SemanticMap.open(tmp_path / "map").build["frames"]["camera_up"])
    assert torch.allclose(up / up.norm(), torch.tensor([0.0, -1, 0]), atol=1e-6)  # the walk's y points down


def test_kill_9_at_thirty_moments_leaves_the_same_map(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")  # torch is imported once, not thirty times
    processes.set_forkserver_preload(["torch", "pytest", "radseg.mapping.builder", "mapping.map_folders"])
    build(tmp_path / "whole", Walk(frames=150))
    moments, folder, done = random.Random(11), tmp_path / "killed", []
    for _ in range(30):
        killed(processes, folder, moments)
        if (folder / MANIFEST).exists():
            assert is_sound(folder)
            done.append(read_manifest(folder).build["frames"]["done"])
    assert len(set(done)) > 10, "the kills must fall on different frames"
    build(folder, Walk(frames=150), existing="resume")
    assert content(folder) == content(tmp_path / "whole")
