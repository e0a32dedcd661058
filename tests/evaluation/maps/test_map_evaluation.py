"""Evaluations in 3D on folders as the data sets have them, with the toy model: colours are classes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from eval_cases import Silent
from radseg.cli.app import app
from radseg.errors import InputError, MissingFileError
from radseg.evaluation.maps.run import (
    MapEvalRequest,
    model_options,
    parse_protocol,
    result_lines,
    run_map_evaluation,
)
from radseg.evaluation.maps.sets import open_scene, scenes_of
from radseg.evaluation.paper.map_protocols import MAP_PROTOCOLS, ROWS, row_of
from radseg.evaluation.paper.published import TABLE_2
from radseg.miniature.walk import RoomWalk
from radseg.presets.spec import model_spec
from radseg.presets.table import PRESETS
from radseg.types import Size
from rgbd_builders import UNIT, record, write, write_replica, write_scannet
from written_paths import named

CLASSES = ("red", "brown", "white")


@pytest.fixture(scope="module")
def recording():
    return record()


def points_of(recording):
    """Return world points of all pixels and their labels 1 … 3, by hand."""
    points, labels = [], []
    v, u = np.mgrid[0:36, 0:48]
    for depth, pose, label in zip(recording.depth, recording.poses, recording.labels, strict=True):
        z = depth / UNIT
        camera = np.stack([(u - 23.5) / recording.focal * z, (v - 17.5) / recording.focal * z, z], -1)
        points.append(camera.reshape(-1, 3) @ pose[:3, :3].T + pose[:3, 3])
        labels.append(label.reshape(-1) % 3 + 1)
    return np.concatenate(points), np.concatenate(labels)


def replica(root, recording):
    scene = write_replica(root, recording)
    rows = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    write(root / "semantic_info/office_0/info_semantic.json", json.dumps({"classes": rows}))
    points, labels = points_of(recording)
    truth = {
        "semseg_gt_xyz": torch.from_numpy(points),
        "semseg_gt_label": torch.from_numpy(labels.astype(int)),
    }
    torch.save(truth, scene / "external_semseg_gt.pt")
    return root


def request(root, output, dataset="replica", space="features", **changes):
    row = replace(
        MAP_PROTOCOLS[dataset], colour=Size(36, 48), depth=Size(36, 48), frame_skip=1, voxel_size=0.2
    )
    row = replace(row, scenes=row.scenes[:1])
    model = model_spec("toy", defaults=model_options(row))
    return MapEvalRequest(row, space, root, model, output, **changes)


@pytest.mark.parametrize("space", ["features", "probabilities"])
def test_a_scene_is_scored_and_written(tmp_path, recording, space):
    lines = []
    result = run_map_evaluation(
        request(replica(tmp_path, recording), tmp_path / "o", space=space), lines.append, Silent()
    )
    assert lines[0].startswith("[1/1] office0")
    scene = result["scenes"][0]
    assert scene["frames"] == 3
    assert [row["name"] for row in scene["classes"]] == list(CLASSES)
    assert 0 <= scene["miou"] <= 1
    assert result["mean"]["miou"] == scene["miou"]
    assert json.loads((tmp_path / "o/result.json").read_text())["format"] == "radseg-map-eval/1"
    assert "mean" in "\n".join(result_lines(result))
    nothing = {"miou": None, "fmiou": None, "accuracy": None}
    lines = result_lines(result | {"mean": nothing, "scenes": [scene | nothing]})
    assert "has no judged voxel" in "\n".join(lines)
    assert not any("mean" in line for line in lines)


@pytest.mark.parametrize(("keep_paths", "times"), [(False, 0), (True, 1)])
def test_the_folder_of_the_data_is_kept_only_where_it_is_asked_for(tmp_path, recording, keep_paths, times):
    data = replica(tmp_path / "data", recording)
    min((data / "office0/results").glob("depth*")).write_bytes(b"no image")  # its reason names the file
    asked = request(data, tmp_path / "o", keep_paths=keep_paths)
    (scene,) = run_map_evaluation(asked, lambda _: None, Silent())["scenes"]
    assert len(scene["skipped"]) == 1
    assert named(tmp_path / "o", data) == named(tmp_path / "o", tmp_path) == times
    data.rename(tmp_path / "moved")
    moved = replace(asked, data=tmp_path / "moved", existing="resume")
    assert run_map_evaluation(moved, lambda _: None, Silent())["scenes"] == [scene]


def test_truth_labels_as_predictions_would_be_perfect(tmp_path, recording):
    """The truth of Replica comes from points; every voxel of the frames that are read is among them."""
    scene = open_scene(request(replica(tmp_path, recording), tmp_path).protocol, tmp_path, "office0")
    points, _ = points_of(recording)
    expected = np.unique(np.rint(points.astype(np.float32) / np.float32(0.2)).astype(int), axis=0)
    assert np.array_equal(scene.truth.keys, expected)
    assert set(scene.truth.labels.tolist()) <= {1, 2, 3}


def test_a_finished_scene_is_not_done_again_and_other_settings_are_refused(tmp_path, recording):
    asked = request(replica(tmp_path, recording), tmp_path / "o")
    first = run_map_evaluation(asked, lambda _: None, Silent())
    with pytest.raises(InputError, match="holds an evaluation"):
        run_map_evaluation(asked, lambda _: None, Silent())
    told = []
    again = run_map_evaluation(replace(asked, existing="resume"), told.append, Silent())
    assert told == []
    assert again["scenes"] == first["scenes"]
    with pytest.raises(InputError, match="other settings: space"):
        run_map_evaluation(replace(asked, existing="resume", space="probabilities"), told.append, Silent())
    run_map_evaluation(replace(asked, existing="overwrite", space="probabilities"), told.append, Silent())
    assert len(told) == 1


def test_a_bad_scene_is_named_and_the_others_go_on(tmp_path, recording):
    root = replica(tmp_path, recording)
    (root / "office1").mkdir()
    asked = request(root, tmp_path / "o")
    asked = replace(asked, protocol=replace(asked.protocol, scenes=("office1", "office0")))
    result = run_map_evaluation(asked, lambda _: None, Silent())
    assert "traj.txt" in result["scenes"][0]["failed"] or "semantic_info" in result["scenes"][0]["failed"]
    assert result["mean"]["miou"] == result["scenes"][1]["miou"]
    (root / "office0/external_semseg_gt.pt").unlink()
    with pytest.raises(InputError, match="No scene could be evaluated"):
        run_map_evaluation(replace(asked, existing="overwrite"), lambda _: None, Silent())


def test_missing_scenes_are_listed_unless_partial(tmp_path, recording):
    root = replica(tmp_path, recording)
    row = MAP_PROTOCOLS["replica"]
    with pytest.raises(MissingFileError, match="lacks 7 of the 8 scenes of replica: office1, office2"):
        scenes_of(row, root)
    assert scenes_of(row, root, partial=True) == ("office0",)
    with pytest.raises(MissingFileError, match="no folder"):
        scenes_of(row, root / "nowhere")


def test_scannet_truth_is_lifted_from_its_labels(tmp_path, recording):
    scan = write_scannet(tmp_path, recording)
    scan.rename(tmp_path / "scene0011_00")
    folder = tmp_path / "scene0011_00"
    (folder / "scene0000_00_2d-label-filt").rename(folder / "scene0011_00_2d-label-filt")
    highest = int(max(labels.max() for labels in recording.labels))
    ignored = ("otherprop", "otherstructure", "otherfurniture")
    names = ["red", "brown", "white", *ignored]
    rows = [f"{i}\t{i % 6 + 1}\t{names[i % 6]}" for i in range(1, max(highest, 6) + 1)]
    write(tmp_path / "scannetv2-labels.combined.tsv", "\n".join(["id\tnyu40id\tnyu40class", *rows]))
    result = run_map_evaluation(request(tmp_path, tmp_path / "o", "scannet"), lambda _: None, Silent())
    assert [row["name"] for row in result["scenes"][0]["classes"]] == list(CLASSES)
    judged = sum(row["tp"] + row["fn"] for row in result["scenes"][0]["classes"])
    assert 0 < judged <= result["scenes"][0]["voxels"]


def test_protocol_names_choose_space_and_rules():
    assert parse_protocol("replica", None) == (MAP_PROTOCOLS["replica"], "features")
    row, space = parse_protocol("scannet", "probabilities-published")
    assert (row.rules, space) == ("published", "probabilities")
    with pytest.raises(InputError, match="no protocol 'mid' in 3D"):
        parse_protocol("replica", "mid")


def test_the_table_holds_the_papers_scenes_and_values():
    """Mapping spec 1 and 1.0: the tables."""
    assert [len(row.scenes) for row in MAP_PROTOCOLS.values()] == [8, 12, 9, 8]
    assert MAP_PROTOCOLS["scannet"].scenes[1] == "scene0011_01"
    assert MAP_PROTOCOLS["scannet"].colour == Size(640, 864)
    assert row_of("radseg-b", "features", refined=False).replica == (32.29, 58.96)
    assert row_of("radseg-b+", "probabilities", refined=True).scannet == (38.58, 48.49)
    assert row_of("trident-b", "probabilities", refined=True).replica == (27.38, 49.81)
    assert row_of("trident-b-paper", "probabilities", refined=False).replica == (25.44, 47.48)
    assert row_of("trident-b", "features", refined=True) is None
    assert row_of("radseg-h", "features", refined=False) is None
    assert set(ROWS) <= set(PRESETS)


def test_rows_made_with_images_that_were_not_normalised_are_marked_and_have_presets_that_do_so():
    marked = {row.method for row in TABLE_2 if "not normalised" in row.note}
    assert marked == {"RayFronts", "Trident", "Trident with refinement"}
    raw = {name for name in ROWS if getattr(PRESETS[name].options, "input_values", "") == "raw"}
    assert {name for row in raw for name in ROWS[row] if name} == marked
    lines = result_lines(
        {"dataset": "replica", "space": "features", "protocol": {"rules": "clean"}, "preset": "rayfronts-b"}
        | {"scenes": [], "mean": {"miou": None}, "paper": (28.39, 52.05), "paper_note": "not normalised"}
    )
    assert lines[-1].endswith("(not normalised)")


def test_rendered_walks_need_no_data_and_keep_the_models_sizes(monkeypatch):
    monkeypatch.setattr(RoomWalk.__init__, "__kwdefaults__", {"frames": 2, "size": Size(60, 80)})
    row = replace(MAP_PROTOCOLS["walks"], scenes=("910003",))
    model = model_spec("miniature", defaults=model_options(row))
    assert model == model_spec("miniature")
    assert scenes_of(row, None) == ("910003",)
    scene = open_scene(row, None, "910003")
    assert len(scene.sequence.frame_ids()) == 2
    assert set(np.unique(scene.truth.labels)) <= set(range(1, len(scene.names) + 1))
    with pytest.raises(InputError, match="Where is replica"):
        scenes_of(MAP_PROTOCOLS["replica"], None)


def test_objects_of_rendered_walks_are_judged(monkeypatch, tmp_path):
    monkeypatch.setattr(RoomWalk.__init__, "__kwdefaults__", {"frames": 2, "size": Size(48, 64)})
    row = replace(MAP_PROTOCOLS["walks"], scenes=("910003",), voxel_size=0.1)
    wanted = MapEvalRequest(row, "features", None, model_spec("miniature"), tmp_path / "o", objects=True)
    result = run_map_evaluation(wanted, lambda line: None, Silent())
    assert 0 < result["objects"]["ap25"]["value"] <= 1
    assert "AP50" in "\n".join(result_lines(result))
    assert run_map_evaluation(replace(wanted, existing="resume"), lambda line: None, Silent()) == result
    with pytest.raises(InputError, match="objects"):
        run_map_evaluation(replace(wanted, objects=False, existing="resume"), lambda line: None, Silent())


def test_objects_are_judged_where_the_true_ones_are_known(tmp_path, recording, run):
    replica(tmp_path, recording)
    typed = ["eval", "replica", "--data", str(tmp_path), "-m", "toy", "--partial", "--objects"]
    refused = run(*typed, "-o", str(tmp_path / "o"))
    assert (refused.exit_code, "--objects takes walks and scannet" in refused.output) == (2, True)
    walks = run("eval", "walks", "-m", "toy", "--objects", "--protocol", "probabilities")
    assert (walks.exit_code, "leave out --protocol probabilities" in walks.output) == (2, True)


def test_the_command_line_evaluates_in_3d(tmp_path, recording, run):
    replica(tmp_path, recording)
    typed = ["eval", "replica", "--data", str(tmp_path), "-m", "toy", "--partial", "-o", str(tmp_path / "o")]
    done = run(*typed, "--log-format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["scenes"][0]["scene"] == "office0"
    assert run(*typed, "--check").exit_code == 2


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(app, list(words))


def test_the_command_line_draws_scenes_in_3d(tmp_path, recording, run):
    replica(tmp_path, recording)
    typed = ["sheet", "replica", "--data", str(tmp_path), "--partial", "-o", str(tmp_path / "s"), "-m"]
    done = run(*typed, "toy", "--protocol", "probabilities")
    assert done.exit_code == 0, done.output
    assert [file.name for file in (tmp_path / "s").iterdir()] == ["office0.png"]
    assert "reads them before" in " ".join(run(*typed, "miniature-resradio").output.split())
