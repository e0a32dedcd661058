"""The same answers on a GPU as on the CPU. Skipped where there is none; CI has none."""

import numpy as np
import pytest
import torch

from radseg import load
from radseg.miniature.world import free_camera, make_room, render
from radseg.ops.correlation import correlation_attention

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")


@pytest.fixture(scope="module")
def view():
    room = make_room(9101)
    return render(room, free_camera(room, 0))


@pytest.mark.parametrize("preset", ["miniature", "miniature+"])
@pytest.mark.parametrize("mode", ["assign", "background"])
def test_labels_are_those_of_the_cpu(view, preset, mode):
    here, there = (
        load(preset, device=device).segment(view.rgb, view.names, mode=mode) for device in ("cpu", "cuda")
    )
    assert (here.labels == there.labels).mean() > 0.999
    np.testing.assert_allclose(here.confidence, there.confidence, atol=0.02)


def test_several_images_at_once_are_those_of_one_at_a_time(view):
    segmenter = load("miniature", device="cuda")
    images = [view.rgb, view.rgb[:200], view.rgb[:, 100:]]
    alone = [segmenter.segment(image, view.names) for image in images]
    together = list(segmenter.segment_many(images, view.names, at_once=3))
    for one, other in zip(alone, together, strict=True):
        assert (one.labels == other.labels).mean() > 0.999


@pytest.mark.parametrize("rows", [2**14, 2**30], ids=["in blocks", "at once"])
def test_the_operator_is_that_of_the_cpu(rows):
    tokens, values = torch.randn(2, 300, 32), torch.randn(2, 300, 16)
    options = {"temperature": 10.0, "threshold": 0.05, "block_bytes": rows}
    here = correlation_attention(tokens, values, **options)
    there = correlation_attention(tokens.cuda(), values.cuda(), **options).cpu()
    torch.testing.assert_close(here, there, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_around_a_call_changes_nothing(view, dtype):
    segmenter = load("miniature+", device="cuda")
    plain, text = segmenter.segment(view.rgb, view.names), segmenter.embed(view.names, mode="background")
    with torch.autocast("cuda", dtype=dtype):
        again, embedded = (
            segmenter.segment(view.rgb, view.names),
            segmenter.embed(view.names, mode="background"),
        )
    assert all(torch.equal(one.values, two.values) for one, two in zip(text, embedded, strict=True))
    # The GPU's own sums may differ from call to call; half precision would move far more than this.
    np.testing.assert_allclose(again.scores, plain.scores, atol=1e-5)
    assert (again.labels == plain.labels).mean() > 0.9999
