import copy
from dataclasses import replace

import pytest
import torch

from builders import tiny_radio
from radseg.errors import InputError
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.nn.vit import standard_block
from radseg.ops.correlation import correlation_attention_dense, mean_cosine
from radseg.ops.resize import image_size

RADIO = tiny_radio()
WHOLE = RADSeg(RADIO, crop=None)
SLIDING = RADSeg(RADIO, crop=96, stride=64)
EVERY = {
    "sliding": SLIDING,
    "whole image": WHOLE,
    "stride rule": replace(SLIDING, size_rule="stride"),
    "plain": replace(SLIDING, last_block=standard_block, aggregate=None),
    "language space": replace(SLIDING, stitch_in="language"),
}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def method(request):
    return request.param


def close(a, b):
    torch.testing.assert_close(a.values, b.values, rtol=1e-4, atol=1e-5)  # worst seen 4e-6: GEMM blocking


def test_one_image_alone_equals_it_among_others_of_mixed_sizes(method):
    images = [torch.rand(3, *size) for size in ((100, 130), (96, 96), (40, 200), (17, 5), (100, 130))]
    for one, together in zip(images, method.encode(images), strict=True):
        close(method.encode([one])[0], together)


def test_result_does_not_depend_on_the_memory_budget(method):
    image = torch.rand(3, 150, 170)
    close(replace(method, memory_budget=1).encode([image])[0], method.encode([image])[0])


def test_same_result_twice_and_parameters_untouched(method):
    before = copy.deepcopy(RADIO.state_dict())
    image = torch.rand(3, 100, 90)
    first, second = method.encode([image])[0], method.encode([image])[0]
    assert torch.equal(first.values, second.values)
    assert all(torch.equal(before[k], v) for k, v in RADIO.state_dict().items())
    assert first.space == RADIO.space


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (15, 17), (96, 96), (97, 33), (200, 64)])
def test_any_size_gives_finite_features_on_its_patch_grid(method, size):
    features = method.encode([torch.rand(3, *size)])[0].values
    assert features.isfinite().all()
    assert tuple(features.shape[1:]) == tuple(
        s // 16 for s in image_size(method.prepare(torch.rand(3, *size)))
    )


def test_image_of_one_window_sliding_equals_whole():
    image = torch.rand(3, 96, 96)
    close(SLIDING.encode([image])[0], WHOLE.encode([image])[0])


def test_recursion_happens_at_least_once():
    with pytest.raises(InputError, match="recursions is 0; it must be at least 1"):
        SelfCorrelatingAttention(recursions=0)


def test_aggregation_is_the_operator_at_the_mean_cosine():
    features = torch.randn(8, 5, 6)
    tokens = features.flatten(1).mT
    dense = correlation_attention_dense(tokens, tokens, temperature=7.0, threshold=mean_cosine(tokens))
    ours = SelfCorrelatingAggregation(7.0)(features)
    torch.testing.assert_close(ours, dense.mT.unflatten(1, (5, 6)), rtol=1e-5, atol=1e-6)


def test_alignment_of_an_aggregated_map_commutes_with_nothing():
    """Stitching before or after the adaptor are different methods, not two ways to the same numbers."""
    image = torch.rand(3, 150, 170)
    ours, other = EVERY["sliding"].encode([image])[0], EVERY["language space"].encode([image])[0]
    assert not torch.allclose(ours.values, other.values, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop": 100}, "crop is 100; it must be a positive multiple of 16"),
        ({"stride": 0}, "stride is 0"),
        ({"crop": 64, "stride": 80}, "stride 80 is beyond crop 64"),
    ],
)
def test_illegal_windows_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(SLIDING, **changes)
