"""Every correction of the default rules against the published ones: what it changes, and what is right."""

from collections.abc import Iterator

import pytest
import torch
from refine_builders import coarse_of, random_low
from torch.nn import functional as F

from radseg.models.sam import SamDecoder
from radseg.refine.axes import Axis, linear_axis, resample, span
from radseg.refine.base import CoarseResult
from radseg.refine.corrected import Corrected
from radseg.refine.reference import Reference
from radseg.refine.rules import Merged
from radseg.types import Size
from radseg.weights.config import SamSizes

SAM = SamSizes()

SIZES = [
    (480, 640),
    (867, 1300),
    (1300, 867),
    (451, 303),
    (2160, 3840),
    (64, 1024),
    (5, 3),
    (1, 1),
    (7, 2000),
]


def one_name(labels):
    """Return a decision in which name 1 is certain where `labels` is 1."""
    return CoarseResult(torch.ones(1, 1, 1), labels, labels.float())


def propose(rules, coarse, min_area=1, threshold=0.1):
    return rules.propose(coarse, coarse_threshold=threshold, min_area=min_area)


@pytest.mark.parametrize("size", SIZES)
def test_the_encoded_image_is_the_nearest_in_whole_patches(size):
    height, width = Corrected().sam_image(torch.rand(3, *size), 16, SAM).shape[1:]
    scale = 1024 / max(size)
    assert max(height, width) == 1024
    assert abs(height - size[0] * scale) <= 8 or height == 16
    assert abs(width - size[1] * scale) <= 8 or width == 16


def test_the_published_rules_floor_the_encoded_image():
    assert Reference().sam_image(torch.rand(3, 867, 1300), 16, SAM).shape[1:] == (672, 1024)  # spec 5.1


def test_shrinking_for_sam_is_antialiased():
    stripes = (torch.arange(5120) % 2).float().expand(3, 80, 5120)
    assert Corrected().sam_image(stripes, 16, SAM).var() < 0.01  # grey
    assert Reference().sam_image(stripes, 16, SAM).var() > 0.2  # every fifth pixel: stripes again


def test_thin_parts_stay_connected():
    labels = torch.zeros(20, 20, dtype=torch.uint8)
    labels[2:6, 2:6] = labels[14:18, 2:6] = 1
    labels[6:14, 3] = 1  # one pixel wide, on an odd column
    assert len(propose(Corrected(), one_name(labels))) == 1
    assert len(propose(Reference(), one_name(labels))) == 2


def test_more_than_2048_names_keep_their_numbers():
    labels = torch.zeros(16, 16, dtype=torch.int32)
    labels[4:8, 4:12], labels[8:12, 4:12] = 2051, 2052  # float16 holds even numbers only up there
    coarse = CoarseResult(torch.ones(2055, 1, 1), labels, (labels > 0).float())
    assert propose(Corrected(), coarse).classes.tolist() == [2050, 2051]
    assert propose(Reference(), coarse).classes.tolist() == [2050, 2052]


@pytest.mark.parametrize("size", SIZES)
def test_prompts_lie_where_the_encoded_image_shows_them(size):
    proposals = propose(Corrected(), one_name(torch.ones(size, dtype=torch.uint8)))
    sam_size = Size(*Corrected().sam_image(torch.rand(3, *size), 16, SAM).shape[1:])
    corners = torch.tensor([[-0.5, -0.5], [size[1] - 0.5, size[0] - 0.5]])
    expected = torch.tensor([[-0.5, -0.5], [sam_size.width - 0.5, sam_size.height - 0.5]])
    torch.testing.assert_close(Corrected().to_frame(corners, proposals, sam_size, SAM), expected)


def test_published_prompts_miss_the_floored_image():
    coarse = one_name(torch.ones(867, 1300, dtype=torch.uint8))
    proposals = propose(Reference(), coarse)
    bottom = Reference().to_frame(torch.tensor([[650.0, 433.0]]), proposals, Size(672, 1024), SAM)
    assert bottom.tolist() == [[1024.0, 682.0]]  # of an image with 672 rows


