"""HEIC, AVIF and JPEG 2000: read under the same limits as every other format."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radseg.errors import ImageError, MemoryBudgetError, MissingExtraError
from radseg.io import read_pixels
from radseg.types import Size

pillow_heif = pytest.importorskip("pillow_heif")

ROWS, COLUMNS = np.mgrid[0:40, 0:64]
PHOTO = np.stack([COLUMNS * 3, ROWS * 5, 255 - COLUMNS * 2], -1).astype(np.uint8)


def heic(image: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(image).save(stream, quality=90, **options)
    return stream.getvalue()


def by_pillow(kind: str) -> Callable[[Image.Image], bytes]:
    def encode(image: Image.Image) -> bytes:
        stream = io.BytesIO()
        image.save(stream, kind, **({"speed": 10, "quality": 90} if kind == "AVIF" else {}))
        return stream.getvalue()

    return encode


ENCODERS = {"heic": heic, "avif": by_pillow("AVIF"), "jp2": by_pillow("JPEG2000")}
WHOLE = {ending: encode(Image.fromarray(PHOTO)) for ending, encode in ENCODERS.items()}


def stored(folder: Path, content: bytes, name: str = "a.photo") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("ending", ENCODERS)
def test_a_photo_keeps_its_colours_whatever_its_name(tmp_path: Path, ending: str) -> None:
    pixels = read_pixels(stored(tmp_path, WHOLE[ending]))
    assert np.abs(pixels.astype(int) - PHOTO).mean() < (0.01 if ending == "jp2" else 4)


@pytest.mark.parametrize("ending", ENCODERS)
def test_a_photo_is_admitted_by_its_size_before_it_is_decoded(tmp_path: Path, ending: str) -> None:
    asked = []

    def refuse(size: Size, decoding: int) -> None:
        asked.append((size, decoding >= 7 * PHOTO.shape[0] * PHOTO.shape[1]))
        raise MemoryBudgetError("too large")

    with pytest.raises(MemoryBudgetError):
        read_pixels(stored(tmp_path, WHOLE[ending]), refuse)
    assert asked == [(Size(40, 64), True)]


@pytest.mark.parametrize("ending", ENCODERS)
@pytest.mark.parametrize("part", [0.02, 0.1, 0.5, 0.9])
def test_a_photo_cut_short_is_refused(tmp_path: Path, ending: str, part: float) -> None:
    content = WHOLE[ending][: int(len(WHOLE[ending]) * part)]
    with pytest.raises(ImageError, match=r"a\.photo"):
        read_pixels(stored(tmp_path, content))


@pytest.mark.parametrize("ending", ["heic", "avif"])
def test_a_turned_photo_is_shown_upright(tmp_path: Path, ending: str) -> None:
    image = Image.fromarray(PHOTO)
    exif = image.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    if ending == "heic":
        writer = pillow_heif.misc.CtxEncode(pillow_heif.constants.HeifCompressionFormat.HEVC, quality=90)
        writer.add_image(image.size, "RGB", image.tobytes(), image_orientation=6, primary=True)
        writer.save(stream)
    else:
        image.save(stream, "AVIF", speed=10, quality=90, exif=exif)
    pixels = read_pixels(stored(tmp_path, stream.getvalue()))
    assert np.abs(pixels.astype(int) - np.rot90(PHOTO, -1)).mean() < 4


def test_of_several_images_the_primary_is_read(tmp_path: Path) -> None:
    both = pillow_heif.from_pillow(Image.new("RGB", (64, 40)))
    both.add_from_pillow(Image.fromarray(PHOTO))
    stream = io.BytesIO()
    both.save(stream, quality=90, save_all=True, primary_index=1)
    assert np.abs(read_pixels(stored(tmp_path, stream.getvalue())).astype(int) - PHOTO).mean() < 4


def test_an_animation_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    image = Image.fromarray(PHOTO)
    image.save(stream, "AVIF", save_all=True, append_images=[image.rotate(180)], speed=10)
    with pytest.raises(ImageError, match="2 frames"):
        read_pixels(stored(tmp_path, stream.getvalue()))


def test_a_stream_of_another_size_than_its_header_is_refused(tmp_path: Path) -> None:
    content = heic(Image.fromarray(np.zeros((64, 64, 3), np.uint8)))
    small, large = (b"ispe\0\0\0\0" + b"".join(n.to_bytes(4) for n in size) for size in ((64, 64), (16, 16)))
    assert small in content
    with pytest.raises(ImageError, match="damaged"):
        read_pixels(stored(tmp_path, content.replace(small, large)))


def test_without_the_extra_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"pillow_heif.*radseg\[heif\]"):
        read_pixels(stored(tmp_path, WHOLE["heic"]))


def test_reading_a_heic_photo_leaves_pillow_as_it_was(tmp_path: Path) -> None:
    before = dict(Image.OPEN)
    read_pixels(stored(tmp_path, WHOLE["heic"]))
    assert before == Image.OPEN
