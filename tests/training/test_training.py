"""The recipe on a handful of images: it learns, it stops and continues, its files are ordinary ones."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from training.miniature import renders, train
from training.miniature.batches import Dataset
from training.miniature.masks import coarse_maps, draw_prompts
from training.miniature.recipe import SAM_SIZES, Student, Targets, miniature_config, occupancy, yes_no_logits
from training.miniature.surface import surface_summary, surface_targets
from training.miniature.train import Settings, learning_rate

from radseg.errors import MissingFileError
from radseg.miniature import load_decoder, load_parts
from radseg.types import Size

SMALL = miniature_config(width=32, depth=2, heads=2, language=16)
TINY = Settings(
    steps=120,
    tokens=16,
    cooldown=10,
    sides=(32,),
    odds=(1.0,),
    regions_from=10,
    whole_every=6,
    whole=1,
    prompts=2,
)


def flat_shots(size, rng, count=4):
    """Renders of one colour with a square of another: rendering is tested elsewhere."""
    labels = np.repeat(rng.integers(0, 5, (count, 1, 1)).astype(np.uint8), size[0], 1).repeat(size[1], 2)
    labels[:, 40:100, 40:100] += 1
    regions = np.ones_like(labels)
    regions[:, 40:100, 40:100] = 2
    images = np.repeat(labels[..., None] * 40, 3, -1)
    depth = np.full(labels.shape, 2.0, np.float16)
    return renders.Shots(images, labels, regions, depth, np.full(count, 300, np.float32))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(2):
        wide, close = flat_shots(renders.WIDE, rng), flat_shots(renders.CLOSE, rng)
        np.savez(folder / f"rooms_{number:06d}.npz", **wide.arrays("wide"), **close.arrays("close"))
    return renders.render_files(folder)


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are so small that two threads mostly wait for each other
    train.train(out, files, TINY, SMALL)
    torch.set_num_threads(threads)
    return out


def test_the_files_are_loaded_as_any_radio_and_sam_file(trained):
    radio, tower = load_parts(trained)
    assert radio.space == tower.space == "miniature"
    assert replace(radio.config, source_sha256="") == SMALL
    assert load_decoder(trained).sizes == SAM_SIZES


def test_training_lowers_the_losses_and_logs_them(trained):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert lines[0]["settings"]["seed"] == TINY.seed
    assert lines[-1]["step"] == TINY.steps
    assert lines[-1]["region"] < 0.8 * lines[1]["region"]
    assert lines[-1]["mask"] < lines[1]["mask"]


def test_a_finished_run_is_not_run_again(trained, files):
    before = load_parts(trained)[0].state_dict()
    train.train(trained, files, TINY, SMALL)
    after = load_parts(trained)[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_killed_before_its_calibration_calibrates_when_started_again(trained, files, monkeypatch):
    calls = []

    def marked(parts, images):
        calls.append(len(images.wide))
        return parts

    monkeypatch.setattr(train, "calibrated", marked)
    train.train(trained, files, TINY, SMALL)
    assert calls == []
    (trained / train.FINISHED).unlink()
    train.train(trained, files, TINY, SMALL)
    assert len(calls) == 1
    assert (trained / train.FINISHED).exists()


def test_missing_weights_are_told_with_the_command(tmp_path):
    for load in (load_parts, load_decoder):
        with pytest.raises(MissingFileError, match=r"training\.miniature\.train"):
            load(tmp_path)


def test_rendered_files_hold_what_training_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(renders, "ROOMS_PER_FILE", 1)
    monkeypatch.setattr(renders, "WIDE_PER_ROOM", 1)
    monkeypatch.setattr(renders, "CLOSE_PER_ROOM", 1)
    loaded = renders.load_renders([renders.render_file(tmp_path, 0)])
    assert loaded.wide.images.shape == (1, *renders.WIDE, 3)
    assert loaded.close.labels.shape == (1, *renders.CLOSE)
    for region in range(1, loaded.wide.regions.max() + 1):
        inside = loaded.wide.regions == region
        assert inside.sum() >= renders.SMALLEST_REGION
        assert len(np.unique(loaded.wide.labels[inside])) == 1
    assert 0.1 < loaded.wide.depth.min() < loaded.wide.depth.max() < 20


def test_crops_are_cut_alike_from_images_and_labels():
    shots = flat_shots((64, 96), np.random.default_rng(1), count=3)
    shots.labels[:] = np.arange(64 * 96).reshape(64, 96) % 251
    shots.images[:] = shots.labels[..., None]
    batch = Dataset(shots, "cpu").draw(Size(32, 48), 20, np.random.default_rng(2))
    light = batch.images[:, 0] * 255 / batch.labels.clamp(min=1)
    for image, labels in zip(light, batch.labels, strict=True):
        seen = image[(labels > 5) & (labels < 200)]
        torch.testing.assert_close(seen, seen[:1].expand_as(seen))  # one brightness, nothing moved
    steps = batch.labels[:, 0, 1] - batch.labels[:, 0, 0]
    assert {int(s) for s in steps if abs(s) == 1} == {1, -1}  # some are mirrored


def test_an_album_holds_every_field():
    shots = flat_shots((64, 96), np.random.default_rng(1))
    batch = Dataset(shots, "cpu").corner(Size(32, 32), slice(1, 3))
    assert all(len(getattr(batch, f.name)) == 2 for f in fields(batch))


def test_prompts_ask_for_the_region_they_lie_in():
    regions = torch.from_numpy(flat_shots(renders.WIDE, np.random.default_rng(0), count=2).regions)
    prompts = draw_prompts(regions, each=2, patch=16, rng=torch.Generator().manual_seed(0))
    assert prompts is not None
    for image, (x, y), box, mask, target in zip(
        prompts.image, prompts.points.int(), prompts.boxes, prompts.masks, prompts.targets, strict=True
    ):
        square = bool(target.mean() < 0.5)
        assert float(target.mean()) == pytest.approx(float((regions[image] == 1 + square).float().mean()))
        assert box[0] <= x <= box[2]
        assert box[1] <= y <= box[3]
        assert mask.shape == (88, 120)
        assert float(mask.max()) > 0


def test_coarse_maps_follow_the_mask_without_its_edges():
    mask = torch.zeros(1, 96, 96)
    mask[:, 32:80, 32:80] = 1
    coarse = coarse_maps(mask, patch=16, rng=torch.Generator().manual_seed(0))
    assert coarse.shape == (1, 6, 6)
    assert coarse[0, 3, 3] > 0.5 > coarse[0, 0, 0]


def test_a_wall_faces_the_camera_that_looks_straight_at_it():
    depth, focal = torch.full((1, 64, 64), 3.0), torch.tensor([200.0])
    targets = surface_targets(depth, focal, patch=16)
    torch.testing.assert_close(targets[0, 5, 1:4], torch.tensor([0.0, 0.0, -1.0]))
    assert float(targets[0, :, 0].abs().max()) < 1e-6
    assert surface_summary(targets).shape == (1, 5)


def test_a_floor_points_up():
    rows = torch.arange(64) - 32 + 100.0  # below the horizon
    depth = (1.5 * 200 / rows)[None, :, None].expand(1, 64, 64)  # y = 1.5 m everywhere
    # The camera of `surface_targets` has its axis in the middle, so tilt is left; y must dominate downwards.
    normal = surface_targets(depth, torch.tensor([200.0]), patch=16)[0, 5, 1:4]
    assert float(normal[1]) < -0.5


def test_occupancy_equals_counting_pixel_by_pixel():
    labels = torch.randint(0, 4, (2, 32, 48), generator=torch.Generator().manual_seed(0))
    found = occupancy(labels, 16, 4)
    for n in range(2):
        for p in range(6):
            cell = labels[n, 16 * (p // 3) : 16 * (p // 3) + 16, 16 * (p % 3) : 16 * (p % 3) + 16]
            assert torch.allclose(found[n, p], torch.tensor([(cell == c).float().mean() for c in range(4)]))


def test_a_name_may_be_called_by_itself_and_its_words_only():
    targets = Targets.of(Student(miniature_config()).tower)
    index = targets.names.index("red ball")
    prompts = [i for i, yes in enumerate(targets.says[index].tolist()) if yes]
    assert len(prompts) == 3
    assert targets.says[index, index]


def test_the_unknown_word_is_the_border_between_yes_and_no():
    student = Student(miniature_config())
    logits = yes_no_logits(student, torch.tensor([[0.3, 0.1, 0.2]]))
    assert (logits > 0).tolist() == [[True, False]]


def test_learning_rate_warms_up_holds_and_cools_down():
    settings = Settings(steps=1000, cooldown=200, rate=1.0)
    assert learning_rate(0, settings) < 0.01
    assert learning_rate(500, settings) == 1.0
    assert learning_rate(900, settings) == pytest.approx(0.5)