def two_squares():
    labels = torch.zeros(64, 64, dtype=torch.uint8)
    labels[8:24, 8:24] = labels[40:56, 40:56] = 1
    return CoarseResult(torch.full((1, 4, 4), 0.9), labels, labels * 0.9)


def test_each_region_is_prompted_with_itself():
    coarse = two_squares()
    masks = Corrected().mask_prompts(
        coarse, propose(Corrected(), coarse), slice(0, 2), Size(1024, 1024), threshold=0.1, sam=SAM
    )
    expected = torch.zeros(2, 64, 64)
    expected[0, 8:24, 8:24] = expected[1, 40:56, 40:56] = 0.9
    torch.testing.assert_close(masks[:, 2::4, 2::4], expected)


def test_published_mask_prompts_hold_the_whole_name():
    coarse = two_squares()
    masks = Reference().mask_prompts(
        coarse, propose(Reference(), coarse), slice(0, 2), Size(1024, 1024), threshold=0.1, sam=SAM
    )
    torch.testing.assert_close(masks, torch.full((2, 256, 256), 0.9))


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return SamDecoder().eval().requires_grad_(False)


def test_mask_prompts_are_embedded_as_sam_was_trained(sam):
    masks = torch.rand(2, 256, 256)
    _, expected = sam.prompt_encoder(None, None, None, masks[:, None])
    torch.testing.assert_close(Corrected().embed_masks(sam, masks), expected)


def test_published_mask_prompts_are_normed_along_rows(sam):
    masks, embed = torch.rand(2, 256, 256), sam.prompt_encoder.mask_embed
    x = masks[1:]
    for conv, norm in ((embed.conv1, embed.layer_norm1), (embed.conv2, embed.layer_norm2)):
        x = conv(x)  # without a batch axis: channels, rows, columns
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
        x = embed.activation(norm.weight[:, None, None] * x + norm.bias[:, None, None])
    torch.testing.assert_close(Reference().embed_masks(sam, masks)[1], embed.conv3(x), atol=2e-5, rtol=1e-4)


def settled(rules):
    """Four pixels of coarse label 2: nothing there, a mask, a mask on a failed region, a failed region."""
    coarse = CoarseResult(
        torch.ones(2, 1, 1), torch.full((1, 4), 2, dtype=torch.uint8), torch.full((1, 4), 0.6)
    )
    merged = Merged(torch.tensor([[0, 0.3, 0.3, 0]]), torch.tensor([[0, 1, 1, 0]], dtype=torch.uint8))
    labels, confidence = rules.settle(coarse, merged, torch.tensor([[False, False, True, True]]))
    return labels.tolist()[0], [round(v, 6) for v in confidence.tolist()[0]]


def test_failed_regions_defend_themselves_and_confidence_fits_the_labels():
    assert settled(Corrected()) == ([2, 1, 2, 2], [0.6, 0.3, 0.6, 0.6])


def test_published_masks_overwrite_failed_regions_and_confidence_disagrees():
    assert settled(Reference()) == ([2, 1, 1, 2], [0.0, 0.3, 0.6, 0.6])


@pytest.mark.parametrize(("rules", "expected"), [(Corrected(), [0, 1]), (Reference(), [1, 1])])
def test_no_mask_names_a_pixel_below_the_threshold_but_the_published(rules, expected):
    nothing = torch.zeros(1, 2, dtype=torch.uint8)
    coarse = CoarseResult(torch.ones(1, 1, 1), nothing, torch.zeros(1, 2), threshold=0.5)
    merged = Merged(torch.tensor([[0.4, 0.5]]), torch.ones(1, 2, dtype=torch.uint8))
    labels, _ = rules.settle(coarse, merged, torch.zeros(1, 2, dtype=torch.bool))
    assert labels.tolist()[0] == expected


