import json
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import ImageError
from radseg.ops.resize import (
    fit_pixels,
    fit_short_side,
    image_size,
    require_multiple,
    resize,
    round_to_patch,
    round_up_to_stride,
)
from radseg.types import Size

SIDES = st.integers(1, 5000)


def test_size_table_of_the_reference(shared):
    table = json.loads((shared / "golden/2d/sizes.json").read_text())["preprocess"]
    assert len(table) > 50
    for height, width, crop, stride, *expected in table:
        assert list(round_up_to_stride(Size(height, width), stride=stride, crop=crop)) == expected


@given(SIDES, SIDES)
def test_round_to_patch_is_the_nearest_legal_size(height, width):
    legal = round_to_patch(Size(height, width), 16)
    for side, given_side in zip(legal, (height, width), strict=True):
        assert side % 16 == 0
        assert side >= 16
        assert abs(side - given_side) <= 8 or side == 16


@given(SIDES, SIDES)
def test_stride_rule_never_shrinks_below_the_window_unless_already_legal(height, width):
    size = round_up_to_stride(Size(height, width), stride=224, crop=336)
    assert size == (height, width) or min(size) >= 336
    assert all(side % 224 == 0 or side == 336 for side in size)


def test_fit_short_side_keeps_the_aspect_and_respects_the_long_limit():
    image = torch.rand(3, 300, 600)
    assert image_size(fit_short_side(image, 100)) == (100, 200)
    assert image_size(fit_short_side(image, 1000, long_max=900)) == (450, 900)
    assert fit_short_side(image, 300) is image


def test_shrinking_is_antialiased():
    stripes = torch.zeros(3, 256, 256)
    stripes[:, :, ::2] = 1
    shrunk = fit_short_side(stripes, 32)
    assert shrunk[:, :, 2:-2].std() < 0.01  # fine stripes become grey, not moiré


def test_resize_of_a_ramp_stays_a_ramp():
    ramp = torch.linspace(0, 1, 8).expand(1, 8, 8)
    doubled = resize(ramp, Size(16, 16))[0, 5]
    torch.testing.assert_close(doubled[1:-1].diff(), torch.full((13,), 1 / 14))


def test_illegal_side_names_the_nearest_legal_size():
    with pytest.raises(ImageError, match="500×333; both sides must be multiples of 16. Nearest: 496×336"):
        require_multiple(Size(500, 333), 16)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 120), st.integers(1, 500))
def test_eight_bits_in_bands_give_the_numbers_of_the_whole_in_float32(
    height: int, width: int, short: int, band: int
) -> None:
    image = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    whole = torch.from_numpy(image.transpose(2, 0, 1).copy()).float().div_(255)
    with mock.patch("radseg.ops.bands.BAND_PIXELS", band):
        found = fit_pixels(image, short, long_max=150)
    assert torch.equal(found, fit_short_side(whole, short, long_max=150))
