"""The memory budget of an evaluation: what an image weighs, and what a stated budget refuses."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from eval_cases import NAMES, Silent, colour_folder, confusion, request
from radseg.budget import MIB
from radseg.evaluation.images.memory import Weigher, kept_bytes
from radseg.evaluation.images.model import load_model, predict, prepare
from radseg.evaluation.images.run import run_evaluation
from radseg.scoring import decide
from radseg.types import Size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four small images and one of 3 megapixels, which alone needs more than the others."""
    data = colour_folder(tmp_path_factory.mktemp("budget") / "data", images=4)
    Image.new("RGB", (2000, 1500), (200, 30, 30)).save(data / "images/large.png")
    Image.new("L", (2000, 1500)).save(data / "annotations/large.png")
    return data


def evaluated(data, output, budget, existing="refuse"):
    options = {} if budget is None else {"memory_budget": budget}
    return run_evaluation(
        request(data, output, options=options, existing=existing), Silent(), Silent()
    ).result


def test_a_stated_budget_refuses_one_image_with_the_number_that_suffices(folder, tmp_path):
    small = evaluated(folder, tmp_path / "small", 60 * MIB)
    ((refused, message),) = small.images.failed.items()
    assert (refused, small.images.done) == ("large", 4)
    assert message.startswith("large of 2000×1500 pixels, with 5 names, needs ")
    needed = int(re.search(r"--memory-budget (\d+)MiB", message)[1])
    weigh = weigher(folder, tmp_path)
    alone = weigh.segmenter.work(Size(1500, 2000), weigh.text, None).needed(1)
    assert needed * MIB - alone > 2000 * 1500 * (12 + 2) - MIB  # its float32 and its truth beside the work
    assert evaluated(folder, tmp_path / "small", (needed - 1) * MIB, "resume").images.failed
    assert not evaluated(folder, tmp_path / "small", needed * MIB, "resume").images.failed
    evaluated(folder, tmp_path / "default", None)
    assert np.array_equal(confusion(tmp_path / "small"), confusion(tmp_path / "default"))


def weigher(data, output, **changes):
    asked = request(data, output)
    segmenter, text = load_model(asked, Silent())
    return Weigher(asked.images, asked.protocol, replace(segmenter, **changes), text)


def test_the_default_budget_refuses_nothing_and_leaves_no_room_beside(folder, tmp_path, monkeypatch):
    weigh = weigher(folder, tmp_path)
    monkeypatch.setattr("radseg.datasets.base.stored_size", lambda _: Size(13_000, 13_000))
    weight = weigh("large")
    assert weight.waiting > 169 * 10**6 * 40
    with pytest.raises(ValueError, match="--memory-budget"):
        replace(weigh, segmenter=replace(weigh.segmenter, memory_budget=2**30 + 1))("large")


def test_an_image_weighs_what_is_kept_of_it_at_least_and_nothing_if_it_cannot_be_read(folder, tmp_path):
    weigh = weigher(folder, tmp_path)
    kept = kept_bytes(prepare(weigh.images, weigh.protocol, "large"))
    assert kept == 1500 * 2000 * (3 * 4 + 2)
    small, large = weigh("00"), weigh("large")
    assert large.waiting > kept > small.waiting
    assert large.predicting > small.predicting
    low = replace(weigh, protocol=replace(weigh.protocol, short_side=15, long_side=20))
    assert low("large").waiting < large.waiting
    with_objects = replace(weigh, segmenter=weigh.segmenter.with_objects())
    assert with_objects("large").waiting > large.waiting + 1500 * 2000 * 4
    (folder / "images/03.png").rename(folder / "images/03.away")
    try:
        assert weigh("03") == (0, 0)
    finally:
        (folder / "images/03.away").rename(folder / "images/03.png")


def test_what_is_kept_of_an_image_is_not_used_twice(folder, tmp_path, monkeypatch):
    weigh, streams = weigher(folder, tmp_path, memory_budget=150 * MIB), []

    def watched(*given, stream_bytes, **options):
        streams.append(stream_bytes)
        return decide(*given, stream_bytes=stream_bytes, **options)

    monkeypatch.setattr("radseg.segment.decide", watched)
    image = prepare(weigh.images, weigh.protocol, "large")
    predict(weigh.segmenter, weigh.text, image)
    assert streams == [(150 * MIB - kept_bytes(image)) // 4]


def test_a_name_more_takes_more(folder, tmp_path):
    assert len(NAMES) == 5
    weigh = weigher(folder, tmp_path)
    at_pixels = replace(weigh, segmenter=replace(weigh.segmenter, enlarge="cosines"))
    # Cosines at every pixel of five names: 4 bytes each, several maps at once, however small it is encoded.
    low = replace(at_pixels, protocol=replace(weigh.protocol, short_side=15, long_side=20))
    for one in (at_pixels, low):
        assert one("large").predicting > weigh("large").predicting + 5 * 4 * 1500 * 2000
