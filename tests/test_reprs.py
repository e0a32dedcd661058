"""What Python prints of a value is one short line: no network layer by layer, no numbers of a tensor."""

import numpy as np
import pytest
import torch

import radseg
from builders import tiny_radio
from radseg.mapping.description import MapDescription
from radseg.mapping.query import Answer
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.methods.radseg import RADSeg
from radseg.segment import Segmenter
from radseg.testing import ColourTextEncoder, draw_scene
from radseg.types import Frame, Intrinsics, Size, TextEmbeddings, shortly
from sam_builders import tiny_sam


@pytest.fixture(scope="module")
def values() -> list[object]:
    model = Segmenter(
        RADSeg(tiny_radio(), crop=96, stride=64), ColourTextEncoder(), origin={"preset": "tiny"}
    )
    toy = radseg.load("toy").with_objects()
    encoded, text = toy.encode(draw_scene(60, 80)), toy.embed("red, blue", mode="background")[0]
    result = toy.segment(encoded, text, mode="assign")
    frame = Frame(
        "000001", torch.rand(3, 48, 64), torch.ones(48, 64),
        Intrinsics(50, 50, 32, 24, Size(48, 64)), torch.eye(4),
    )  # fmt: skip
    keys, grown = np.indices((4, 4, 4)).reshape(3, 64).T, VoxelMap(MapDescription(0.05))
    answer = Answer(("a",), keys, np.ones((1, 64), np.float32), np.ones(64, np.int64), "assign", 0.5, 0.05)
    found = SemanticMap(grown.description, (), "digest", {"frames": 2}, 0)
    return [
        model, model.encoder, tiny_sam().decoder, tiny_sam().encoder, toy, encoded, encoded.features, text,
        result, result.objects()[0], frame, answer, answer.objects()["a"][0], grown, found, tiny_radio(),
    ]  # fmt: skip


def test_a_repr_is_one_short_line(values: list[object]) -> None:
    for value in values:
        shown = repr(value)
        assert shown.startswith(type(value).__name__)
        assert "\n" not in shown
        assert not any(word in shown for word in ("tensor(", "array(", "object at 0x")), shown
        assert len(shown) < 480


def test_a_repr_says_shapes_sizes_and_counts() -> None:
    text = TextEmbeddings(("red", "blue"), torch.ones(2, 7), (0, 1), "toy")
    assert repr(text) == (
        "TextEmbeddings(names=('red', 'blue'), values=float32 2×7, row_class=(0, 1), space='toy')"
    )
    assert shortly([1] * 9) == "list of 9"
    assert shortly("x" * 99) == f"{'x' * 59!r}…"
    assert shortly(torch.nn.Linear(1000, 1000)) == "Linear(1.0 M parameters)"
    assert shortly(np.float32(2)) == "np.float32(2.0)"
