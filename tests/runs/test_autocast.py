"""`torch.autocast` around a call changes nothing: no number, at no border."""

from dataclasses import dataclass, field, replace

import pytest
import torch

from builders import tiny_radio
from mapping.map_builders import frame
from radseg.mapping.aligned import aligned_parts
from radseg.mapping.compression import fit_basis
from radseg.mapping.query import ask
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.miniature import load_parts
from radseg.models.alignment import cls_patch_map
from radseg.ops.inference import inference, without_autocast
from radseg.presets.load import load
from radseg.refine.base import Refinement
from radseg.runs.lifting import feature_mapper
from radseg.runs.map_query import alignment
from radseg.segment import Segmenter
from radseg.text.vocabulary import Vocabulary
from radseg.types import LanguageFeatures, TextEmbeddings
from radseg.weights.convert.spectral import materialise
from tower_builders import tiny_clip

NAMES = "red cushion, blue rug"


def plain_and_under_autocast(call):
    """Return what a call gives without autocast and with it."""
    plain = call()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return plain, call()


def assert_equal(one, other):
    assert one.dtype == other.dtype
    assert torch.equal(one, other)


@pytest.fixture(scope="module")
def miniature():
    """The miniature with refinement, on small images."""
    return replace(load("miniature+"), short_side=96)


@pytest.fixture(scope="module")
def image():
    """Red on the left, blue on the right, some noise."""
    image = torch.rand(3, 96, 128, generator=torch.Generator().manual_seed(0)) * 0.2
    image[0, :, :64] += 0.7
    image[2, :, 64:] += 0.7
    return image


def test_autocast_would_change_numbers_if_it_were_let_in():
    linear, values = torch.nn.Linear(8, 8), torch.randn(4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(values).dtype == torch.bfloat16
        with without_autocast():
            assert linear(values).requires_grad
            assert linear(values).dtype == torch.float32
        with inference():
            assert not linear(values).requires_grad
            assert linear(values).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")


def test_prompts_are_embedded_the_same(miniature):
    plain, other = plain_and_under_autocast(lambda: miniature.embed(NAMES, mode="background"))
    for one, two in zip(plain, other, strict=True):
        assert_equal(one.values, two.values)
    tower = load_parts()[1]
    assert_equal(*plain_and_under_autocast(lambda: tower.embed(["red cushion"])))


def test_an_image_is_encoded_and_segmented_the_same_refinement_included(miniature, image):
    assert_equal(*(e.features.values for e in plain_and_under_autocast(lambda: miniature.encode(image))))
    plain, other = plain_and_under_autocast(lambda: miniature.segment(image, NAMES))
    assert plain.meta["regions"] > 0, "nothing was refined"
    assert (plain.labels == other.labels).all()
    assert (plain.confidence == other.confidence).all()
    assert_equal(plain.scores, other.scores)


@dataclass
class Watching:
    """Somebody's own encoder, text encoder and refiner: note whether autocast reaches them."""

    space: str = "own"
    seen: list[bool] = field(default_factory=list)

    def watch(self):
        self.seen.append(torch.is_autocast_enabled("cpu"))

    def encode(self, images):
        self.watch()
        return [LanguageFeatures(torch.rand(3, 4, 6), self.space) for _ in images]

    def embed(self, vocabulary):
        self.watch()
        rows = torch.eye(3)[: len(vocabulary.rows)]
        return TextEmbeddings(vocabulary.names, rows, vocabulary.row_class, self.space)

    def refine(self, images, coarse):
        self.watch()
        return [Refinement(coarse[0].labels, coarse[0].confidence, 0, 0)]


def test_autocast_reaches_nobodys_own_parts(image):
    own = Watching()
    segmenter = Segmenter(own, own, short_side=96, refine=own)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        segmenter.segment(image, "a, b", mode="assign")
        segmenter.encode(image)
    assert own.seen == [False] * 4


def test_a_map_is_built_and_asked_the_same(miniature):
    segmenter = replace(miniature, refine=None)

    def answer():
        mapper = feature_mapper(segmenter, 0.2)
        voxels = VoxelMap(mapper.description)
        mapper.integrate(frame(0), voxels)
        whole: SemanticMap = voxels.to_semantic_map()
        text, contrast = segmenter.embed(Vocabulary.parse(NAMES), mode="background")
        parts = aligned_parts(whole, alignment(whole, segmenter))
        found = ask(parts, text, contrast, mode="background", voxel_size=0.2)
        return whole.whole().values, torch.from_numpy(found.scores)

    plain, other = plain_and_under_autocast(answer)
    for one, two in zip(plain, other, strict=True):
        assert_equal(one, two)


def test_networks_called_by_themselves_compute_the_same(image):
    radio, clip = tiny_radio(), tiny_clip()
    calls = (
        lambda: radio.encode(image[None]).patches,
        lambda: radio.to_language(torch.ones(2, radio.width)),
        lambda: radio.summary_of("siglip2", radio.encode(image[None])),
        lambda: radio.to_teacher("siglip2", torch.ones(1, 2, radio.width)),
        lambda: cls_patch_map(radio, image),
        lambda: clip.encode(image[None]).patches,
        lambda: clip.to_language(torch.ones(2, clip.width)),
    )
    for call in calls:
        assert_equal(*plain_and_under_autocast(call))


def test_what_is_kept_is_computed_the_same():
    """A converted file and the axes of a compressed map outlive the call that made them."""
    part = {"scale": torch.ones(1), "_u": torch.randn(6), "_v": torch.randn(5)}
    stored = {f"x.parametrizations.weight.0.{key}": value for key, value in part.items()}
    stored["x.parametrizations.weight.original"] = torch.randn(6, 5)
    assert_equal(*(t["x.weight"] for t in plain_and_under_autocast(lambda: materialise(stored, 0.0, "file"))))
    features = torch.randn(50, 6)
    basis = fit_basis([features], 3)
    assert_equal(*plain_and_under_autocast(lambda: basis.restore(basis.project(features))))
