"""The figure of a scene in 3D: labels as they are scored, one camera, up as the cameras held it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eval_cases import Silent
from radseg.evaluation.maps.run import MapEvalRequest, model_options, run_map_evaluation
from radseg.evaluation.maps.scenes import score_labels
from radseg.evaluation.maps.sets import open_scene
from radseg.evaluation.maps.sheet import _up, answer, scene_figure
from radseg.evaluation.maps.truth import LabelledVoxels
from radseg.evaluation.paper.map_protocols import MAP_PROTOCOLS
from radseg.miniature.walk import RoomWalk
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.types import Size

WALKS = replace(MAP_PROTOCOLS["walks"], scenes=("910000",), voxel_size=0.1)


@pytest.fixture(scope="module", autouse=True)
def _short_walks():
    patch = pytest.MonkeyPatch()
    patch.setattr(RoomWalk.__init__, "__kwdefaults__", {"frames": 2, "size": Size(120, 160)})
    yield
    patch.undo()


@pytest.mark.parametrize("space", ["features", "probabilities"])
def test_a_model_answers_as_it_is_scored(space, tmp_path):
    model = model_spec("miniature", short_side=112, defaults=model_options(WALKS))
    request = MapEvalRequest(WALKS, space, None, model, tmp_path)
    scored = run_map_evaluation(request, lambda _: None, Silent())["scenes"][0]
    scene = open_scene(WALKS, None, "910000")
    found = answer("m", load("miniature", short_side=112), scene, WALKS, space)
    assert found.miou == scored["miou"]
    assert len(found.points) == len(found.labels) == scored["voxels"]
    predicted = LabelledVoxels(np.rint(found.points / WALKS.voxel_size).astype(int), found.labels)
    assert score_labels(scene.truth, predicted, scene.names, WALKS).miou == scored["miou"]


def test_truth_and_equal_labels_are_drawn_alike_and_other_labels_differ():
    scene = open_scene(WALKS, None, "910000")
    found = answer("m", load("miniature", short_side=112), scene, WALKS, "features")
    one, other = found, replace(found, labels=np.where(found.labels == 1, 2, 1))
    same = np.asarray(scene_figure(scene, [one, one], WALKS))
    tiles = [same[:360, left : left + 480] for left in range(12, same.shape[1], 492)]
    assert np.array_equal(tiles[2], tiles[3])
    changed = np.asarray(scene_figure(scene, [one, other], WALKS))
    assert not np.array_equal(changed[:360, 12 + 3 * 492 :], same[:360, 12 + 3 * 492 :])


@pytest.mark.parametrize(("column", "up"), [((0, 0, -1), "+z"), ((0.1, 1, 0.2), "-y"), ((-1, 0, 0.3), "+x")])
def test_up_is_where_the_tops_of_the_images_point(column, up):
    class Frames:
        def frame_ids(self):
            return tuple("abc")

        def read(self, _):
            pose = torch.eye(4)
            pose[:3, 1] = torch.tensor(column)
            return type("Frame", (), {"camera_to_world": pose})

    assert _up(Frames()) == up
