"""The objects of a ScanNet scan, from a scan in its own layout."""

import json

import numpy as np
import pytest
import trimesh

from radseg.datasets.rgbd.scannet_objects import (
    SMALLEST,
    read_scannet_objects,
    scannet200_categories,
    scannet200_names,
)
from radseg.errors import InputError, MissingFileError

TABLE = "id\traw_category\tnyu40id\n1\twall\t1\n2\tchair\t5\n35\toffice lamp\t35\n600\todd thing\t40\n"
GROUPS = [("wall", [10]), ("chair", [20, 21]), ("wall", [11]), ("chair", [22]), ("odd thing", [30])]
SEGMENTS = np.repeat([10, 11, 20, 21, 22, 30, 40], [30, 40, 70, 80, SMALLEST - 1, 5, 6])


def write_scan(root):
    scan = root / "scene0000_00"
    scan.mkdir()
    (root / "scannetv2-labels.combined.tsv").write_text(TABLE)
    groups = [{"id": i, "objectId": i, "segments": s, "label": n} for i, (n, s) in enumerate(GROUPS)]
    aggregation = {"sceneId": "scannet.scene0000_00", "segGroups": groups}
    (scan / "scene0000_00.aggregation.json").write_text(json.dumps(aggregation))
    numbers = {"sceneId": "scene0000_00", "segIndices": SEGMENTS.tolist()}
    (scan / "scene0000_00_vh_clean_2.0.010000.segs.json").write_text(json.dumps(numbers))
    points = np.random.default_rng(0).random((len(SEGMENTS), 3))
    (scan / "scene0000_00_vh_clean_2.ply").write_bytes(trimesh.PointCloud(points).export(file_type="ply"))
    return scan, points


def test_objects_are_their_segments_and_walls_are_one(tmp_path):
    scan, points = write_scan(tmp_path)
    read = read_scannet_objects(scan, scannet200_categories(tmp_path))
    assert read.points == pytest.approx(points, abs=1e-6)
    assert read.segments.ids.tolist() == np.repeat([1, 1, 2, 2, 3, 0, 0], [30, 40, 70, 80, 99, 5, 6]).tolist()
    names = scannet200_names()
    assert [names[i] for i in read.segments.labels] == ["wall", "chair", "chair"]
    assert read.segments.crowd.tolist() == [False, False, True]


def test_categories_outside_the_benchmark_have_no_class(tmp_path):
    write_scan(tmp_path)
    assert set(scannet200_categories(tmp_path)) == {"wall", "chair", "office lamp"}


def test_the_list_of_classes_is_the_published_one():
    names = scannet200_names()
    assert len(names) == len(set(names)) == 200
    assert (names[0], names[2], names[199]) == ("wall", "floor", "mattress")


def test_files_that_do_not_go_together_are_refused(tmp_path):
    scan, _ = write_scan(tmp_path)
    segments = scan / "scene0000_00_vh_clean_2.0.010000.segs.json"
    segments.write_text('{"segIndices": [1, 2]}')
    with pytest.raises(InputError, match="330 vertices, but segments of 2"):
        read_scannet_objects(scan, {})
    segments.write_text('{"segIndices": "none"}')
    with pytest.raises(InputError, match="no segIndices"):
        read_scannet_objects(scan, {})


def test_what_is_missing_or_foreign_is_named(tmp_path):
    scan, _ = write_scan(tmp_path)
    (scan / "scene0000_00.aggregation.json").write_text('{"segGroups": [3]}')
    with pytest.raises(InputError, match="no aggregation of ScanNet"):
        read_scannet_objects(scan, {})
    (scan / "scene0000_00_vh_clean_2.ply").write_text("no ply")
    with pytest.raises(InputError, match="is no PLY"):
        read_scannet_objects(scan, {})
    (scan / "scene0000_00_vh_clean_2.ply").unlink()
    with pytest.raises(MissingFileError, match="vh_clean_2.ply"):
        read_scannet_objects(scan, {})
    (tmp_path / "scannetv2-labels.combined.tsv").write_text("id\tname\n1\twall\n")
    with pytest.raises(InputError, match="columns id and raw_category"):
        scannet200_categories(tmp_path)
