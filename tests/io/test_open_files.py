"""Open files as images: the same pixels as of the file, and one line about what cannot be read."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import radseg
from radseg.errors import ImageError
from radseg.io import read_pixels, to_pixels, to_rgb
from radseg.testing import draw_scene


def stored(ending: str = "PNG") -> io.BytesIO:
    target = io.BytesIO()
    Image.fromarray(draw_scene(40, 60)).save(target, ending)
    return target  # at its end, as after writing


def test_an_open_file_gives_the_pixels_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(stored().getvalue())
    with path.open("rb") as stream:
        assert np.array_equal(read_pixels(stream), read_pixels(path))
        assert torch.equal(to_rgb(stream), radseg.read_image(path))
        assert not stream.closed
    assert np.array_equal(to_pixels(stored()), read_pixels(path))


def test_an_upload_is_segmented() -> None:
    toy = radseg.load("toy")
    result = toy.segment(stored(), "blue sky, green grass")
    assert result.source == ""
    assert np.array_equal(result.labels, toy.segment(draw_scene(40, 60), "blue sky, green grass").labels)


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


CLOSED = stored()
CLOSED.close()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (io.StringIO("text"), "the StringIO is open for text"),
        (Pipe(stored().getvalue()), "the Pipe cannot seek; read it first: io.BytesIO"),
        (CLOSED, "the BytesIO is closed"),
        (io.BytesIO(b"no image"), "the BytesIO is not an image"),
        (io.BytesIO(stored().getvalue()[:300]), "the BytesIO is damaged or cut short"),
        (b"bytes", "Got 5 bytes; hand them over as a file: io.BytesIO"),
    ],
)
def test_what_cannot_be_read_is_said(source: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        to_pixels(source)
