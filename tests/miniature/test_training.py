"""The recipe on a handful of pictures: it learns, it stops and continues, its file is an ordinary RADIO
file.
"""

import json

import numpy as np
import pytest
import torch

from radseg.errors import MissingFileError
from radseg.miniature import load_parts, pictures
from radseg.miniature.recipe import Pupil, Targets, miniature_config, occupancy, yes_no_logits
from radseg.miniature.train import Settings, learning_rate, train

SMALL = miniature_config(width=32, depth=2, heads=2, language=16)
TINY = Settings(steps=100, tokens=16, cooldown=10, sides=(32,), odds=(1.0,), regions_from=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two files of pictures, flat ones: rendering is tested elsewhere."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    count, side = 8, pictures.SIDE
    for number in range(2):
        labels = np.repeat(rng.integers(0, 5, (count, 1, 1)).astype(np.uint8), side, 1).repeat(side, 2)
        np.savez(
            folder / f"rooms_{number:06d}.npz", images=np.repeat(labels[..., None] * 50, 3, -1), labels=labels
        )
    return folder


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the steps are so small that two threads mostly wait for each other
    train(folder, out, TINY, SMALL)
    torch.set_num_threads(threads)
    return out


def test_the_file_is_loaded_as_any_radio_file(trained):
    radio, tower = load_parts(trained)
    assert radio.space == tower.space == "miniature"
    assert radio.config == SMALL


def test_training_lowers_the_losses_and_logs_them(trained):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert lines[0]["settings"]["seed"] == TINY.seed
    assert lines[-1]["step"] == TINY.steps
    assert lines[-1]["region"] < 0.8 * lines[1]["region"]


def test_a_finished_run_is_not_run_again(trained, folder):
    before = load_parts(trained)[0].state_dict()
    train(folder, trained, TINY, SMALL)
    after = load_parts(trained)[0].state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_missing_weights_are_told_with_the_command(tmp_path):
    with pytest.raises(MissingFileError, match=r"radseg\.miniature\.train"):
        load_parts(tmp_path)


def test_occupancy_equals_counting_pixel_by_pixel():
    labels = torch.randint(0, 4, (2, 32, 48), generator=torch.Generator().manual_seed(0))
    found = occupancy(labels, 16, 4)
    for n in range(2):
        for p in range(6):
            cell = labels[n, 16 * (p // 3) : 16 * (p // 3) + 16, 16 * (p % 3) : 16 * (p % 3) + 16]
            assert torch.allclose(found[n, p], torch.tensor([(cell == c).float().mean() for c in range(4)]))


def test_a_name_may_be_called_by_itself_and_its_words_only():
    targets = Targets.of(Pupil(miniature_config()).tower)
    index = targets.names.index("red ball")
    prompts = [i for i, yes in enumerate(targets.says[index].tolist()) if yes]
    assert len(prompts) == 3
    assert targets.says[index, index]


def test_the_unknown_word_is_the_border_between_yes_and_no():
    pupil = Pupil(miniature_config())
    logits = yes_no_logits(pupil, torch.tensor([[0.3, 0.1, 0.2]]))
    assert (logits > 0).tolist() == [[True, False]]


def test_learning_rate_warms_up_holds_and_cools_down():
    settings = Settings(steps=1000, cooldown=200, rate=1.0)
    assert learning_rate(0, settings) < 0.01
    assert learning_rate(500, settings) == 1.0
    assert learning_rate(900, settings) == pytest.approx(0.5)
