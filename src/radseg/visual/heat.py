"""The probability of one prompt as a heat map over the greyed photo, with a scale from 0 to 1."""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from PIL import Image, ImageDraw

from radseg.errors import InputError
from radseg.ops.bands import row_bands
from radseg.visual.legend import FAINT, INK, NARROWEST, PANEL, letter_size
from radseg.visual.text import legible, shorten

HEAT = 0.62
"""How much of a pixel is the heat colour; the rest is the grey photo."""


def heat_colours(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Return the colour of values in [0, 1]: dark violet over blue-green to yellow, evenly growing lighter.

    Values outside are taken as 0 or 1, NaN as 0.
    """
    clean = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
    shades: UInt8[np.ndarray, "*shape 3"] = _ramp()[(np.clip(clean, 0, 1) * 255).round().astype(np.uint8)]
    return shades


def heat_map(
    image: UInt8[np.ndarray, "H W 3"] | None, probability: Float32[np.ndarray, "H W"], name: str
) -> Image.Image:
    """Return the photo in grey under the probability of `name`, and below it the name and the scale.

    Raises:
        InputError: image and probability differ in size.
    """
    if image is not None and image.shape[:2] != probability.shape:
        raise InputError(f"The image is {image.shape[:2]}, the probability {probability.shape}.")
    height, width = probability.shape
    peak = float(np.nanmax(probability)) if probability.size else 0.0
    canvas, left = _with_scale(width, height, name, peak)
    for rows in row_bands(height, width):
        heat = Image.fromarray(heat_colours(probability[rows]))
        if image is not None:
            photo = Image.fromarray(np.ascontiguousarray(image[rows]))
            heat = Image.blend(photo.convert("L").convert("RGB"), heat, HEAT)
        canvas.paste(heat, (left, rows.start))
    return canvas


def with_scale(image: Image.Image, name: str, peak: float) -> Image.Image:
    """Return the image over its name, its highest probability, and the scale of the heat colours."""
    canvas, left = _with_scale(image.width, image.height, name, peak)
    canvas.paste(image, (left, 0))
    return canvas


def _with_scale(width: int, height: int, name: str, peak: float) -> tuple[Image.Image, int]:
    """Return a canvas with room for an image above its name, its highest probability, and the scale.

    And the column where the image begins.
    """
    wide = max(width, NARROWEST)
    beside = (wide - width) // 2
    width, size = wide, letter_size(wide, height)
    canvas = Image.new("RGB", (width, height + round(size * 3.4)), PANEL)
    draw = ImageDraw.Draw(canvas)
    bar_width = min(round(width * 0.42), size * 22)
    left, top = width - size - bar_width, height + round(size * 0.75)
    bar = heat_colours(np.tile(np.linspace(0, 1, bar_width), (round(size * 0.8), 1)))
    canvas.paste(Image.fromarray(bar), (left, top))
    for value in (0.0, 0.5, 1.0):
        anchor = "lt" if value == 0 else "rt" if value == 1 else "mt"
        label = legible(f"{value:g}", size=round(size * 0.85), otherwise="")
        place = (left + value * (bar_width - 1), top + size * 1.15)
        draw.text(place, label.letters, font=label.font, fill=FAINT, anchor=anchor)
    text = shorten(legible(name, size=size, otherwise="prompt"), left - 2 * size)
    middle = height + size * 1.15
    draw.text((size, middle), text.letters, font=text.font, fill=INK, anchor="lm")
    note = legible(f"highest {peak:.2f}", size=round(size * 0.85), otherwise="")
    draw.text((size, middle + size * 1.2), note.letters, font=note.font, fill=FAINT, anchor="lm")
    return canvas, beside


@lru_cache(maxsize=1)
def _ramp() -> UInt8[np.ndarray, "256 3"]:
    """256 colours along a line in OKLCh: lightness even, hue from violet to yellow, chroma as sRGB allows."""
    lightness = np.linspace(0.19, 0.94, 256)
    hue = np.radians(np.linspace(305, 103, 256))
    chroma = np.full(256, 0.155)
    for _ in range(40):  # shrink only what lies outside sRGB
        linear = _linear_srgb(lightness, chroma, hue)
        outside = ((linear < 0) | (linear > 1)).any(axis=1)
        chroma = np.where(outside, chroma * 0.95, chroma)
    kernel = np.ones(25) / 25  # the limit of sRGB has corners; smoothing keeps bands from showing
    chroma = np.convolve(np.pad(chroma, 12, mode="edge"), kernel, mode="valid")
    linear = np.clip(_linear_srgb(lightness, chroma, hue), 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray((encoded * 255).round().astype(np.uint8))


def _linear_srgb(
    lightness: Float[np.ndarray, "n"], chroma: Float[np.ndarray, "n"], hue: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3"]:
    """OKLCh to linear sRGB (Ottosson 2020, the two published matrices)."""
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    to_cone = np.array(
        [
            [1, 0.3963377774, 0.2158037573],
            [1, -0.1055613458, -0.0638541728],
            [1, -0.0894841775, -1.2914855480],
        ]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray((lab @ to_cone.T) ** 3 @ to_linear.T)
