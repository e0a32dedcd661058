"""Which file holds an image's labels, and what its numbers or colours are."""

import struct
import unicodedata
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from trees import write_photo

from radseg.datasets.base import IGNORE
from radseg.datasets.check import check_set
from radseg.datasets.folder import open_folder
from radseg.errors import ImageError, InputError
from radseg.evaluation.images.sets import Selection, open_set
from radseg.io import read_label_map

NAMES = ("sky", "road")
SIZE = (4, 8)
LEFT, RIGHT = np.indices(SIZE)[1] < 4, np.indices(SIZE)[1] >= 4


def image(data, name):
    write_photo(data / "images" / name, SIZE)


def label(data, name, values, mode=None, **options):
    path = data / "annotations" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(np.asarray(values, np.uint8))
    (made if mode is None else made.convert(mode, palette=Image.Palette.ADAPTIVE)).save(path, **options)
    return path


def trouble(data):
    return check_set(open_folder(data, NAMES)).problems


def test_a_side_longer_than_that_of_any_image_is_refused_before_decoding(tmp_path):
    Image.new("L", (65_001, 1)).save(tmp_path / "long.png")
    with pytest.raises(ImageError, match="65001×1 pixels; each side may have at most 65,000"):
        read_label_map(tmp_path / "long.png")


def test_every_image_is_judged_with_the_labels_of_its_whole_name(tmp_path):
    names = ("room", "room.flip", "scene.0001", "scene.0002", "v1.0.final")
    for number, name in enumerate(names):
        image(tmp_path, f"{name}.png")
        label(tmp_path, f"{name}.png", np.full(SIZE, number))
    images = open_folder(tmp_path, [f"name {number}" for number in range(5)])
    assert set(images.ids) == set(names)
    assert [int(images.read(name).truth[0, 0]) for name in names] == [0, 1, 2, 3, 4]


def test_a_missing_label_is_not_replaced_by_that_of_a_shorter_name(tmp_path):
    image(tmp_path, "room.png")
    image(tmp_path, "room.flip.png")
    label(tmp_path, "room.png", LEFT)
    assert list(trouble(tmp_path)) == ["room.flip"]
    assert "annotations/room.flip.png" in trouble(tmp_path)["room.flip"]


def test_hidden_files_are_neither_images_nor_labels(tmp_path):
    image(tmp_path, "a.png")
    label(tmp_path, "a.png", LEFT)
    for hidden in ("images/._a.png", "annotations/._a.png", "images/.cache/b.png"):
        (tmp_path / hidden).parent.mkdir(exist_ok=True)
        (tmp_path / hidden).write_bytes(b"\0\5\x16\7 AppleDouble")
    assert open_folder(tmp_path, NAMES).ids == ("a",)
    assert trouble(tmp_path) == {}


@pytest.mark.parametrize(
    "name", ["a.PNG", "a.tif", "a.TIFF", "a_mask.png", "a_label.tif", "a-mask.PNG", "a_gt.png", "a.jpg.png"]
)
def test_labels_of_other_endings_and_with_a_mark_are_found(tmp_path, name):
    image(tmp_path, "a.jpg")
    label(tmp_path, name, LEFT, format="PNG" if name.lower().endswith("png") else "TIFF")
    assert np.array_equal(open_folder(tmp_path, NAMES).read("a").truth, LEFT)


def test_names_that_macos_decomposed_are_the_same_names(tmp_path):
    image(tmp_path, unicodedata.normalize("NFC", "café.png"))
    label(tmp_path, unicodedata.normalize("NFD", "café.png"), LEFT)
    assert trouble(tmp_path) == {}


def test_labels_in_several_files_are_named(tmp_path):
    image(tmp_path, "a.jpg")
    for name in ("a.png", "a.tif", "a_mask.png"):
        label(tmp_path, name, LEFT)
    (said,) = trouble(tmp_path).values()
    assert "The labels of a are in several files: " in said
    assert "a.png and " in said
    assert "a.tif. Keep one." in said


def test_the_mask_of_another_image_is_not_taken(tmp_path):
    image(tmp_path, "a.png")
    image(tmp_path, "a_mask.png")
    label(tmp_path, "a_mask.png", LEFT)
    assert list(trouble(tmp_path)) == ["a"]


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a_truth.png"])
def test_a_missing_label_file_is_named_with_what_is_there_instead(tmp_path, name):
    image(tmp_path, "a.png")
    label(tmp_path, name, LEFT)
    (said,) = trouble(tmp_path).values()
    assert (
        f"there is no file {tmp_path}/annotations/a.png. Beside it: {name}. Labels are read from .png" in said
    )


