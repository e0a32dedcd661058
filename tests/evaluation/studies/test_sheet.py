"""The sheet: right numbers, right colours, and a page that fetches and runs nothing."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from radseg.colours import colours
from radseg.datasets.base import IGNORE
from radseg.errors import ImageError, InputError
from radseg.evaluation.images.loop import Prepared
from radseg.evaluation.studies.sheet import (
    CELL,
    Answer,
    draw_figure,
    draw_strip,
    image_miou,
    model_of,
    percent,
    strips,
)
from radseg.evaluation.studies.sheet_page import sheet_page
from radseg.presets.load import load
from radseg.types import LanguageFeatures

NAMES = (*(f"object {i}" for i in range(30)), "<img src=x onerror=alert(1)>")
TRUTH = np.full((40, 60), 30, np.uint16)
TRUTH[:, 30:] = 4
TRUTH[:5] = IGNORE


def image():
    return Prepared(torch.full((3, 40, 60), 0.5), TRUTH)


def answer(labels):
    return lambda _: Answer(labels.astype(np.uint8), LanguageFeatures(torch.rand(8, 3, 4), "toy"))


PERFECT = np.where(TRUTH == IGNORE, 1, TRUTH + 1)
HALF = np.full((40, 60), 31)


def made(models=None, ids=("a&b",), read=lambda id: image()):
    failed = {}
    models = models or {"right": answer(PERFECT), "one <name>": answer(HALF)}
    return list(strips(ids, read, models, NAMES, failed)), failed


def test_the_number_is_the_miou_of_the_one_image():
    (strip,), _ = made()
    assert [panel.miou for panel in strip.panels] == [1.0, 0.25]  # 1/2 of one class, nothing of the other
    assert np.isnan(image_miou(np.full((2, 2), IGNORE, np.uint16), np.ones((2, 2), np.uint8), 3))
    assert percent(float("nan")) == "not judged"
    assert percent(0.256) == "25.6 %"


def test_truth_and_a_perfect_answer_are_painted_alike_where_judged():
    (strip,), _ = made()
    below = slice(30, None)  # the first rows of the truth are not judged
    assert (strip.truth[below] == strip.panels[0].labels[below]).all()
    assert (strip.truth[below] != strip.panels[1].labels[below]).any()
    assert strip.truth.shape == (200, CELL, 3)


def test_the_legend_has_the_colours_of_the_image():
    (strip,), _ = made()
    expected = {name: tuple(map(int, colour)) for name, colour in zip(NAMES, colours(NAMES), strict=True)}
    assert [name for name, *_ in strip.present] == [NAMES[30], "object 4", "object 0"]
    assert all(expected[name] == colour for name, colour, _ in strip.present)
    drawn = np.asarray(draw_strip(strip)).reshape(-1, 3)
    for _, colour, _ in strip.present:
        assert (drawn == colour).all(axis=1).any()


def test_a_bar_is_as_long_as_the_number():
    (strip,), _ = made()
    drawn = np.asarray(draw_strip(strip))
    blue = (drawn == (88, 166, 255)).all(axis=2).sum(axis=1)
    lengths = sorted({int(n) for n in blue if n})
    assert lengths == pytest.approx([0.25 * 610, 610], abs=2)


def test_a_bad_image_is_left_out_with_its_reason():
    def read(id):
        if id == "bad":
            raise ImageError("cut short")
        return image()

    shown, failed = made(ids=("good", "bad", "other"), read=read)
    assert [strip.id for strip in shown] == ["good", "other"]
    assert failed == {"bad": "cut short"}


def test_a_sheet_of_nothing_is_refused():
    for draw in (draw_figure, sheet_page):
        with pytest.raises(InputError, match="no image to put on the sheet"):
            draw([], title="x")


def test_a_method_without_features_has_labels_and_says_so():
    wordy = Answer(PERFECT.astype(np.uint8), None)
    (strip,), _ = made(models={"right": answer(PERFECT), "wordy": lambda _: wordy})
    assert strip.panels[1].features is None
    assert strip.panels[1].miou == 1.0
    page = sheet_page([strip], title="t")
    assert "wordy: no features without prompts" in page
    assert page.count("<img") == 5
    cell = np.asarray(draw_strip(strip))[200 + 28 + 10 + 28 :, 10 + 3 * 310 :][:200, :CELL]
    assert len(np.unique(cell.reshape(-1, 3), axis=0)) == 1  # left empty


def test_a_text_dependent_model_answers_with_labels_alone():
    segmenter = load("miniature-resradio")
    text, _ = segmenter.embed(("wooden wall", "red ball"), mode="assign")
    given = Prepared(torch.rand(3, 96, 96), np.zeros((96, 96), np.uint16))
    found = model_of(segmenter, text)(given)
    assert found.labels.shape == (96, 96)
    assert found.features is None
    assert model_of(load("miniature"), text)(given).features is not None


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.urls, self.handlers, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.urls += [value for name, value in attrs if name in ("src", "href", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_runs_nothing_fetches_nothing_and_escapes_names():
    shown, _ = made(ids=("<script>alert(1)</script>",))
    html = sheet_page(shown, title='"quoted" & <b>', notes=["<i>note</i>"])
    page = Page()
    page.feed(html)
    assert not {"script", "link", "iframe", "b"} & set(page.tags)
    assert page.handlers == []
    assert len(page.urls) == 6
    assert all(url.startswith("data:image/png;base64,") for url in page.urls)
    assert not re.search(r"https?://|url\(|@import", html)
    text = "".join(page.text)
    for name in ("<script>alert(1)</script>", NAMES[30], "<i>note</i>", "one <name>: mIoU 25.0 %"):
        assert name in text


def test_a_sheet_of_several_images_is_one_image():
    shown, _ = made(ids=("a", "b"))
    assert draw_figure(shown, title="t").height > 2 * draw_strip(shown[0]).height


def test_models_of_one_space_show_a_patch_in_one_colour():
    pillar, rest = torch.rand(8), torch.rand(8, 3, 4)
    left, right = rest.clone(), torch.rand(8, 3, 4)
    left[:, 1, 1] = right[:, 2, 3] = pillar
    model = lambda values, space: lambda _: Answer(HALF.astype(np.uint8), LanguageFeatures(values, space))  # noqa: E731
    (strip,), _ = made({"a": model(left, "toy"), "b": model(right, "toy"), "c": model(right, "other")})
    a, b, c = (panel.features for panel in strip.panels)
    middle = lambda image, row, column: image[round((row + 0.5) * 200 / 3), round((column + 0.5) * 75)]  # noqa: E731
    assert np.abs(middle(a, 1, 1).astype(int) - middle(b, 2, 3)).max() <= 4
    assert not np.array_equal(b, c)
