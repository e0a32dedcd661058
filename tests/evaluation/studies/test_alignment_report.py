import json

import numpy as np
import pytest
import torch
from PIL import Image

from radseg.errors import ImageError, InputError
from radseg.evaluation.images.rooms import Rooms
from radseg.evaluation.paper import published as paper
from radseg.evaluation.studies.alignment import (
    Alignment,
    Source,
    Summary,
    align,
    published,
    room_sources,
    write_report,
)
from radseg.io import to_rgb
from radseg.presets.load import load


@pytest.fixture(scope="module")
def miniature():
    return load("miniature")


def bad():
    raise ImageError("cut short")


def image(seed):
    return lambda: torch.rand(3, 200, 260, generator=torch.Generator().manual_seed(seed))


def run(miniature, sources, **options):
    summary = Summary()
    return list(align(miniature, sources, summary, **options)), summary


def test_mean_and_mean_map_are_those_of_the_images(miniature):
    found, summary = run(miniature, [Source(str(i), image(i)) for i in range(3)], side=64)
    assert [one.cosine.shape for one in found] == [(4, 4)] * 3
    assert summary.mean.value == pytest.approx(np.mean([one.cosine.mean() for one in found]))
    np.testing.assert_allclose(summary.mean_map, np.mean([one.cosine for one in found], axis=0), rtol=1e-6)


def test_a_bad_image_is_listed_and_the_others_are_done(miniature):
    found, summary = run(miniature, [Source("a", image(0)), Source("b", bad), Source("c", image(1))])
    assert [one.name for one in found] == ["a", "c"]
    assert summary.failed == {"b": "cut short"}
    assert found[0].cosine.shape == (10, 10)  # the miniature's window of 160


def test_without_any_image_the_reason_is_told(miniature):
    _, summary = run(miniature, [Source("b", bad)])
    with pytest.raises(InputError, match="No image could be analysed: cut short"):
        _ = summary.mean
    with pytest.raises(InputError, match="no mean map"):
        _ = summary.mean_map


def test_wrong_windows_and_models_are_refused(miniature):
    with pytest.raises(InputError, match="window is 100 pixels; it must be a positive multiple of 16"):
        run(miniature, [], side=100)
    with pytest.raises(InputError, match="no CLS token"):
        run(load("toy"), [])
    with pytest.raises(InputError, match="takes whole images; say the side of the window with --side"):
        run(load("miniature-rayfronts"), [])


def test_the_papers_numbers_stand_beside_their_checkpoints():
    assert published("c-radio_v3-l") == paper.FIGURE_A2["C-RADIOv3"]["large"] == -0.04
    assert published("radio_v2.5-h") == 0.30
    for other in ("radio_v2.5-l", "miniature", None, "c-radio_v4-h", "weights/c-radio_v3-b.pth.tar"):
        assert published(other) is None


def test_the_report_holds_every_image_and_every_failure(tmp_path, miniature):
    _, summary = run(miniature, [Source("a|b", image(0)), Source("x", bad), Source("c", image(1))])
    write_report(tmp_path / "new/out", summary, preset="miniature", checkpoint="c-radio_v3-b", side=160)
    record = json.loads((tmp_path / "new/out/alignment.json").read_text())
    assert list(record["means"]) == ["a|b", "c"]
    assert record["reasons"] == {"x": "cut short"}
    assert record["paper"] == 0.48
    text = (tmp_path / "new/out/alignment.md").read_text()
    assert "- x: cut short" in text
    assert f"{summary.mean.value:.3f}" in text
    assert len((tmp_path / "new/out/alignment.csv").read_text().splitlines()) == 3
    assert Image.open(tmp_path / "new/out/mean.png").width == 480


def test_the_drawing_of_a_higher_cosine_is_lighter():
    cosine = np.array([[0.1, 0.9], [0.1, 0.9]], np.float32)
    drawn = np.asarray(Alignment("x", cosine, np.zeros((32, 32, 3), np.uint8)).draw()).astype(int)
    assert drawn[100, 400].sum() > drawn[100, 100].sum() + 100


def test_rooms_are_the_held_out_ones_under_their_names():
    first, second = room_sources(2)
    assert (first.name, second.name) == ("room-000", "room-001")
    image = first.read()
    assert image.shape == (3, 352, 480)
    assert torch.equal(image, first.read())
    assert not torch.equal(image, second.read())
    assert torch.equal(image, to_rgb(Rooms().read("room-000").image))
    with pytest.raises(InputError, match="201 rooms; there are 1 to 200 test rooms"):
        room_sources(201)
