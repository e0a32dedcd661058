"""RADSeg+ as a whole: merging against an oracle, batches, borders of what can come in, memory."""

import pytest
import torch
from refine_builders import BoxSam, PublishedRules, coarse_of, radio_with_sam, random_low, refiner
from torch.utils._python_dispatch import TorchDispatchMode

from oracles.refinement import evidence
from radseg.errors import InputError
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.models.sam import SamDecoder
from radseg.refine.base import CoarseResult
from radseg.refine.corrected import Corrected
from radseg.refine.merge import Canvas, Merger
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.sources import RadioFeatures
from radseg.types import Size
from radseg.weights.config import SamSizes


@pytest.mark.parametrize("seed", range(5))
def test_streamed_merging_equals_all_masks_at_once(seed):
    generator = torch.Generator().manual_seed(seed)
    low, size, sam_size = random_low(4, (6, 8), seed), Size(93, 121), Size(784, 1024)
    blobs = torch.randn(7, 1, 9, 9, generator=generator) - 0.7
    logits = torch.nn.functional.interpolate(blobs, (256, 256), mode="bicubic")[:, 0]
    names = [0, 0, 1, 1, 1, 3, 3]
    coarse = coarse_of(low, size)
    merger = Merger(coarse, Canvas(coarse, sam_size, SamSizes()))
    for name, mask in zip(names, logits, strict=True):
        merger.add(name, mask)
    expected = evidence(low, names, logits, sam_size, size)
    # A pixel whose logit is within rounding of 0 may be in or out; such pixels have evidence 0 or P/2.
    best, winner = expected.max(dim=0)
    close = (merger.merged().evidence - best).abs() < 1e-5
    assert close.float().mean() > 0.999
    assert torch.equal(merger.merged().winners[close & (best > 0)] - 1, winner[close & (best > 0)].byte())


def test_a_mask_without_a_positive_pixel_changes_nothing():
    coarse = coarse_of(random_low(2, (4, 4)), (40, 40))
    merger = Merger(coarse, Canvas(coarse, Size(1024, 1024), SamSizes()))
    merger.add(0, torch.full((256, 256), -1.0))
    assert not merger.merged().evidence.any()


def test_a_region_becomes_its_mask():
    labels = torch.zeros(96, 128, dtype=torch.uint8)
    labels[24:72, 32:96] = 1
    labels[24:40, 32:48] = 0  # a bite out of the corner, which the box fills
    coarse = CoarseResult(torch.full((1, 6, 8), 0.9), labels, labels * 0.9)
    refined = refiner().refine([torch.rand(3, 96, 128)], [coarse])[0]
    expected = torch.zeros_like(labels)
    expected[24:72, 32:96] = 1
    assert torch.equal(refined.labels, expected)
    assert (refined.regions, refined.accepted) == (1, 1)


@pytest.mark.parametrize("rules", [Corrected(), PublishedRules()])
def test_nothing_accepted_leaves_everything(rules):
    coarse = coarse_of(random_low(5, (6, 8)), (96, 128))
    refined = refiner(BoxSam(torch.zeros_like), rules=rules).refine([torch.rand(3, 96, 128)], [coarse])[0]
    assert torch.equal(refined.labels, coarse.labels)
    assert torch.equal(refined.confidence, coarse.confidence)
    assert refined.regions > refined.accepted == 0


@pytest.mark.parametrize("rules", [Corrected(), PublishedRules()])
def test_images_do_not_influence_each_other(rules):
    sizes = [(96, 128), (128, 96), (64, 64), (96, 128)]
    images = [torch.rand(3, *size) for size in sizes]
    coarse = [coarse_of(random_low(4, (6, 7), i), size) for i, size in enumerate(sizes)]
    coarse[2] = CoarseResult(
        coarse[2].probabilities, torch.zeros_like(coarse[2].labels), coarse[2].confidence
    )
    half = refiner(BoxSam(lambda x: (x / 700).round()), rules=rules)  # regions on the left fail
    together = half.refine(images, coarse)
    for image, one, result in zip(images, coarse, together, strict=True):
        alone = half.refine([image], [one])[0]
        assert torch.equal(alone.labels, result.labels)
        torch.testing.assert_close(alone.confidence, result.confidence)
    assert 0 < together[0].accepted < together[0].regions
    assert together[2].regions == 0