def test_pixels_below_the_threshold_belong_to_no_region():
    labels = torch.ones(8, 8, dtype=torch.uint8)
    coarse = CoarseResult(torch.ones(1, 1, 1), labels, torch.full((8, 8), 0.5))
    coarse.confidence[:, 4:] = 0.05
    assert propose(Corrected(), coarse).boxes.tolist() == [[0, 0, 3, 7]]


@pytest.mark.parametrize("rules", [Corrected(), Reference()])
def test_the_least_area_counts_pixels_of_the_image(rules):
    labels = torch.zeros(40, 40, dtype=torch.uint8)
    labels[10:20, 10:20] = 1
    assert len(propose(rules, one_name(labels), min_area=100)) == 1
    assert len(propose(rules, one_name(labels), min_area=101)) == 0


def test_proposals_are_sorted_by_name_then_raster_order():
    coarse = coarse_of(random_low(5, (8, 9)), (60, 80))
    proposals = propose(Corrected(), coarse)
    first = [int((proposals.ids.ravel() == i + 1).argmax()) for i in range(len(proposals))]
    keys = list(zip(proposals.classes.tolist(), first, strict=True))
    assert len(keys) > 5
    assert keys == sorted(keys)
    assert (coarse.labels.flatten()[first].numpy() - 1 == proposals.classes).all()


@pytest.mark.parametrize("target", [(3, 5), (40, 31), (7, 9), (1, 1)])
def test_two_matrices_are_bilinear_interpolation(target):
    maps = torch.rand(2, 7, 9)
    axes = [linear_axis(s, t, like=maps) for s, t in zip(maps.shape[1:], target, strict=True)]
    expected = torch.nn.functional.interpolate(maps[None], target, mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(resample(maps, *axes), expected)


@pytest.mark.parametrize(("source", "target"), [(256, 700), (9, 40), (40, 9), (5, 1), (1, 5)])
def test_an_axis_knows_who_sees_whom(source, target):
    axis = Axis(linear_axis(source, target, like=torch.empty(0)))
    for start, stop in ((0, 1), (0, target), (target // 2, target // 2 + 1), (target - 1, target)):
        seen = (axis.weights[start:stop] > 0).any(0)
        assert axis.seen_by(slice(start, stop)) == span(seen)
    for start, stop in ((0, 1), (0, source), (source // 2, source // 2 + 1), (source - 1, source)):
        seeing = span((axis.weights[:, start:stop] > 0).any(1))
        ours = axis.seeing(slice(start, stop))
        assert ours == seeing or (seeing is None and ours.start >= ours.stop)


def test_span_of_nothing_is_none():
    assert span(torch.zeros(5, dtype=torch.bool)) is None
    assert span(torch.tensor([False, True, False, True, False])) == slice(1, 4)


@pytest.fixture
def two_threads() -> Iterator[None]:
    """With a single thread torch resizes several channels by another kernel, which rounds in another way."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("size", [(150, 217), (383, 512), (36, 54)])
def test_the_published_point_is_the_first_of_equals_in_the_published_arithmetic(size):
    noise = torch.Generator().manual_seed(size[0])
    corners = torch.rand(1, 3, 4, 5, generator=noise)
    flat = (1000 * F.interpolate(corners, (13, 18), mode="bilinear")[0]).softmax(dim=0)
    full = F.interpolate(flat[None], size, mode="bilinear")
    half = F.interpolate(full, (size[0] // 2, size[1] // 2), mode="bilinear")[0]
    labels = full[0].argmax(dim=0).to(torch.uint8) + 1
    own = Reference().half_size(CoarseResult(flat, labels, labels.float()), 0.1)[1]
    chosen = F.interpolate(labels[None, None].float(), half.shape[1:])[0].long() - 1
    assert (own == half.gather(0, chosen)[0].numpy()).all()
    assert (half.amax(dim=0) > 0.9999).float().mean() > 0.3  # where rounding decides
