"""What one patch of a RADIO resembles, asked in several ways (paper Fig. 2): from an image to the figure.

The image is scaled to the preset's short side and goes through the backbone whole, in one pass.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from radseg.errors import InputError
from radseg.evaluation.report.writing import write_image
from radseg.files import write_bytes
from radseg.io import arrays_bytes, read_image, to_uint8
from radseg.models.radio import Radio, load_radio
from radseg.models.similarity import Similarity, similarities, teachers
from radseg.ops.resize import fit_short_side, image_size, resize, round_to_patch
from radseg.presets.load import ensure
from radseg.presets.registry import BACKBONES
from radseg.presets.spec import ModelSpec
from radseg.types import Rgb, Size
from radseg.visual.comparison import TILE_WIDTH, grid, tile
from radseg.visual.heat import HEAT, heat_colours
from radseg.weights.load import read_config
from radseg.weights.reporters import Reporter

MARK = (255, 64, 64)


def write_similarity(
    folder: Path, model: ModelSpec, downloads: Reporter, image: Path, at: tuple[int, int]
) -> tuple[Path, ...]:
    """Write figure and numbers of the patch at a pixel (column, row) of an image; return their paths.

    Raises:
        InputError: the pixel is outside, or the image cannot be read.
        As `presets.load.ensure`.
    """
    rgb = read_image(image)
    size = image_size(rgb)
    patch_at(*at, size, size)  # a pixel outside is told before anything is fetched
    radio, options = load_whole_radio(model, downloads), model.options
    given = fitted(rgb, radio, short_side=options.short_side, long_side=options.long_side)
    patches = Size(*(side // radio.patch for side in image_size(given)))
    found = similarities(radio, given, *patch_at(*at, size, patches))
    write_image(folder / "similarity.png", similarity_figure(to_uint8(rgb), *at, found))
    write_bytes(folder / "similarity.npz", arrays_bytes(**{one.title: one.values for one in found}))
    return folder / "similarity.png", folder / "similarity.npz"


def load_whole_radio(model: ModelSpec, downloads: Reporter) -> Radio:
    """Return the RADIO of a model with every head that imitates patches of a teacher without language.

    Raises:
        As `presets.load.ensure`.
    """
    own, device, dtype = BACKBONES.get(model.preset.checkpoint), model.device, getattr(torch, model.dtype)
    path = ensure(model, downloads, with_text=False).backbone
    if own is not None:
        radio = own.load(torch.device(device), dtype)
        assert isinstance(radio, Radio)
        return radio
    assert path is not None
    return load_radio(
        path, adaptors=teachers(read_config(path).adaptors), language_head=None, device=device, dtype=dtype
    )


def fitted(image: Rgb, radio: Radio, *, short_side: int | None, long_side: int | None) -> Rgb:
    """Return an image at the short side, both sides whole patches; None keeps its size."""
    scaled = image if short_side is None else fit_short_side(image, short_side, long_max=long_side)
    return resize(scaled, round_to_patch(image_size(scaled), radio.patch))


def patch_at(x: int, y: int, size: Size, patches: Size) -> tuple[int, int]:
    """Return row and column of the patch that holds a pixel of an image of this size.

    Raises:
        InputError: the pixel is outside.
    """
    if not (0 <= x < size.width and 0 <= y < size.height):
        raise InputError(
            f"The point {x},{y} is outside the image of {size.width} × {size.height} pixels; x goes from 0 "
            f"to {size.width - 1}, y from 0 to {size.height - 1}."
        )
    return y * patches.height // size.height, x * patches.width // size.width


def similarity_figure(
    image: UInt8[np.ndarray, "H W 3"], x: int, y: int, found: tuple[Similarity, ...]
) -> Image.Image:
    """Return the image with the point marked and every map beside it, one scale for each map.

    Each scale goes from the map's smallest value to the largest but that of the patch itself, which is 1 for
    every cosine; both are printed.
    """
    scale = TILE_WIDTH / image.shape[1]
    size = (TILE_WIDTH, max(1, round(image.shape[0] * scale)))
    small = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    place = ((x + 0.5) * scale, (y + 0.5) * scale)
    tiles = [tile(_marked(small, place), "image", f"at {x}, {y}")]
    for one in found:
        low, high = (float(value) for value in np.partition(one.values.ravel(), (0, -2))[[0, -2]])
        heat = heat_colours((one.values - low) / max(high - low, 1e-9))
        shown = Image.fromarray(heat).resize(size, Image.Resampling.NEAREST)
        under = Image.blend(small.convert("L").convert("RGB"), shown, HEAT)
        tiles.append(tile(_marked(under, place), one.title, f"{low:.3f} to {high:.3f}"))
    return grid(tiles)


def _marked(image: Image.Image, place: tuple[float, float]) -> UInt8[np.ndarray, "H W 3"]:
    """Return the image with a ring around a place, which stays to be seen."""
    marked, (x, y) = image.copy(), place
    draw = ImageDraw.Draw(marked)
    for radius, colour, width in ((11, (0, 0, 0), 5), (10, MARK, 3)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
    return np.asarray(marked)
