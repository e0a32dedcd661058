"""What an evaluation asks of the model, on real images, camera images and the miniature's rooms."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import radseg
from eval_cases import Silent
from radseg.datasets.base import IGNORE
from radseg.datasets.catalog import BENCHMARKS
from radseg.datasets.folder import open_folder
from radseg.evaluation.images.model import predict, prepare, session_facts, source_commit
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.rooms import Rooms
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.paper.protocols import protocol
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.refine.base import Refinement
from radseg.scoring import class_cosine

CAMVID = ["sky", "building", "pole", "road", "pavement", "tree"]
CAMVID += ["sign", "fence", "car", "pedestrian", "bicyclist"]


def evaluate(images, row, output, **changes):
    silent = Silent()
    model = model_spec("miniature", defaults=row.options)
    request = EvalRequest(images=images, protocol=row, model=model, output=output, **changes)
    return run_evaluation(request, silent, silent)


def test_a_prediction_equals_the_published_pipeline_written_out(shared):
    """OpenCV's resize, features, softmax, upsampling of all names, denoising, argmax (spec 6.1, 4.8, 4.9)."""
    images = BENCHMARKS["ade20k"].open(shared / "data/ade20k_sample", partial=True)
    row = protocol("ade20k", "low")
    names = ("wooden wall", "white ceiling", "red ball", "green box", "painting")
    model = model_spec("miniature", defaults=row.options, templates="none", denoising=0.4)
    segmenter = load(model)
    text, _ = segmenter.embed(names, mode="assign")
    for item in images.items:
        ours = predict(segmenter, text, prepare(images, row, item.id))
        pixels = cv2.imread(str(item.image))
        height, width = pixels.shape[:2]
        scale = min(2048 / max(height, width), 336 / min(height, width))
        resized = cv2.resize(pixels, (int(width * scale + 0.5), int(height * scale + 0.5)))[..., ::-1]
        features = segmenter.encoder.encode([torch.from_numpy(resized / 255.0).float().permute(2, 0, 1)])[0]
        low = (100 * class_cosine(features, text)).softmax(0)
        up = torch.nn.functional.interpolate(low[None], (height, width), mode="bilinear")[0]
        up[up.flatten(1).amax(1) < 0.4] = 0
        assert ours.shape == (height, width)
        assert np.array_equal(ours, up.argmax(0).numpy() + 1)


def test_a_method_that_needs_the_prompts_predicts_what_it_segments():
    rooms, row = Rooms(), protocol("miniature", "own")
    segmenter = load(model_spec("miniature-resradio", defaults=row.options))
    text, _ = segmenter.embed(("wooden wall", "white ceiling", "red ball"), mode="assign")
    room = prepare(rooms, row, rooms.ids[0])
    segmented = segmenter.segment(room.image, text, mode="assign").labels
    assert len(np.unique(segmented)) > 1
    assert np.array_equal(predict(segmenter, text, room), segmented)


@dataclass(frozen=True)
class Inverting:
    """A refiner that exchanges two names and remembers what it looked at."""

    seen: list

    def refine(self, images, coarse):
        self.seen.append((tuple(images[0].shape), tuple(coarse[0].labels.shape)))
        labels = torch.where(coarse[0].labels > 0, 3 - coarse[0].labels.int(), 0).to(coarse[0].labels)
        return [Refinement(labels, coarse[0].confidence, 1, 1)]


def test_refinement_sees_the_resized_image_and_gives_labels_of_the_truths_size(shared):
    images = BENCHMARKS["ade20k"].open(shared / "data/ade20k_sample", partial=True)
    seen = []
    plain = load("toy", short_side=None)
    text, _ = plain.embed(("green", "blue"), mode="assign")
    prepared = prepare(images, protocol("ade20k", "low"), images.ids[0])
    before = predict(plain, text, prepared)
    after = predict(replace(plain, refine=Inverting(seen)), text, prepared)
    assert seen == [((3, 336, 448), (512, 683))]
    assert np.array_equal(after[before > 0], 3 - before[before > 0])


def test_the_truth_keeps_its_size(shared):
    images = BENCHMARKS["ade20k"].open(shared / "data/ade20k_sample", partial=True)
    prepared = prepare(images, protocol("ade20k", "mid"), images.ids[0])
    assert prepared.truth.shape == (512, 683)
    assert tuple(prepared.image.shape) == (3, 576, 768)


def test_ade_in_its_own_layout_is_evaluated(shared, tmp_path):
    images = BENCHMARKS["ade20k"].open(shared / "data/ade20k_sample", partial=True)
    result = evaluate(images, protocol("ade20k", "low"), tmp_path / "out").result
    assert (result.split, result.images.done) == ("validation (2 of 2000 images)", 2)
    assert len(result.per_class) == 150
    assert "chestofdrawers" in result.names
    assert "chest of drawers" in [one.name for one in result.per_class]
    judged = sum(
        int((np.asarray(Image.open(f)) > 0).sum())
        for f in (shared / "data/ade20k_sample/annotations").rglob("*.png")
    )
    assert sum(one.pixels for one in result.per_class) == judged


def test_camvid_goes_through_the_generic_reader(shared, tmp_path):
    images = open_folder(shared / "data/camvid_sample", CAMVID, ignore=(11,))
    result = evaluate(images, protocol("folder", "own"), tmp_path / "out", limit=3).result
    assert (result.images.done, result.images.failed) == (3, {})
    assert result.per_class[0].name == "sky"
    assert all(0 <= score.low <= score.high <= 1 for score in result.scores.values())


def test_the_miniature_knows_its_own_rooms(tmp_path):
    result = evaluate(Rooms(4), protocol("miniature", "own"), tmp_path / "out").result
    # Giving all pixels the largest class has 0.23; the largest class of each room, looked up, 0.41.
    assert result.scores["pixel_accuracy"].value > 0.5
    assert result.model["checkpoint"] == "miniature"


def test_rooms_are_the_same_every_time_and_every_pixel_has_a_class():
    rooms = Rooms(2)
    one, other = rooms.read("room-001"), Rooms().read("room-001")
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.truth, other.truth)
    assert one.truth.max() < len(rooms.names) < IGNORE
    assert len(set(rooms.names)) == len(rooms.names)


def test_the_record_names_what_was_given_instead_of_the_presets_own(tmp_path):
    given = {"sam": "sam.pth", "text_tower": tmp_path}
    row = protocol("miniature", "own")
    asked = EvalRequest(Rooms(1), row, model_spec("radseg-b+", **given), tmp_path)
    facts = session_facts(load("toy"), asked)
    assert facts["model"]["given"] == {"sam": "sam.pth", "text_tower": tmp_path.name}


def test_the_commit_is_that_of_the_checkout(repository):
    if not (repository / ".git").exists():
        pytest.skip("not a checkout")
    commit = source_commit()
    assert commit is not None
    assert len(commit.removesuffix("-dirty")) == 40


def test_an_installed_package_has_no_commit(monkeypatch, tmp_path):
    monkeypatch.setattr(radseg, "__file__", str(tmp_path / "site-packages/radseg/__init__.py"))
    assert source_commit() is None
