"""Numbers as people type them."""

import pytest

from radseg.errors import InputError
from radseg.runs.values import parse_bytes, parse_or, parse_temperature


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
