"""Numbers as people type them."""

from pathlib import Path

import pytest

from radseg.cli.values import parse_bytes, parse_options, parse_or, parse_places, parse_temperature
from radseg.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1GiB", 2**30), ("512 MiB", 2**29), ("1.5gb", 1_500_000_000), ("4096", 4096), ("2KB", 2000)],
)
def test_sizes_in_bytes(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "0", "1 GiB extra", "5TB", "1e9"])
def test_other_sizes_are_explained(text: str) -> None:
    with pytest.raises(InputError, match="such as 1GiB"):
        parse_bytes(text)


def test_a_length_or_its_word() -> None:
    assert parse_or("336", "whole", what="--crop") == 336
    assert parse_or("Whole", "whole", what="--crop") is None


@pytest.mark.parametrize("text", ["0", "-3", "3.5", "", "native"])
def test_other_lengths_are_explained(text: str) -> None:
    with pytest.raises(InputError, match="--crop is .* whole number of pixels, or whole"):
        parse_or(text, "whole", what="--crop")


def test_a_temperature_or_off() -> None:
    assert parse_temperature("7.5", what="--scra") == 7.5
    assert parse_temperature("off", what="--scra") is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "hot"])
def test_other_temperatures_are_explained(text: str) -> None:
    with pytest.raises(InputError, match="--scga is .* above 0, or off"):
        parse_temperature(text, what="--scga")


def test_places_by_name_are_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    assert parse_places(["dino = a=b"], what="--aux") == {"dino": str(tmp_path / "a=b")}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["dino"], "--aux is 'dino'; write NAME=PATH"),
        (["=."], "write NAME=PATH"),
        (["dino=.", "dino=."], "names 'dino' twice"),
        (["dino=nowhere"], "--aux dino: there is nothing at .*nowhere"),
    ],
)
def test_other_places_are_explained(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_places(texts, what="--aux")


def test_options_by_name_are_json_or_plain_text() -> None:
    texts = ["min_area = 400", "crop=null", "denoising=0.25", "refine=none", "templates=imagenet7", 'a="1"']
    assert parse_options(texts) == {
        "min_area": 400,
        "crop": None,
        "denoising": 0.25,
        "refine": "none",
        "templates": "imagenet7",
        "a": "1",
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["crop"], "--option is 'crop'; write NAME=VALUE"),
        (["=1"], "write NAME=VALUE"),
        (["crop="], "write NAME=VALUE"),
        (["crop=1", "crop=2"], "--option names 'crop' twice"),
    ],
)
def test_other_options_are_explained(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_options(texts)