def raw_png(path: Path, bits: int, colour: int, rows: np.ndarray) -> None:
    """Write a PNG of bytes that are packed already."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", SIZE[1], SIZE[0], bits, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    palette = chunk(b"PLTE", bytes(range(3 * 2**bits))) if colour == 3 else b""
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("colour", [0, 3], ids=["grey", "palette"])
def test_numbers_are_read_by_the_files_own_bit_depth(tmp_path, bits, colour):
    numbers = np.indices(SIZE).sum(0) % 2**bits
    planes = (numbers[..., None] >> np.arange(bits)[::-1]) & 1
    raw_png(
        tmp_path / "a.png", bits, colour, np.packbits(planes.reshape(SIZE[0], -1).astype(np.uint8), axis=1)
    )
    assert np.array_equal(read_label_map(tmp_path / "a.png"), numbers)


def test_sixteen_and_thirty_two_bits_are_read_as_they_are(tmp_path):
    Image.fromarray(LEFT.astype(np.uint16) * 300).save(tmp_path / "a.png")
    Image.fromarray(LEFT.astype(np.uint16) * 300).save(tmp_path / "a.tif")
    Image.fromarray(LEFT.astype(np.int32) * 300).save(tmp_path / "b.tif")
    for name in ("a.png", "a.tif", "b.tif"):
        assert np.array_equal(read_label_map(tmp_path / name), LEFT * 300)
    Image.fromarray(LEFT.astype(np.int32) * -1).save(tmp_path / "b.tif")
    with pytest.raises(ImageError, match="numbers from -1 to 0; labels are 0 to 65535"):
        read_label_map(tmp_path / "b.tif")


def test_grey_with_an_opaque_alpha_is_one_channel(tmp_path):
    label(tmp_path, "a.png", LEFT * 3, "LA")
    assert np.array_equal(read_label_map(tmp_path / "annotations/a.png"), LEFT * 3)


@pytest.mark.parametrize(
    ("values", "mode", "said"),
    [
        (np.dstack([LEFT * 9, LEFT * 9, LEFT * 8]), None, "it holds colours. .* table labelmap.txt beside"),
        (LEFT * 9, "RGB", "mode RGB, .* its channels are alike: save one"),
        (LEFT * 9, "RGBA", "mode RGBA, .* its channels are alike: save one"),
        (np.dstack([LEFT, LEFT * 200]), None, "has transparent pixels"),
        (LEFT * 9, "CMYK", "mode CMYK"),
    ],
)
def test_what_is_not_one_channel_is_refused(tmp_path, values, mode, said):
    path = label(tmp_path, f"a.{'tif' if mode == 'CMYK' else 'png'}", values, mode)
    with pytest.raises(ImageError, match=said):
        read_label_map(path)


def test_a_tiff_whose_white_is_zero_is_refused(tmp_path):
    path = label(tmp_path, "a.tif", LEFT, tiffinfo={262: 0})
    with pytest.raises(ImageError, match="tagged WhiteIsZero"):
        read_label_map(path)


TABLE = "# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\r\nSky:70,130,180::\n"
COLOURS = np.where(LEFT[..., None], (128, 64, 128), (70, 130, 180))


def coloured(data, table=TABLE, colours=COLOURS, mode=None):
    image(data, "a.png")
    label(data, "a.png", colours, mode)
    (data / "labelmap.txt").write_text(table)


def test_colours_stand_for_the_classes_of_their_table(tmp_path):
    coloured(tmp_path, colours=np.where(np.indices(SIZE)[0][..., None] == 0, 0, COLOURS))
    truth = open_folder(tmp_path, NAMES).read("a").truth
    assert np.array_equal(truth[1:], LEFT[1:])
    assert (truth[0] == IGNORE).all()


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_colours_of_a_palette_or_with_alpha_are_the_same_colours(tmp_path, mode):
    coloured(tmp_path, mode=mode)
    assert np.array_equal(open_folder(tmp_path, NAMES).read("a").truth, LEFT)


def test_the_table_names_the_classes_where_no_class_file_does(tmp_path):
    coloured(tmp_path)
    images = open_set(Selection("folder", tmp_path))
    assert images.names == ("road", "Sky")
    assert np.array_equal(images.read("a").truth, RIGHT)
    (tmp_path / "classes.txt").write_text("sky\nroad\n")
    assert open_set(Selection("folder", tmp_path)).names == ("sky", "road")


def test_an_unknown_colour_is_named(tmp_path):
    coloured(tmp_path, colours=np.where(LEFT[..., None], (128, 64, 127), (70, 130, 180)))
    with pytest.raises(ImageError, match=r"colours 128,64,127 \(16 pixels\), which .*labelmap.txt lacks"):
        open_folder(tmp_path, NAMES).read("a")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("road:128,64::\n", "Line 1 of .*labelmap.txt is not such as `road:128,64,128::`"),
        ("road:1,2,3::\nsky:1,2,3::\n", "Line 2 .* gives 1,2,3 to 'sky'; 'road' has it"),
        ("road:1,2,300::\n", "Line 1 "),
        ("# nothing\n", "names no colour"),
        ("road:1,2,3::\nwall:4,5,6::\n", "names 'wall', which no class is called; the classes are sky, road"),
    ],
)
def test_a_bad_table_is_refused_at_once(tmp_path, table, said):
    coloured(tmp_path, table)
    with pytest.raises(InputError, match=said):
        open_folder(tmp_path, NAMES)


def test_options_for_numbers_are_refused_with_a_table(tmp_path):
    coloured(tmp_path)
    with pytest.raises(InputError, match="labels are colours; leave --ignore and --first-label out"):
        open_folder(tmp_path, NAMES, first_label=1)


def test_the_known_folders_are_read(shared):
    faults = shared / "data/faults"
    for folder in (faults / "dotted_names/dots", faults / "dotted_names/dots2", faults / "appledouble/eval"):
        assert check_set(open_folder(folder, ("red", "blue"))).problems == {}
    for folder in (*(faults / "labels/lab").iterdir(), faults / "labels/g4"):
        images = open_folder(folder, ("red", "blue"))
        if folder.name == "rgbgrey":
            assert "its channels are alike" in check_set(images).problems["a"]
            continue
        absent = {"v255": {0, IGNORE}}.get(folder.name, {0, 1})
        assert set(np.unique(images.read("a").truth).tolist()) == absent, folder
