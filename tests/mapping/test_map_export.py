"""Exported maps, read back by others."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mapping.map_builders import CHANNELS, description, frame, grid_lift, grown
from radseg.errors import InputError
from radseg.mapping.builder import Builder
from radseg.mapping.export import export
from radseg.mapping.identity import identified
from radseg.mapping.mapper import Mapper
from radseg.mapping.named import NamedVoxels
from radseg.mapping.query import Answer
from radseg.mapping.semantic_map import Chunk, SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import centres


@pytest.fixture(scope="module")
def voxels():
    return grown(range(2)).to_semantic_map()


def all_chunks(voxels):
    """Return the voxels in the order of the chunks, which exporters keep."""
    return Chunk(*(torch.cat(parts) for parts in zip(*voxels.chunks(), strict=True)))


def expected_points(voxels):
    return centres(voxels.whole().keys, 0.1).numpy()


TURNS = {
    "+x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    "+y": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    "-y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "+z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
}
"""Worlds: rotations that turn -y, where the images' tops point in the walk of map_builders, to an axis."""


@pytest.fixture(params=TURNS)
def held(request, tmp_path):
    """Return an axis, and a map built with cameras whose images' tops point along it."""
    turn = torch.eye(4, dtype=torch.float64)
    turn[:3, :3] = torch.tensor(TURNS[request.param])
    assert turn.det() == 1
    what = description()
    builder = Builder(
        Mapper(what, grid_lift()), VoxelMap(what, folder=tmp_path / "map"), tmp_path / "map", {}
    )
    (tmp_path / "map").mkdir()

    def read(frame_id):
        one = frame(int(frame_id))
        return replace(one, camera_to_world=turn @ one.camera_to_world)

    builder.run(["0", "1"], read, Watcher())
    return request.param, SemanticMap.open(tmp_path / "map")


class Watcher:
    def frame(self, frame_id, points, reason):
        assert points, reason


def in_order(points):
    return points[np.lexsort(points.T[::-1])]


