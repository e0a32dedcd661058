"""Which weights a run fetches before it starts."""

from pathlib import Path

import pytest

from radseg.runs import segmentation
from radseg.runs.segmentation import SegmentRequest
from radseg.text.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("model", "settings", "decoder"),
    [
        ("radseg-b", {}, []),
        ("radseg-b", {"refine": "mended"}, ["sam-vit-h"]),
        ("trident-b", {"refine": "reference"}, []),  # it has a SAM of its own
    ],
)
def test_sams_decoder_is_fetched_where_it_refines(model, settings, decoder, monkeypatch):
    wanted = []
    monkeypatch.setattr(segmentation, "obtain", lambda rows, *_, **__: wanted.extend(r.name for r in rows))
    request = SegmentRequest(("x.png",), Vocabulary.parse("a, b"), Path("out"), model, settings=settings)
    segmentation._Lazy(request, None, None)._obtain(with_tower=False)
    assert [name for name in wanted if name == "sam-vit-h"] == decoder
    assert ("sam-vit-b-whole" in wanted) == (model == "trident-b")


def test_a_checkpoint_of_ones_own_is_not_fetched_but_what_stands_beside_it_is(monkeypatch, tmp_path):
    wanted = []
    monkeypatch.setattr(segmentation, "obtain", lambda rows, *_, **__: wanted.extend(r.name for r in rows))
    settings = {"checkpoint": str(tmp_path)}
    request = SegmentRequest(
        ("x.png",), Vocabulary.parse("a, b"), Path("out"), "proxyclip-b", settings=settings
    )
    segmentation._Lazy(request, None, None)._obtain(with_tower=True)
    assert wanted == ["clip-vit-b-16-openai", "dino-vit-b-8"]
