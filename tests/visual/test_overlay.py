"""Images for people: what they must show, and that nothing a person types breaks them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from radseg.colours import colours
from radseg.errors import InputError
from radseg.io import MAX_SIDE, read_pixels
from radseg.types import Size
from radseg.visual import heat_colours, heat_map, legend, overlay, paint, pca_image, stacked
from radseg.visual.legend import NARROWEST, PANEL
from radseg.visual.text import legible, shorten

PHOTO = np.random.default_rng(3).integers(0, 256, (120, 400, 3), dtype=np.uint8)


def halves(height: int = 120, width: int = 400) -> np.ndarray:
    labels = np.ones((height, width), np.uint8)
    labels[:, width // 2 :] = 2
    return labels


def pixels_of_legend(labels: np.ndarray, names: list[str]) -> np.ndarray:
    strip = legend(labels, names)
    assert strip is not None
    return np.asarray(strip).reshape(-1, 3)


class TestPaint:
    def test_none_and_ignore_show_the_photo_unchanged(self) -> None:
        labels = halves()
        labels[:60] = 0
        labels[100:] = 255
        painted = paint(PHOTO, labels, ["sky", "road"])
        untouched = (labels == 0) | (labels == 255)
        assert np.array_equal(painted[untouched], PHOTO[untouched])
        assert not np.array_equal(painted[~untouched], PHOTO[~untouched])

    def test_a_region_leans_towards_its_colour(self) -> None:
        painted = paint(np.full((40, 400, 3), 128, np.uint8), halves(40), ["sky", "road"])
        inside = painted[20, 20].astype(float)
        sky, road = colours(["sky", "road"]).astype(float)
        assert np.linalg.norm(inside - sky) < np.linalg.norm(inside - road)
        assert np.linalg.norm(inside - sky) < 0.6 * np.linalg.norm(np.full(3, 128) - sky)

    def test_edges_are_in_the_full_colour(self) -> None:
        painted = paint(PHOTO, halves(), ["sky", "road"])
        assert painted[60, 198].tolist() == colours(["sky"])[0].tolist()
        assert painted[60, 199].max() < 0.3 * painted[60, 198].max()  # a dark line between two regions

    def test_without_an_image_the_regions_are_flat(self) -> None:
        painted = paint(None, halves(4, 8), ["sky", "road"])
        assert np.array_equal(np.unique(painted[:, :4].reshape(-1, 3), axis=0), colours(["sky"]))

    def test_sixteen_bit_labels_are_painted(self) -> None:
        labels = np.full((4, 4), 300, np.uint16)
        assert paint(None, labels, [str(i) for i in range(300)]).shape == (4, 4, 3)

    def test_the_input_is_not_changed(self) -> None:
        photo, labels = np.full((120, 400, 3), 90, np.uint8), halves()
        paint(photo, labels, ["sky", "road"])
        assert (photo == 90).all()
        assert np.array_equal(labels, halves())


class TestOverlay:
    @pytest.mark.parametrize("size", [(120, 400), (1, 1), (1, 900), (900, 1)])
    def test_it_has_the_size_of_the_photo(self, size: tuple[int, int]) -> None:
        image = overlay(np.zeros((*size, 3), np.uint8), np.ones(size, np.uint8), ["sky"])
        assert image.size == size[::-1]

    def test_nothing_found_gives_the_image_alone(self) -> None:
        labels = np.zeros((120, 400), np.uint8)
        assert np.array_equal(np.asarray(overlay(PHOTO, labels, ["sky"])), PHOTO)
        assert legend(labels, ["sky"]) is None

    @pytest.mark.parametrize(
        "name",
        [
            "\0",
            "\n",
            "",
            " ",
            "قطة",
            "日本語",
            "😀",
            "\u202egnorw",
            "\ud800",
            "é\u0301",
            "x" * 10_000,
            "👨‍👩‍👧",
            "\U0010ffff",
        ],
    )
    def test_no_name_breaks_the_image(self, name: str) -> None:
        assert overlay(PHOTO, halves(), [name, "road"]).width == 400
        assert legend(halves(), [name, "road"]) is not None

    def test_real_photo(self, shared: Path) -> None:
        photo = read_pixels(shared / "data/photos/example3.jpg")
        image = overlay(photo, halves(*photo.shape[:2]), ["sky", "road"])
        assert image.size == photo.shape[1::-1]

    def test_the_same_input_gives_the_same_image(self) -> None:
        first, second = (overlay(PHOTO, halves(), ["sky", "road"]) for _ in range(2))
        assert np.array_equal(np.asarray(first), np.asarray(second))


class TestLegend:
    def test_swatches_have_the_colours_of_the_regions_largest_first(self) -> None:
        labels = halves()
        labels[:, 150:] = 2
        strip = pixels_of_legend(labels, ["sky", "road"])
        sky, road = colours(["sky", "road"])
        places = [np.flatnonzero((strip == colour).all(axis=1)).min() for colour in (road, sky)]
        assert places == sorted(places)

    def test_absent_names_are_not_in_it(self) -> None:
        names = ["sky", "road", "car"]
        assert not (pixels_of_legend(halves(), names) == colours(names)[2]).all(axis=1).any()

    @pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (30, 20)])
    def test_tiny_and_narrow_images_get_one_that_can_be_read(self, size: tuple[int, int]) -> None:
        strip = legend(np.ones(size, np.uint8), ["sky"])
        assert strip is not None
        assert strip.width >= NARROWEST
        assert strip.height > 20

    def test_one_of_150_names_stays_smaller_than_the_image(self) -> None:
        labels = (np.arange(600 * 800).reshape(600, 800) // 3200 + 1).astype(np.uint8)
        strip = legend(labels, [f"a rather long name {i}" for i in range(150)])
        assert strip is not None
        assert strip.height < 600 * 0.7

    def test_it_stands_below_the_whole_image(self) -> None:
        strip = legend(halves(30, 20), ["sky", "road"])
        assert strip is not None
        both = stacked(Image.new("RGB", (20, 30), (9, 8, 7)), strip)
        assert both.size == (NARROWEST, 30 + strip.height)
        assert both.getpixel((0, 0)) == both.getpixel((0, 31)) == PANEL
        assert both.getpixel((NARROWEST // 2, 29)) == (9, 8, 7)
        assert stacked(both, None) is both


class TestText:
    def test_text_is_never_wider_than_asked(self) -> None:
        text = legible("a metal barrel with a long name", size=20, otherwise="")
        for width in (30, 60, 100, 200):
            assert shorten(text, width).width <= width
        assert shorten(text, 10_000) == text

    @pytest.mark.parametrize(
        ("name", "drawn"), [("車", "name 3"), ("ça 車", "ca"), ("\U000f0000", "name 3"), ("sky", "sky")]
    )
    def test_without_fonts_what_can_be_drawn_remains(
        self, name: str, drawn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("radseg.visual.text._SYSTEM_FONTS", ("no such font.ttf",))
        assert legible(name, size=20, otherwise="name 3").letters == drawn

    def test_direction_marks_are_dropped(self) -> None:
        assert legible("a\u202eb\ud800c", size=20, otherwise="").letters == "a b c"


class TestHeat:
    def test_lightness_grows_evenly(self) -> None:
        ramp = heat_colours(np.linspace(0, 1, 256)).astype(float) @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(ramp) > -0.8).all()  # 8-bit rounding
        assert ramp[0] < 20
        assert ramp[-1] > 215

    @pytest.mark.filterwarnings("error")  # casting NaN to an integer differs between machines
    def test_values_outside_are_held_and_nan_is_zero(self) -> None:
        low, high = heat_colours(np.array([0.0, 1.0]))
        values = heat_colours(np.array([-5, 7, np.nan, np.inf, -np.inf]))
        assert np.array_equal(values, [low, high, low, high, low])

    def test_the_map_is_lighter_where_the_name_is(self) -> None:
        probability = np.zeros((120, 400), np.float32)
        probability[:, 200:] = 1
        image = np.asarray(heat_map(np.full((120, 400, 3), 128, np.uint8), probability, "sky")).astype(float)
        assert image[60, 300].sum() > image[60, 100].sum() + 150
        assert image.shape[0] > 120

    def test_sizes_must_agree(self) -> None:
        with pytest.raises(InputError, match="probability"):
            heat_map(PHOTO, np.zeros((3, 3), np.float32), "sky")

    @pytest.mark.parametrize("size", [(1, 1), (5, 2000), (700, 3)])
    def test_odd_sizes_and_names_are_drawn(self, size: tuple[int, int]) -> None:
        assert heat_map(None, np.zeros(size, np.float32), "قطة" * 300).width >= NARROWEST


class TestPcaImage:
    def test_regions_of_equal_features_have_equal_colours(self) -> None:
        features = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
        index = torch.arange(4).repeat_interleave(6).reshape(4, 6)
        image = pca_image(features[:, index], Size(4, 6))
        assert len(np.unique(image.reshape(-1, 3), axis=0)) == 4

    def test_the_image_does_not_depend_on_scale_and_is_the_same_every_time(self) -> None:
        features = torch.randn(16, 5, 7, generator=torch.Generator().manual_seed(1))
        first = pca_image(features, Size(50, 70))
        assert first.shape == (50, 70, 3)
        assert np.array_equal(first, pca_image(features.clone(), Size(50, 70)))
        assert np.abs(first.astype(int) - pca_image(features * 7, Size(50, 70))).max() <= 1

    def test_a_loud_patch_does_not_decide(self) -> None:
        features = torch.randn(16, 5, 7, generator=torch.Generator().manual_seed(2))
        loud = features.clone()
        loud[:, 0, 0] *= 1000
        assert np.abs(pca_image(features, Size(5, 7)).astype(int) - pca_image(loud, Size(5, 7))).max() <= 1

    def test_a_constant_map_is_mid_grey(self) -> None:
        assert np.unique(pca_image(torch.ones(8, 3, 3), Size(6, 6))).tolist() == [128]

    @pytest.mark.parametrize("shape", [(1, 4, 4), (2, 4, 4), (8, 1, 1), (8, 1, 2)])
    def test_few_channels_or_patches_are_enough(self, shape: tuple[int, int, int]) -> None:
        assert pca_image(torch.rand(shape), Size(9, 9)).shape == (9, 9, 3)

    def test_unusable_features_are_refused(self) -> None:
        with pytest.raises(InputError, match="finite"):
            pca_image(torch.full((4, 2, 2), torch.nan), Size(4, 4))
        with pytest.raises(InputError, match="at least 1"):
            pca_image(torch.ones(4, 2, 2), Size(0, 4))


@pytest.mark.parametrize("size", [(300, 70), (610, 45)])
def test_painting_in_bands_equals_painting_at_once(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    labels = random.integers(0, 4, (size[0] // 10, size[1] // 5), np.uint8).repeat(10, 0).repeat(5, 1)
    photo = random.integers(0, 256, (*size, 3), np.uint8)
    probability = random.random(size, np.float32)
    images = []
    for pixels in (10**6, 100):
        monkeypatch.setattr("radseg.ops.bands.BAND_PIXELS", pixels)
        images.append((overlay(photo, labels, "abc"), heat_map(photo, probability, "a")))
    for whole, banded in zip(*images, strict=True):
        assert np.array_equal(np.asarray(whole), np.asarray(banded))


def test_the_tallest_image_keeps_its_legend_within_what_a_jpeg_may_have() -> None:
    names = [f"name {i}" for i in range(200)]
    labels = (np.arange(MAX_SIDE)[:, None] // 300 + 1).clip(max=200).astype(np.uint8).repeat(2, 1)
    strip = legend(labels, names)
    assert strip is not None
    assert MAX_SIDE + strip.height <= 65_500
