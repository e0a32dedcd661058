"""What a TIFF's tags say counts, and of EXIF the orientation alone."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from radseg.errors import ImageError
from radseg.io import read_pixels, to_rgb, to_uint8

RAMP = np.linspace(0, 1, 64).reshape(4, 16)


def tiff(
    path: Path, values: np.ndarray, *, bits: int, photometric: int = 1, extra: int | None = None
) -> Path:
    """Write an uncompressed little-endian TIFF of values "H W" or "H W bands", of 8, 12 or 16 bits each."""
    bands = 1 if values.ndim == 2 else values.shape[2]
    if bits == 12:
        pairs = values.astype(np.uint32).reshape(-1, 2)
        high, low = pairs[:, 0], pairs[:, 1]
        data = np.stack([high >> 4, ((high & 15) << 4) | (low >> 8), low & 255], 1).astype(np.uint8).tobytes()
    else:
        data = values.astype("<u2" if bits == 16 else np.uint8).tobytes()
    rows, columns = values.shape[:2]
    entries = {256: [columns], 257: [rows], 258: [bits] * bands, 259: [1], 262: [photometric], 277: [bands]}
    entries |= {278: [rows], 279: [len(data)]} | ({} if extra is None else {338: [extra]})
    where = 8 + 2 + 12 * (len(entries) + 1) + 4
    depths = struct.pack(f"<{bands}H", *entries[258])
    entries[273] = [where + len(depths)]
    table = struct.pack("<H", len(entries))
    for tag, numbers in sorted(entries.items()):
        kind, inline = (4, struct.pack("<I", numbers[0])) if tag in (273, 279) else (3, b"")
        if kind == 3:
            short = struct.pack(f"<{len(numbers)}H", *numbers)
            inline = short.ljust(4, b"\0") if len(short) <= 4 else struct.pack("<I", where)
        table += struct.pack("<HHI", tag, kind, len(numbers)) + inline
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table + struct.pack("<I", 0) + depths + data)
    return path


@pytest.mark.parametrize(
    ("bits", "photometric", "shown"),
    [(8, 1, RAMP), (12, 1, RAMP), (16, 1, RAMP), (8, 0, 1 - RAMP), (16, 0, 1 - RAMP)],
    ids=["8", "12", "16", "8 white is 0", "16 white is 0"],
)
def test_grey_of_any_depth_is_read_by_its_bits_and_its_white(
    tmp_path: Path, bits: int, photometric: int, shown: np.ndarray
) -> None:
    stored = (RAMP * (2**bits - 1)).round()
    path = tiff(tmp_path / "a.tif", stored, bits=bits, photometric=photometric)
    assert np.abs(read_pixels(path)[..., 0] - shown * 255).max() <= 1
    with Image.open(path) as opened:  # as somebody may hand it over
        assert np.array_equal(to_uint8(to_rgb(opened)), read_pixels(path))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("extra", "transparent"), [(None, False), (0, False), (2, True)])
def test_a_fourth_band_is_transparency_only_where_the_file_says_so(
    tmp_path: Path, bits: int, extra: int | None, transparent: bool
) -> None:
    values = np.full((4, 8, 4), 80) * np.array([1, 1, 1, 0])
    path = tiff(
        tmp_path / "a.tif", values * (257 if bits == 16 else 1), bits=bits, photometric=2, extra=extra
    )
    assert read_pixels(path)[0, 0].tolist() == ([255] * 3 if transparent else [80] * 3)


def test_bands_that_pillow_cannot_read_are_said_to_be_that(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", np.zeros((4, 8, 3)), bits=8, photometric=1)
    with pytest.raises(
        ImageError, match=r"TIFF of a kind that Pillow .*\(3 bands of 8 bits, BlackIsZero\); save"
    ):
        read_pixels(path)
    path = tiff(tmp_path / "a.tif", RAMP, bits=12, photometric=0)
    with pytest.raises(ImageError, match=r"\(1 band of 12 bits, WhiteIsZero\)"):
        read_pixels(path)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ImageError, match="header is damaged"):
        read_pixels(path)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_twelve_bits_in_sixteen_get_a_hint(tmp_path: Path, kind: str) -> None:
    Image.fromarray((RAMP * 4095).astype(np.uint16)).save(tmp_path / f"dark.{kind}")
    with pytest.warns(UserWarning, match="nearly black: .*12 bits, multiply them by 16"):
        read_pixels(tmp_path / f"dark.{kind}")


def test_colours_of_twelve_bits_in_sixteen_get_a_hint(tmp_path: Path) -> None:
    dark = tiff(tmp_path / "a.tif", np.dstack([RAMP * 4095] * 3), bits=16, photometric=2)
    with pytest.warns(UserWarning, match="nearly black"):
        read_pixels(dark)


@pytest.mark.parametrize("most", [0, 6000])
def test_other_sixteen_bits_get_none(tmp_path: Path, most: int, recwarn: pytest.WarningsRecorder) -> None:
    Image.fromarray((RAMP * most).astype(np.uint16)).save(tmp_path / "a.png")
    read_pixels(tmp_path / "a.png")
    assert not recwarn.list


PHOTO = np.random.default_rng(3).integers(0, 256, (8, 16, 3), np.uint8)


def exif(*entries: bytes) -> bytes:
    """Return an EXIF block of one directory of raw 12-byte entries, and 64 bytes for their values."""
    table = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + table + struct.pack("<ii", -1, 0) * 8


TURNED = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
SIGNED_RATIONAL = struct.pack("<HHII", 0x011A, 10, 1, 46)  # dots per inch, -1/0
TEXT_FOR_A_NUMBER = struct.pack("<HHI4s", 0x0100, 2, 4, b"abc\0")
ORIENTATION_AS_TEXT = struct.pack("<HHI4s", 0x0112, 2, 4, b"six\0")


@pytest.mark.parametrize(
    ("entries", "turned"),
    [
        ((TURNED, SIGNED_RATIONAL), True),
        ((TEXT_FOR_A_NUMBER, TURNED), True),
        ((SIGNED_RATIONAL,), False),
        ((ORIENTATION_AS_TEXT,), False),
        ((struct.pack("<HHIHH", 0x0112, 3, 1, 99, 0),), False),
    ],
    ids=["signed rational", "text in a number", "no orientation", "orientation as text", "orientation 99"],
)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_of_exif_the_orientation_alone_is_read(
    tmp_path: Path, kind: str, entries: tuple[bytes, ...], turned: bool
) -> None:
    path = tmp_path / f"a.{kind}"
    Image.fromarray(PHOTO).save(path, exif=exif(*entries), quality=95)
    assert read_pixels(path).shape == ((16, 8, 3) if turned else (8, 16, 3))


@pytest.mark.parametrize("block", [b"Exif\0\0nonsense", b"II*\0\xff\xff\xff\xff", b"\0"])
def test_exif_that_cannot_be_read_means_upright(tmp_path: Path, block: bytes) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg", exif=block)
    assert read_pixels(tmp_path / "a.jpg").shape == PHOTO.shape


def test_a_broken_raw_profile_means_upright(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n      12\nnot hexadecimal\n")
    Image.fromarray(PHOTO).save(tmp_path / "a.png", pnginfo=text)
    assert np.array_equal(read_pixels(tmp_path / "a.png"), PHOTO)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_is_applied_once(tmp_path: Path, orientation: int) -> None:
    for kind in ("png", "tif"):
        image = Image.fromarray(PHOTO)
        block = image.getexif()
        block[0x0112] = orientation
        image.save(tmp_path / f"a.{kind}", exif=block)
    assert np.array_equal(read_pixels(tmp_path / "a.tif"), read_pixels(tmp_path / "a.png"))


def test_the_known_files_are_read(shared: Path) -> None:
    faults = shared / "data/faults"
    for file in (faults / "exif").iterdir():
        assert read_pixels(file).std() > 20
    white, black = (read_pixels(faults / "tiff" / name) for name in ("g16miniswhite.tif", "g8miniswhite.tif"))
    assert np.abs(white.astype(int) - black).max() <= 1


@pytest.mark.parametrize("kind", [1, 2, 5, 7, 12])  # bytes, text, fractions, anything, floats
@pytest.mark.parametrize("tag", [258, 262, 277])
def test_a_number_of_an_odd_type_in_a_tiff_that_cannot_be_read_is_no_other_exception(tmp_path, tag, kind):
    path = tiff(tmp_path / "odd.tif", np.zeros((4, 16, 4)), bits=8, photometric=9)
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    entries = range(at + 2, at + 2 + 12 * count, 12)
    (entry,) = (one for one in entries if data[one : one + 2] == struct.pack("<H", tag))
    data[entry + 2 : entry + 4] = struct.pack("<H", kind)
    path.write_bytes(data)
    with pytest.raises(ImageError, match="odd.tif"):
        read_pixels(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(
    tmp_path: Path, orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radseg.ops.bands.BAND_PIXELS", 20)
    path, tags = tmp_path / "a.png", Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(PHOTO).save(path, exif=tags)
    with Image.open(path) as image:
        assert np.array_equal(read_pixels(path), np.asarray(ImageOps.exif_transpose(image)))
