"""The evaluation's image path equals the reference's: sizes, pixels, decoder."""

import json
import sys

import numpy as np
import pytest

from radseg.errors import InputError, MissingExtraError
from radseg.evaluation.images.resizing import load_opencv, mmseg_size, resize_image, rgb_of
from radseg.io import read_pixels, to_uint8
from radseg.types import Size


def test_every_size_equals_the_reference(shared):
    table = json.loads((shared / "golden/2d/sizes.json").read_text())["mm_rescale"]
    assert len(table) > 100
    for height, width, scale, new_height, new_width in table:
        ours = mmseg_size(Size(height, width), long_side=max(scale), short_side=min(scale))
        assert ours == (new_height, new_width), (height, width, scale)


def test_a_sliver_keeps_one_pixel():
    assert mmseg_size(Size(1, 8192), long_side=2048, short_side=336) == (1, 2048)


def test_exchanged_sides_are_refused():
    with pytest.raises(InputError, match="exchange"):
        mmseg_size(Size(10, 10), long_side=336, short_side=2048)


def test_the_decoder_gives_the_pixels_of_opencv(shared):
    cv2 = load_opencv()
    files = sorted((shared / "data/ade20k_sample/images").rglob("*.jpg"))
    assert files
    for file in files:
        assert np.array_equal(read_pixels(file), cv2.imread(str(file))[..., ::-1])


def test_resizing_is_not_antialiased():
    stripes = np.zeros((8, 64, 3), np.uint8)
    stripes[:, 1::8] = 255
    assert resize_image(stripes, Size(2, 16)).max() == 128  # an average over 4 pixels would be 64


def test_an_image_keeps_its_values_as_rgb():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    assert np.array_equal(to_uint8(rgb_of(image)), image)


def test_without_opencv_the_message_holds_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'radseg\[eval\]'"):
        load_opencv()
