"""Label maps that read back the same, and images as the bytes of a file."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radseg.errors import ImageError, InputError
from radseg.io import IMAGE_ENDINGS, image_bytes, label_dtype, label_png_bytes, read_label_map


@pytest.mark.parametrize("ending", [*IMAGE_ENDINGS, ".JPG"])
def test_an_image_is_encoded_as_its_ending_says(ending: str) -> None:
    opened = Image.open(io.BytesIO(image_bytes(Image.new("RGB", (4, 3)), ending)))
    assert (opened.format, opened.size) == (IMAGE_ENDINGS[ending.lower()], (4, 3))


def test_an_unknown_ending_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"'\.gif'; use \.png, \.jpg, \.jpeg, \.webp"):
        image_bytes(Image.new("RGB", (4, 3)), ".gif")


class TestLabelPng:
    def test_values_survive_and_the_palette_shows_them(self, tmp_path: Path) -> None:
        labels = np.array([[0, 1, 2, 255]], dtype=np.uint8)
        (tmp_path / "a.png").write_bytes(label_png_bytes(labels, ("sky", "road")))
        assert np.array_equal(read_label_map(tmp_path / "a.png"), labels)
        shown = Image.open(tmp_path / "a.png").convert("RGB")
        assert shown.getpixel((0, 0)) == (0, 0, 0)
        assert len({shown.getpixel((column, 0)) for column in range(4)}) == 4

    @pytest.mark.parametrize(("names", "kind"), [(254, np.uint8), (255, np.uint16), (65534, np.uint16)])
    def test_the_type_grows_with_the_names(self, names: int, kind: type) -> None:
        assert label_dtype(names) is kind

    def test_many_names_give_sixteen_bits_that_survive(self, tmp_path: Path) -> None:
        labels = np.array([[0, 255, 256, 300]], dtype=np.uint16)
        (tmp_path / "a.png").write_bytes(label_png_bytes(labels, tuple(f"n{i}" for i in range(300))))
        assert np.array_equal(read_label_map(tmp_path / "a.png"), labels)
        assert Image.open(tmp_path / "a.png").mode == "I;16"

    def test_more_names_than_any_type_holds_are_refused(self) -> None:
        with pytest.raises(InputError, match="65,534"):
            label_dtype(65535)

    def test_a_wrong_type_is_refused(self) -> None:
        with pytest.raises(InputError, match="uint16"):
            label_png_bytes(np.zeros((2, 2), np.uint16), ("sky",))

    def test_a_photo_is_no_label_map(self, tmp_path: Path) -> None:
        Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
        with pytest.raises(ImageError, match="RGB"):
            read_label_map(tmp_path / "a.png")

    def test_a_hostile_file_is_an_error_in_words(self, tmp_path: Path) -> None:
        whole = label_png_bytes(np.zeros((4, 4), np.uint8), ("sky",))
        bomb = zlib.compress(bytes(100 * 2**20))  # a comment that unfolds to 100 MB
        for kind, data in ((b"zTXt", b"a\0\0" + bomb), (b"pHYs", b"1")):
            part = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            (tmp_path / "a.png").write_bytes(whole[:33] + part + whole[33:])
            with pytest.raises(ImageError, match="not a label map that can be read"):
                read_label_map(tmp_path / "a.png")
