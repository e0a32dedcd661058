"""Real frames: the voxel counts that the recording's README gives."""

import pytest

from radseg.datasets.rgbd import open_sequence
from radseg.runs.lifting import colour_mapper
from radseg.runs.mapping import BuildRequest, build_map


class Silent:
    def started(self, todo, earlier, folder):
        pass

    def frame(self, frame_id, points, reason):
        pass

    def ended(self, manifest, progress, folder):
        self.voxels = manifest.voxels


@pytest.mark.parametrize(("voxel_size", "voxels"), [(0.02, 187_553), (0.05, 22_883), (0.10, 5_037)])
def test_the_kitchen_has_the_voxels_of_its_readme(shared, tmp_path, voxel_size, voxels):
    sequence = open_sequence(shared / "data/rgbd_kitchen")
    watcher = Silent()
    build_map(BuildRequest(tmp_path / "map"), sequence, lambda: colour_mapper(voxel_size), watcher)
    assert watcher.voxels == voxels
