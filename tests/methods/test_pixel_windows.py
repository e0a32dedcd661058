"""Windows at any pixel: against loops over the windows, at sizes that are no whole patches."""

import pytest
import torch
from torch.nn import functional as F

from radseg.errors import InputError
from radseg.methods.naclip import NACLIP
from radseg.methods.proxyclip import ProxyCLIP
from radseg.methods.resclip import ResCLIP
from radseg.methods.shared.pixel_windows import PixelWindows
from radseg.methods.trident import Trident
from radseg.ops.windows import plan_windows
from radseg.presets.load import check
from radseg.presets.spec import model_spec
from radseg.presets.table import METHODS
from radseg.runs.lifting import for_features
from radseg.types import Size, TextEmbeddings
from tower_builders import tiny_clip, tiny_dino

CLIP, DINO = tiny_clip(), tiny_dino()
ROWS = F.normalize(torch.randn(3, 20, generator=torch.Generator().manual_seed(1)), dim=1)
TEXT = TextEmbeddings(("a", "b", "c"), ROWS, (0, 1, 2), CLIP.space)


def averaged(image, window):
    """The mean of `window` (pixels to maps of its size) over windows of 96 with step 48."""
    total, count = torch.zeros(3, *image.shape[1:]), torch.zeros(image.shape[1:])
    for top, left, height, width in plan_windows(Size(*image.shape[1:]), crop=96, stride=48):
        part = slice(top, top + height), slice(left, left + width)
        total[:, *part] += window(image[:, *part])
        count[part] += 1
    return total / count


def enlarged(features, grid, size):
    cosines = ROWS @ F.normalize(features, dim=1).mT
    return F.interpolate(cosines.unflatten(1, grid)[None], size, mode="bilinear")[0]


@pytest.mark.parametrize("size", [(101, 150), (70, 99), (96, 97)])
def test_every_pixel_has_the_mean_of_its_windows_enlarged(size):
    method = NACLIP(CLIP, crop=96, stride=48)
    image = torch.rand(3, *size)

    def window(crop):
        grid = crop.shape[1] // 16, crop.shape[2] // 16
        seen = crop[None, :, : grid[0] * 16, : grid[1] * 16]
        return enlarged(method.window(seen)[0], grid, crop.shape[1:])

    found = PixelWindows(method).score([image], TEXT)[0]
    torch.testing.assert_close(found, averaged(image, window), rtol=0, atol=2e-6)


def test_windows_are_filled_up_with_what_clips_normalisation_makes_0():
    method = ProxyCLIP(CLIP, crop=96, stride=48, vfm=DINO)
    image = torch.rand(3, 70, 120)

    def window(crop):
        pixels = (-crop.shape[1]) % 56, (-crop.shape[2]) % 56
        (top, left), mean = (side // 2 for side in pixels), CLIP.conditioner.mean[:, None, None]
        canvas = F.pad(crop - mean, (left, pixels[1] - left, top, pixels[0] - top)) + mean
        grid = tuple(side // DINO.patch for side in canvas.shape[1:])
        maps = enlarged(method.window(canvas[None])[0], grid, canvas.shape[1:])
        return maps[:, top : top + crop.shape[1], left : left + crop.shape[2]]

    found = PixelWindows(method, multiple=56).score([image], TEXT)[0]
    torch.testing.assert_close(found, averaged(image, window), rtol=0, atol=2e-6)


def test_a_method_that_reads_the_prompts_gets_them():
    method = ResCLIP(CLIP, crop=96, stride=48, pamr_iterations=0)
    image = torch.rand(3, 96, 112)
    found = PixelWindows(method).score([image], TEXT)[0]
    maps = averaged(image, lambda crop: enlarged(method.window(crop[None], ROWS)[0], (6, 6), (96, 96)))
    torch.testing.assert_close(found, maps, rtol=0, atol=2e-6)


def test_statistics_of_an_image_are_of_all_its_windows_whatever_the_budget():
    image = torch.rand(3, 96, 150)
    found = [
        PixelWindows(
            ProxyCLIP(CLIP, crop=96, stride=48, vfm=DINO, mean_over="image", memory_budget=budget)
        ).score([image, image[:, :90]], TEXT)[0]
        for budget in (1, 2**30)
    ]
    torch.testing.assert_close(*found, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("size", "legal"), [((336, 505), (352, 512)), ((336, 448), (336, 448))])
def test_trident_rounds_sides_up_to_clips_patch(size, legal):
    method = Trident(CLIP, crop=336, stride=224, vfm=tiny_dino(patch=14), sam=None, size_rule="up")
    assert method.prepare(torch.rand(3, *size)).shape[1:] == legal


@pytest.mark.parametrize(
    ("name", "rule"),
    [("naclip-b", "pad"), ("radseg-b", "pixel"), ("proxyclip-b", "pixel"), ("sclip-b", "up")],
)
def test_a_size_rule_that_a_method_has_not_is_refused(name, rule):
    with pytest.raises(InputError, match=f"{name} has no size_rule '{rule}'; choose from patch, stride"):
        check(model_spec(name, size_rule=rule))


def test_a_map_of_features_needs_another_size_rule():
    for_features(model_spec("naclip-b"))
    with pytest.raises(InputError, match="naclip-b reads them"):
        for_features(model_spec("naclip-b", size_rule="pixel"))
    with pytest.raises(InputError, match="build PixelWindows around it"):
        NACLIP(CLIP, crop=96, stride=48, size_rule="pixel").encode([torch.rand(3, 96, 96)])


def test_the_option_builds_what_the_rule_says():
    for name, multiple in (("naclip", 1), ("scclip", 1), ("proxyclip", 56)):
        rule = METHODS[name].size_rules[-1]
        options = model_spec(f"{name}-b", size_rule=rule).options
        built = METHODS[name].build(CLIP, (DINO,), options)
        assert (built.multiple, built.encoder.size_rule) == (multiple, "patch")