def test_ply_is_read_by_trimesh(voxels, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    export(voxels, tmp_path / "map.ply")
    cloud = trimesh.load(tmp_path / "map.ply")
    chunk = all_chunks(voxels)
    assert np.array_equal(cloud.vertices.astype(np.float32), centres(chunk.keys, 0.1).numpy())
    assert np.abs(cloud.colors[:, :3] / 255 - chunk.colours.numpy()).max() <= 0.5 / 255 + 1e-6
    weights = cloud.metadata["_ply_raw"]["vertex"]["data"]["weight"]
    assert np.array_equal(weights.ravel(), chunk.weights.numpy())


def test_glb_is_read_by_trimesh_with_y_up(voxels, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    export(voxels, tmp_path / "map.glb")
    (cloud,) = trimesh.load(tmp_path / "map.glb").geometry.values()
    points = expected_points(voxels)
    # Without a note on the cameras z is up, which glTF calls y: x y z → x z -y.
    turned = points[:, [0, 2, 1]] * np.array([1, 1, -1], np.float32)
    assert np.array_equal(in_order(np.asarray(cloud.vertices, np.float32)), in_order(turned))


def test_glb_turns_the_axis_that_the_cameras_held_up_to_y(held, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    up, opened = held
    export(opened, tmp_path / "map.glb")
    (cloud,) = trimesh.load(tmp_path / "map.glb").geometry.values()
    points, written = centres(all_chunks(opened).keys, 0.1).numpy(), np.asarray(cloud.vertices)
    height = points[:, "xyz".index(up[1])] * (1 if up[0] == "+" else -1)
    assert np.allclose(written[:, 1], height, atol=1e-6)
    turn = np.linalg.lstsq(points, written, rcond=None)[0].T
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(turn) == pytest.approx(1)  # turned, not mirrored


def test_pcd_follows_its_header(voxels, tmp_path):
    export(voxels, tmp_path / "map.pcd")
    header, body = (tmp_path / "map.pcd").read_bytes().split(b"DATA binary\n")
    assert f"POINTS {len(voxels)}\n".encode() in header
    table = np.frombuffer(body, np.dtype([("xyz", "<f4", 3), ("rgb", "<u4"), ("weight", "<f4")]))
    chunk = all_chunks(voxels)
    assert np.array_equal(table["xyz"], centres(chunk.keys, 0.1).numpy())
    colours = np.round(chunk.colours.numpy() * 255).astype(np.uint32)
    assert np.array_equal(table["rgb"], colours @ np.array([65536, 256, 1], np.uint32))


def test_npz_holds_everything(voxels, tmp_path):
    export(voxels, tmp_path / "map.npz")
    with np.load(io.BytesIO((tmp_path / "map.npz").read_bytes())) as stored:
        arrays = dict(stored)
    chunk = voxels.whole()
    assert np.array_equal(arrays["keys"], chunk.keys.numpy())
    assert np.array_equal(arrays["centres"], expected_points(voxels))
    assert arrays["values"].shape == (len(voxels), CHANNELS)
    assert np.array_equal(arrays["values"], chunk.values.numpy())
    assert np.array_equal(arrays["weights"], chunk.weights.numpy())
    assert json.loads(str(arrays["meta"]))["voxel_size"] == 0.1


def test_rrd_is_a_rerun_recording(voxels, tmp_path):
    pytest.importorskip("rerun")
    export(voxels, tmp_path / "map.rrd")
    assert (tmp_path / "map.rrd").read_bytes()[:4] == b"RRF2"


def test_rrd_says_which_axis_the_cameras_held_up_and_turns_no_point(held, tmp_path, monkeypatch):
    rerun = pytest.importorskip("rerun")
    logged = {}
    monkeypatch.setattr(
        rerun.RecordingStream, "log", lambda self, path, what, *, static: logged.update({path: what})
    )
    up, opened = held
    export(opened, tmp_path / "map.rrd")
    # Rerun's numbers for what x, y and z are: 1 up, 2 down, 3 right, 4 left, 5 forward, 6 back.
    (codes,) = logged["map"].as_arrow_array().to_pylist()
    assert codes["xyz".index(up[1])] == (1 if up[0] == "+" else 2)
    right_up_back = {1: (0, 1, 0), 2: (0, -1, 0), 3: (1, 0, 0), 4: (-1, 0, 0), 5: (0, 0, -1), 6: (0, 0, 1)}
    assert np.linalg.det([right_up_back[code] for code in codes]) == pytest.approx(1)  # right-handed
    points = logged["map/voxels"].positions.as_arrow_array().to_pylist()
    assert np.array_equal(np.float32(points), centres(all_chunks(opened).keys, 0.1).numpy())
    assert logged["map/voxels"].radii.as_arrow_array().to_pylist() == [pytest.approx(0.05)]


@pytest.fixture(scope="module")
def named(voxels):
    """Two objects: the first half of the voxels a "red ball", some of the others a "Tür"."""
    keys = all_chunks(voxels).keys.numpy()
    count = len(keys)
    labels = np.where(np.arange(count) < count // 2, 1, np.where(np.arange(count) % 3 == 0, 2, 0))
    scores = np.stack([np.full(count, 0.9), np.full(count, 0.6)]).astype(np.float32)
    answer = Answer(("red ball", "Tür"), keys, scores, labels.astype(np.int64), "background", 0.5, 0.1)
    found = identified(answer.objects(min_size=0), keys, None)
    return NamedVoxels.of(answer, {name: some[:1] for name, some in found.items()})


def test_names_and_objects_are_columns_of_a_ply_and_its_comments_say_what_they_are(voxels, named, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    export(voxels, tmp_path / "map.ply", named)
    data = trimesh.load(tmp_path / "map.ply").metadata["_ply_raw"]["vertex"]["data"]
    assert np.array_equal(data["label"].ravel(), named.labels)
    assert np.array_equal(data["object"].ravel(), named.numbers)
    assert np.allclose(data["score"].ravel()[named.labels == 1], 0.9)
    assert not data["score"].ravel()[named.labels == 0].any()
    header = (tmp_path / "map.ply").read_bytes().split(b"end_header")[0].decode("ascii")
    assert 'comment label 1 "red ball"' in header
    boxes = [json.loads(line[15:]) for line in header.splitlines() if line.startswith("comment object ")]
    assert [box["name"] for box in boxes] == [one.name for one in named.objects]
    assert boxes[0]["id"] == named.objects[0].id


def test_names_and_objects_are_columns_of_a_pcd(voxels, named, tmp_path):
    export(voxels, tmp_path / "map.pcd", named)
    header, body = (tmp_path / "map.pcd").read_bytes().split(b"DATA binary\n")
    assert (
        b"FIELDS x y z rgb weight label score object\nSIZE 4 4 4 4 4 4 4 4\nTYPE F F F F F I F I\n" in header
    )
    table = np.frombuffer(body, "<f4").reshape(len(voxels), 8)
    assert np.array_equal(table[:, 5].view(np.int32), named.labels)
    assert np.array_equal(table[:, 7].view(np.int32), named.numbers)


def test_npz_has_them_in_its_own_order(voxels, named, tmp_path):
    export(voxels, tmp_path / "map.npz", named)
    with np.load(tmp_path / "map.npz") as stored:
        arrays = dict(stored)
    chunk = all_chunks(voxels).keys.numpy()
    label_of = {tuple(key): label for key, label in zip(chunk.tolist(), named.labels, strict=True)}
    assert [label_of[tuple(key)] for key in arrays["keys"].tolist()] == arrays["labels"].tolist()
    assert set(arrays["objects"].tolist()) == {0, 1, 2}
    assert json.loads(str(arrays["named"]))["names"] == ["red ball", "Tür"]


def test_glb_has_a_node_of_lines_per_object(voxels, named, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    export(voxels, tmp_path / "map.glb", named)
    scene = trimesh.load(tmp_path / "map.glb")
    nodes = {f"{one.name} {one.id}": one for one in named.objects}
    assert nodes.keys() <= set(scene.graph.nodes_geometry)
    first = named.objects[0]
    transform, name = scene.graph[f"{first.name} {first.id}"]
    vertices = trimesh.transform_points(scene.geometry[name].vertices, transform)
    turned = first.box.corners[:, [0, 2, 1]] * np.array([1, 1, -1])  # z is up, which glTF calls y
    assert np.allclose(vertices.min(0), turned.min(0), atol=1e-5)
    assert np.allclose(vertices.max(0), turned.max(0), atol=1e-5)


def test_rrd_has_labelled_boxes_turned_as_they_are(voxels, named, tmp_path, monkeypatch):
    rerun = pytest.importorskip("rerun")
    logged = {}
    monkeypatch.setattr(
        rerun.RecordingStream, "log", lambda self, path, what, *, static: logged.update({path: what})
    )
    export(voxels, tmp_path / "map.rrd", named)
    boxes, first = logged["map/objects"], named.objects[0]
    assert boxes.labels.as_arrow_array().to_pylist()[0].startswith(first.name)
    half = boxes.half_sizes.as_arrow_array().to_pylist()[0]
    assert np.allclose(half, np.array(first.box.size) / 2)
    turn = Rotation.from_quat(boxes.quaternions.as_arrow_array().to_pylist()[0]).as_matrix()
    assert np.allclose(turn, np.array(first.box.axes).T, atol=1e-6)


def test_of_overlapping_objects_the_best_has_the_voxel():
    keys = np.array(list(np.ndindex(3, 3, 3)))
    scores = np.stack([np.full(27, 0.7), np.full(27, 0.8)]).astype(np.float32)
    answer = Answer(("a", "b"), keys, scores, np.full(27, 2), "independent", 0.5, 0.1)
    named = NamedVoxels.of(answer, answer.objects())
    assert [one.name for one in named.objects] == ["b", "a"]
    assert set(named.numbers.tolist()) == {1}


def test_an_unknown_suffix_is_refused_with_the_known_ones(voxels, tmp_path):
    with pytest.raises(InputError, match=r"\.ply, \.pcd, \.npz, \.glb, \.rrd"):
        export(voxels, tmp_path / "map.obj")


def test_an_empty_map_is_not_exported(tmp_path):
    with pytest.raises(InputError, match="no voxels"):
        export(VoxelMap(description()).to_semantic_map(), tmp_path / "map.ply")
    assert not (tmp_path / "map.ply").exists()