def test_prompts_of_several_images_share_batches_of_bounded_size():
    sam = BoxSam()
    coarse = [coarse_of(random_low(4, (6, 7), i), (64, 64)) for i in range(3)]
    results = refiner(sam).refine([torch.rand(3, 64, 64)] * 3, coarse)
    assert sum(sam.batches) == sum(r.regions for r in results)
    assert set(sam.batches[:-1]) == {2}
    assert any(r.regions % 2 for r in results)  # so that some batch holds two images
    tight = refiner(sam, memory_budget=1)
    assert tight.prompts_at_once == 1


def test_images_without_regions_are_not_encoded_again(monkeypatch):
    plain = refiner()
    monkeypatch.setattr(type(plain.source.radio), "encode", lambda *_: pytest.fail("encoded"))
    coarse = CoarseResult(torch.ones(1, 4, 4), torch.zeros(64, 64, dtype=torch.uint8), torch.zeros(64, 64))
    assert plain.refine([torch.rand(3, 64, 64)], [coarse])[0].regions == 0


def one_region(size):
    return CoarseResult(
        torch.full((1, 1, 1), 0.9), torch.ones(size, dtype=torch.uint8), torch.full(size, 0.9)
    )


def test_published_rules_refuse_images_that_their_rounding_makes_empty():
    with pytest.raises(InputError, match='2×700.*Use refine="corrected"'):
        refiner(rules=PublishedRules(), min_area=1).refine([torch.rand(3, 2, 700)], [one_region((2, 700))])


WHOLE = [(rules, size) for rules in (Corrected(), PublishedRules()) for size in ((1, 1), (17, 33), (64, 64))]


@pytest.mark.parametrize(("rules", "size"), [*WHOLE, (Corrected(), (2, 700))])
def test_one_region_that_is_the_whole_image(rules, size):
    coarse = one_region(size)
    refined = refiner(rules=rules, min_area=1).refine([torch.rand(3, *size)], [coarse])[0]
    assert (refined.labels == 1).all()
    assert refined.regions == 1


def test_300_names_with_many_regions():
    low = random_low(300, (24, 32), sharpness=9.0)
    coarse = coarse_of(low, (240, 320))
    refined = refiner(min_area=100, coarse_threshold=0.0).refine([torch.rand(3, 240, 320)], [coarse])[0]
    assert refined.labels.dtype == coarse.labels.dtype == torch.int32
    assert refined.accepted == refined.regions > 100
    assert (refined.labels[refined.labels != coarse.labels] > 255).any()


class LargestTensor(TorchDispatchMode):
    """Remembers the largest tensor any operation returned."""

    numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor) and value.untyped_storage().size():
                self.numel = max(self.numel, value.untyped_storage().nbytes() // value.itemsize)
        return result


def test_no_tensor_grows_with_names_or_regions_times_pixels():
    size = (900, 1200)
    coarse = coarse_of(random_low(60, (24, 32), sharpness=9.0), size)
    one, image = refiner(min_area=size[0] * size[1] // 400), torch.rand(3, *size)
    with LargestTensor() as seen:
        refined = one.refine([image], [coarse])[0]
    assert refined.regions > 60
    # The image itself, or the image embeddings of a batch of prompts. 60 names would be 65 million.
    assert seen.numel <= max(3 * size[0] * size[1], 5 * 256 * 64 * 64)


def test_the_real_decoder_refines_the_same_alone_and_in_a_batch():
    torch.manual_seed(0)
    real = SamRefiner(
        RadioFeatures(radio_with_sam(patch=16), SelfCorrelatingAttention()),
        SamDecoder().eval().requires_grad_(False),
        min_area=300,
        iou_threshold=-10.0,
    )
    images = [torch.rand(3, 48, 64), torch.rand(3, 64, 48)]
    coarse = [coarse_of(random_low(2, (3, 4), i), p.shape[1:]) for i, p in enumerate(images)]
    for one, image, result in zip(coarse, images, real.refine(images, coarse), strict=True):
        alone = real.refine([image], [one])[0]
        assert (alone.labels == result.labels).float().mean() > 0.999
        assert result.accepted == result.regions > 0


def test_as_many_decisions_as_images():
    with pytest.raises(InputError, match="2 images but 0"):
        refiner().refine([torch.rand(3, 8, 8)] * 2, [])


def test_a_region_needs_a_pixel():
    with pytest.raises(InputError, match="at least 1 pixel"):
        refiner(min_area=0)


def test_labels_and_confidence_of_one_size():
    with pytest.raises(InputError, match="image's size"):
        CoarseResult(torch.ones(1, 1, 1), torch.zeros(3, 4), torch.zeros(4, 3))
