"""Reading images of every kind, and refusing what is none."""

import errno
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from radseg.errors import ImageError, MemoryBudgetError, MissingFileError, RadsegError, ResourceError
from radseg.io import (
    MAX_PIXELS,
    MAX_SIDE,
    read_image,
    read_pixels,
    to_rgb,
    to_uint8,
)
from radseg.ops.resize import resize_antialiased
from radseg.types import Size

RNG = np.random.default_rng(7)
PHOTO = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def encoded(kind: str, array: np.ndarray = PHOTO) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def refusal(path: Path | str, kind: type[RadsegError] = ImageError) -> str:
    """Return the message that refuses a file; it must be one line and name the file."""
    with pytest.raises(kind) as caught:
        read_image(path)
    message = str(caught.value)
    assert "\n" not in message
    assert Path(path).name.partition("\0")[0] in message
    return message


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


class TestReadableKinds:
    @pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "webp", "gif", "ppm"])
    def test_lossless_formats_keep_every_value(self, tmp_path: Path, ending: str) -> None:
        options = {"lossless": True} if ending == "webp" else {}
        photo = PHOTO // 64 * 64 if ending == "gif" else PHOTO
        path = saved(tmp_path / f"a.{ending}", Image.fromarray(photo), **options)
        assert np.array_equal(read_pixels(path), photo)

    def test_rgb_is_float32_in_zero_to_one_channel_first(self, tmp_path: Path) -> None:
        rgb = read_image(saved(tmp_path / "a.png", Image.fromarray(PHOTO)))
        assert rgb.dtype == torch.float32
        assert np.array_equal(rgb.numpy(), PHOTO.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
        assert np.array_equal(to_uint8(rgb), PHOTO)

    def test_jpeg_of_one_colour_keeps_it(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.jpg", Image.new("RGB", (9, 5), (200, 40, 90)), quality=95)
        assert np.abs(read_pixels(path).astype(int) - (200, 40, 90)).max() <= 2

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, tmp_path: Path, orientation: int) -> None:
        # EXIF 2.3: where the first row and column of the stored pixels belong in the shown image
        shown = PHOTO
        stored = {
            1: shown,
            2: shown[:, ::-1],
            3: shown[::-1, ::-1],
            4: shown[::-1],
            5: shown.transpose(1, 0, 2),
            6: np.rot90(shown, 1),
            7: shown[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(shown, -1),
        }[orientation]
        image = Image.fromarray(np.ascontiguousarray(stored))
        exif = image.getexif()
        exif[0x0112] = orientation
        path = saved(tmp_path / "a.png", image, exif=exif)
        assert np.array_equal(read_pixels(path), shown)

    def test_grey_becomes_three_equal_channels(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(PHOTO[..., 0]))
        assert np.array_equal(read_pixels(path), PHOTO[..., :1].repeat(3, axis=2))

    @pytest.mark.parametrize("ending", ["png", "tiff"])
    def test_sixteen_bits_are_scaled_not_cut(self, tmp_path: Path, ending: str) -> None:
        ramp = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
        path = saved(tmp_path / f"a.{ending}", Image.fromarray(ramp))
        assert read_pixels(path)[0, :, 0].tolist() == [0, 1, 128, 255]

    def test_sixteen_bit_pgm_is_scaled(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pgm"
        path.write_bytes(b"P5 3 1 65535\n" + np.array([0, 32768, 65535], dtype=">u2").tobytes())
        assert read_pixels(path)[0, :, 0].tolist() == [0, 128, 255]

    def test_one_bit_is_black_and_white(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(np.array([[True, False]])))
        assert read_pixels(path)[0].tolist() == [[255] * 3, [0] * 3]

    def test_transparent_pixels_become_white(self, tmp_path: Path) -> None:
        image = Image.new("RGBA", (2, 1), (10, 20, 30, 255))
        image.putpixel((1, 0), (10, 20, 30, 0))
        path = saved(tmp_path / "a.png", image)
        assert read_pixels(path)[0].tolist() == [[10, 20, 30], [255, 255, 255]]

    def test_palette_with_transparency_becomes_colours_over_white(self, tmp_path: Path) -> None:
        image = Image.new("P", (2, 1))
        image.putpalette([10, 20, 30, 40, 50, 60])
        image.putpixel((1, 0), 1)
        path = saved(tmp_path / "a.png", image, transparency=1)
        assert read_pixels(path)[0].tolist() == [[10, 20, 30], [255, 255, 255]]

    def test_grey_with_alpha_is_handled(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.new("LA", (1, 1), (100, 0)))
        assert read_pixels(path).tolist() == [[[255, 255, 255]]]

    def test_cmyk_is_converted(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=95)
        red, green, blue = read_pixels(path)[4, 4].tolist()
        assert red > 240
        assert green < 15
        assert blue < 15

    def test_one_pixel_is_an_image(self, tmp_path: Path) -> None:
        assert read_image(saved(tmp_path / "a.png", Image.new("RGB", (1, 1)))).shape == (3, 1, 1)

    def test_photo_with_a_thumbnail_is_no_animation(self, tmp_path: Path) -> None:
        small = Image.fromarray(PHOTO[:3, :4])
        path = tmp_path / "a.jpg"
        Image.fromarray(PHOTO).save(path, format="MPO", save_all=True, append_images=[small])
        assert read_pixels(path).shape == PHOTO.shape

    def test_real_photos_are_read(self, shared: Path) -> None:
        assert read_image(shared / "data/photos/example3.jpg").shape == (3, 831, 1115)


class TestRefusedFiles:
    def test_missing_file(self, tmp_path: Path) -> None:
        assert "no file" in refusal(tmp_path / "gone.jpg", MissingFileError)

    def test_folder(self, tmp_path: Path) -> None:
        assert "is a folder" in refusal(tmp_path)

    def test_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.touch()
        assert "0 bytes" in refusal(path)

    def test_nul_in_the_name(self, tmp_path: Path) -> None:
        assert "\\x00" in refusal(str(tmp_path / "a\0b.jpg"), MissingFileError)

    def test_empty_name(self) -> None:
        with pytest.raises(MissingFileError, match="empty"):
            read_image("")

    def test_name_that_is_too_long(self) -> None:
        refusal("a" * 5000, ResourceError)

    def test_newline_in_the_name_stays_on_one_line(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError) as caught:
            read_image(tmp_path / "a\nb.jpg")
        assert "\n" not in str(caught.value)

    def test_device_file(self) -> None:
        assert "regular file" in refusal("/dev/zero")

    def test_text_is_no_image_and_the_formats_are_listed(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_text("hello")
        assert "JPEG, PNG" in refusal(path)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [(b"\0\0\0\x18ftypisom", "a video"), (b"%PDF-1.7", "PDF"), (b"<svg xmlns=''/>", "SVG")],
    )
    def test_foreign_formats_are_named(self, tmp_path: Path, content: bytes, kind: str) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(content)
        assert kind in refusal(path)

    def test_formats_outside_the_list_are_not_decoded(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.tga", Image.fromarray(PHOTO))
        assert Image.open(path).format == "TGA"  # Pillow could
        refusal(path)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
    def test_cut_short_files_are_refused(self, tmp_path: Path, kind: str, part: float) -> None:
        whole = encoded(kind, RNG.integers(0, 256, (50, 80, 3), dtype=np.uint8))
        path = tmp_path / "a.bin"
        path.write_bytes(whole[: int(len(whole) * part)])
        refusal(path)

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow on TIFF tags it skips
    @pytest.mark.parametrize("seed", range(30))
    def test_flipped_bytes_give_an_image_or_one_line(self, tmp_path: Path, seed: int) -> None:
        random = np.random.default_rng(seed)
        kind = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"][seed % 6]
        content = np.frombuffer(encoded(kind, RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)), np.uint8)
        damaged = content.copy()
        damaged[random.integers(0, len(damaged), 12)] = random.integers(0, 256, 12)
        path = tmp_path / "a.bin"
        path.write_bytes(damaged.tobytes())
        message = ""
        try:
            read_pixels(path)
        except ImageError as error:
            message = str(error)
        assert "\n" not in message

    @pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow on the same damage
    def test_a_page_table_that_points_nowhere_is_damage(self, tmp_path: Path) -> None:
        content = bytearray(encoded("TIFF"))
        directory = struct.unpack_from("<I", content, 4)[0]
        entries_of_12_bytes = struct.unpack_from("<H", content, directory)[0]
        struct.pack_into("<I", content, directory + 2 + 12 * entries_of_12_bytes, len(content) - 1)
        path = tmp_path / "a.tiff"
        path.write_bytes(content)
        assert "damaged" in refusal(path)

    def test_bomb_is_refused_with_its_size_before_decoding(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.png"
        path.write_bytes(png_header(30000, 30000))
        assert "30000×30000" in refusal(path)

    @pytest.mark.parametrize("sides", [(MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (1, 178_000_000)])
    def test_a_side_beyond_the_limit_is_refused_before_decoding(
        self, tmp_path: Path, sides: tuple[int, int]
    ) -> None:
        path = tmp_path / "long.png"
        path.write_bytes(png_header(*sides))
        assert "each side may have at most 65,000" in refusal(path)

    def test_a_refused_image_is_not_decoded(self, tmp_path: Path) -> None:
        def admit(size: Size, decoding: int) -> None:
            assert (size, decoding) == (Size(100, 200), 7 * 100 * 200)
            raise MemoryBudgetError("too large")

        path = tmp_path / "a.png"
        path.write_bytes(png_header(200, 100))  # its data would be said to be cut short
        with pytest.raises(MemoryBudgetError, match="too large"):
            read_pixels(path, admit)

    @pytest.mark.filterwarnings("error")
    def test_sizes_between_pillows_warning_and_its_error_are_decided_by_us(self, tmp_path: Path) -> None:
        path = tmp_path / "large.png"
        path.write_bytes(png_header(13000, 13000))
        assert MAX_PIXELS > 13000 * 13000
        assert "cut short" in refusal(path)  # the data, not the size or the header, is the reason

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_animations_are_refused_with_the_number_of_frames(self, tmp_path: Path, kind: str) -> None:
        frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 250)]
        path = tmp_path / f"a.{kind.lower()}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:])
        message = refusal(path)
        assert "3 frames" in message
        assert "PNG" in message

    @pytest.mark.parametrize("mode", ["I", "F"])
    def test_values_without_a_defined_white_are_refused(self, tmp_path: Path, mode: str) -> None:
        assert "white" in refusal(saved(tmp_path / "a.tiff", Image.new(mode, (4, 4))))

    def test_lab_is_refused(self, tmp_path: Path) -> None:
        assert "LAB" in refusal(saved(tmp_path / "a.tiff", Image.new("LAB", (4, 4))))

    def test_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(PHOTO))

        def forbidden(*_: Any, **__: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "open", forbidden)  # root may read everything, so no chmod here
        assert "may not be read" in refusal(path, ResourceError)


class TestToRgb:
    def test_images_are_rounded_to_the_nearest_value(self) -> None:
        assert to_uint8(torch.full((3, 1, 1), 127.6 / 255)).tolist() == [[[128] * 3]]

    def test_every_kind_of_the_same_image_gives_the_same_tensor(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "a.png", Image.fromarray(PHOTO))
        expected = read_image(path)
        for image in (path, str(path), Image.open(path), PHOTO, expected):
            assert torch.equal(to_rgb(image), expected)

    def test_views_with_negative_strides_are_accepted(self) -> None:
        assert torch.equal(to_rgb(PHOTO[::-1, :, ::-1]), to_rgb(PHOTO[::-1, :, ::-1].copy()))

    def test_an_opened_animation_is_taken_at_its_frame(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 120, 250)]
        frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
        image = Image.open(tmp_path / "a.png")
        image.seek(1)
        assert to_uint8(to_rgb(image))[0, 0].tolist() == [120, 0, 0]

    def test_a_white_image_that_was_resized_is_an_image(self) -> None:
        white = resize_antialiased(torch.ones(3, 480, 640), Size(333, 517))
        assert float(white.max()) > 1, "the case is gone"
        assert (float(to_rgb(white).max()), float(to_rgb(white).min())) == (1.0, pytest.approx(1.0, abs=1e-6))

    @pytest.mark.parametrize(
        "image",
        [torch.rand(3, 4, 4) / 255, (np.ones((4, 4, 3)) * 0.9).round().astype(np.uint8)],
        ids=["divided twice", "uint8 of a float image"],
    )
    def test_an_image_scaled_once_too_often_is_used_with_a_warning(self, image: Any) -> None:
        with pytest.warns(UserWarning, match="nearly black.* divided by 255 twice"):
            assert float(to_rgb(image).max()) < 1.001 / 255

    def test_a_black_image_is_an_image(self, recwarn: pytest.WarningsRecorder) -> None:
        to_rgb(torch.zeros(3, 4, 4))
        to_rgb(np.zeros((4, 4, 3), np.uint8))
        assert not recwarn.list

    def test_half_precision_becomes_float32(self) -> None:
        assert to_rgb(torch.zeros(3, 2, 2, dtype=torch.float16)).dtype == torch.float32

    @pytest.mark.parametrize(
        ("image", "hint"),
        [
            (PHOTO.astype(np.float32), "array.astype(np.uint8)"),
            (PHOTO.astype(np.float32) / 255, "(array * 255)"),
            (PHOTO.astype(np.uint16), "// 257"),
            (PHOTO.astype(np.int64), "array.astype(np.uint8)"),
            (PHOTO.transpose(2, 0, 1), "array.transpose(1, 2, 0)"),
            (PHOTO[None], "images[0]"),
            (PHOTO[..., 0], "np.stack"),
            (np.zeros((4, 4, 4), np.uint8), "[..., :3]"),
            (np.zeros((0, 4, 3), np.uint8), "at least 1"),
            (np.zeros((4, 4, 7), np.uint8), "H×W×3"),
            (torch.zeros(4, 5, 3), "tensor.permute(2, 0, 1)"),
            (torch.zeros(1, 3, 4, 4), "images[0]"),
            (torch.zeros(4, 4), "grey.expand"),
            (torch.zeros(4, 8, 8), "image[:3]"),
            (torch.zeros(3, 0, 4), "at least 1"),
            (torch.zeros(3, 4, 4, dtype=torch.uint8), "tensor.float() / 255"),
            (torch.full((3, 4, 4), 200.0), "Divide by 255"),
            (torch.full((3, 4, 4), 40_000.0), "Divide by 65535"),
            (torch.full((3, 4, 4), -1.5), "normalised already"),
            ((torch.rand(3, 4, 4) - 0.5) / 0.25, "normalises it itself"),
            (((PHOTO / 255 - 0.45) / 0.225).astype(np.float32), "normalised already"),
            (PHOTO.astype(np.int64) * 257, "Divide by 65535"),
            (torch.full((3, 4, 4), 1.01), "clamp(0, 1)"),
            (torch.full((3, 4, 4), torch.nan), "NaN"),
            (b"\x89PNG", "BytesIO"),
            ([PHOTO], "list of 1"),
            (None, "NoneType"),
            (Image.new("RGB", (0, 4)), "at least 1"),
        ],
    )
    def test_what_is_no_image_is_refused_with_the_way_out(self, image: Any, hint: str) -> None:
        with pytest.raises(ImageError) as caught:
            to_rgb(image)
        assert hint in str(caught.value)
        assert "\n" not in str(caught.value)
