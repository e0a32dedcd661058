"""One colour per name: stable, distinct, and distinguishable for colour-blind people."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.colours import TIER, colours, hex_colour, palette, patterns
from radseg.errors import InputError

WORDS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=40, unique=True)

# Protanopia and deuteranopia (Viénot, Brettel, Mollon 1999): linear RGB to cones, one cone replaced, back.
CONES = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
PROTANOPIA = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
DEUTERANOPIA = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])


def oklab(linear: np.ndarray) -> np.ndarray:
    """Ottosson 2020."""
    first = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    second = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.cbrt(linear @ first.T) @ second.T


def linear(table: np.ndarray) -> np.ndarray:
    encoded = table / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def closest_pair(table: np.ndarray, defect: np.ndarray) -> float:
    seen = np.clip(linear(table) @ (np.linalg.inv(CONES) @ defect @ CONES).T, 0, 1)
    points = oklab(seen)
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(points, 2))


@given(WORDS, st.randoms(use_true_random=False))
def test_the_order_of_the_names_does_not_matter(names: list[str], random: object) -> None:
    before = dict(zip(names, map(tuple, colours(names)), strict=True))
    random.shuffle(names)  # type: ignore[attr-defined]
    assert dict(zip(names, map(tuple, colours(names)), strict=True)) == before


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=6), min_size=1, max_size=240, unique=True))
def test_up_to_240_names_have_different_colours(names: list[str]) -> None:
    assert len(np.unique(colours(names), axis=0)) == len(names)


def test_a_name_alone_keeps_its_colour_among_names_that_want_others() -> None:
    assert np.array_equal(colours(["sky", "grass"]), np.concatenate([colours(["sky"]), colours(["grass"])]))


def test_of_two_that_want_the_same_the_shorter_name_keeps_it() -> None:
    words = [f"{'x' * n}" for n in range(1, 40)]
    first, other = next(
        (a, b) for a, b in itertools.combinations(words, 2) if np.array_equal(colours([a]), colours([b]))
    )
    assert np.array_equal(colours([other, first])[1], colours([first])[0])
    assert not np.array_equal(colours([other, first])[0], colours([other])[0])


HUES = {"red": 30, "orange": 62, "yellow": 100, "green": 135, "turquoise": 185, "blue": 255, "purple": 305}


@pytest.mark.parametrize("word", HUES)
def test_a_colour_word_gives_a_colour_of_its_hue(word: str) -> None:
    others = [f"{other} {noun}" for other in HUES for noun in ("ball", "chair") if other != word]
    for names in ([f"{word} ball"], [f"Very_{word.upper()}-ish ball"], [f"{word} ball", *others]):
        _, a, b = oklab(linear(colours(names)[0]))
        turned = (np.degrees(np.arctan2(b, a)) - HUES[word] + 180) % 360 - 180
        assert abs(turned) < 32, (word, names)


def test_names_of_one_colour_word_have_different_colours() -> None:
    many = [f"red {noun}" for noun in ("ball", "chair", "door", "box", "car", "lamp")]
    assert len(np.unique(colours([*many, *(f"name {number}" for number in range(20))]), axis=0)) == 26


def test_34_names_are_told_apart_by_colour_and_pattern() -> None:
    names = [*(f"name {number}" for number in range(26)), *(f"{word} ball" for word in HUES), "blue wall"]
    kinds, table = patterns(names), colours(names)
    assert (kinds == 0).sum() == TIER
    for kind, least in ((0, 0.10), (1, 0.07)):
        assert closest_pair(table[kinds == kind], np.linalg.inv(CONES) @ CONES) > least


def test_colours_are_the_same_in_another_process() -> None:
    code = "from radseg.colours import colours; print(colours(['sky', 'road', 'été']).tolist())"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(colours(["sky", "road", "été"]).tolist())


def test_case_underscores_and_blanks_do_not_change_a_colour() -> None:
    table = colours(["traffic light", "Traffic_Light", " traffic  LIGHT "])
    assert len(np.unique(table, axis=0)) == 1


@pytest.mark.parametrize(
    ("defect", "least"), [(np.linalg.inv(CONES) @ CONES, 0.10), (PROTANOPIA, 0.065), (DEUTERANOPIA, 0.058)]
)
def test_the_first_tier_is_told_apart_by_everyone(defect: np.ndarray, least: float) -> None:
    many = [f"name {number}" for number in range(TIER)]
    assert closest_pair(colours(many), defect) > least


def test_no_colour_is_taken_for_none_or_ignore() -> None:
    table = palette([str(number) for number in range(254)]).astype(int)
    named = table[1:255]
    assert table[0].tolist() == [0, 0, 0]
    assert table[255].tolist() == [224, 224, 224]
    assert np.abs(named - 0).max(axis=1).min() > 60
    assert np.abs(named - 224).max(axis=1).min() > 20


def test_thousands_of_names_get_colours() -> None:
    assert colours([f"n{number}" for number in range(2000)]).shape == (2000, 3)
    assert colours([]).shape == (0, 3)


def test_more_names_than_a_palette_holds_are_refused() -> None:
    with pytest.raises(InputError, match="254"):
        palette([str(number) for number in range(255)])


def test_hex_is_what_web_pages_read() -> None:
    assert hex_colour((0, 120, 255)) == "#0078ff"
