import pytest
import torch

from builders import tiny_radio
from radseg.errors import ImageError, InputError
from radseg.models.alignment import cls_patch_map, middle_window
from radseg.weights.config import AdaptorConfig, HeadConfig
from tower_builders import tiny_clip, tiny_dino

HEAD = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=20, blocks=1)


def test_the_map_is_the_cosine_with_the_adaptors_own_cls_token():
    """Patch by patch in float64, from the tokens: the language adaptor reads CLS token 1, not 0."""
    radio, image = tiny_radio(), torch.rand(3, 48, 64)
    tokens = radio.encode(image[None])
    summary = radio.to_language(tokens.summary[:, 1])[0].double()
    found = cls_patch_map(radio, image)
    assert found.shape == (3, 4)
    for row in range(3):
        for column in range(4):
            patch = radio.to_language(tokens.patches[:, row * 4 + column])[0].double()
            expected = float(patch @ summary / (patch.norm() * summary.norm()))
            assert float(found[row, column]) == pytest.approx(expected, abs=1e-5)


def test_a_model_whose_head_ignores_its_input_is_fully_aligned():
    radio = tiny_radio()
    torch.nn.init.zeros_(radio.adaptors["siglip2"].summary.fc_out.weight)
    assert torch.allclose(cls_patch_map(radio, torch.rand(3, 32, 32)), torch.ones(2, 2), atol=1e-5)


@pytest.mark.parametrize("tower", [tiny_clip(), tiny_dino(patch=14)], ids=["clip", "dino"])
def test_of_an_image_tower_it_is_the_cosine_after_the_final_norm(tower):
    image = torch.rand(3, 2 * tower.patch, 3 * tower.patch)
    tokens = tower.encode(image[None])
    cls, patches = tower.norm(tokens.summary[0, 0]).double(), tower.norm(tokens.patches[0]).double()
    expected = (patches @ cls / (patches.norm(dim=1) * cls.norm())).unflatten(0, (2, 3))
    torch.testing.assert_close(cls_patch_map(tower, image).double(), expected, rtol=0, atol=1e-5)


def test_an_image_off_the_patch_grid_and_a_model_without_text_are_refused():
    with pytest.raises(ImageError, match="multiple"):
        cls_patch_map(tiny_radio(), torch.rand(3, 40, 32))
    sam = AdaptorConfig("sam", 0, None, None, HEAD)
    with pytest.raises(InputError, match="tiny has no language adaptor"):
        cls_patch_map(tiny_radio(adaptors=(sam,)), torch.rand(3, 32, 32))


def test_the_window_is_the_middle_of_the_scaled_image():
    ramp = torch.linspace(0, 1, 400).expand(3, 200, 400)
    window = middle_window(ramp, 64, short_side=100)
    assert window.shape == (3, 64, 64)
    assert float(window.mean()) == pytest.approx(0.5, abs=1e-3)
    assert float(window[0, 0, -1] - window[0, 0, 0]) == pytest.approx(63 / 200, abs=0.01)
    assert middle_window(ramp, 320, short_side=100).shape == (3, 320, 320)
    assert middle_window(ramp, 320, short_side=None).shape == (3, 320, 320)
    assert torch.equal(middle_window(ramp, 64), ramp[:, 68:132, 168:232])
