"""Small sound images of every format and kind that is read, and changes that keep their checksums right."""

import io
import struct
import zlib
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 37, 29
_PNG = b"\x89PNG\r\n\x1a\n"


def photo(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Return a smooth image with noise."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(0).integers(0, 40, (height, width, 3))
    pixels = np.stack([x * 5, y * 6, (x + y) * 3], axis=-1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def seeds() -> dict[str, bytes]:
    """Return the files by a name that ends with their ending."""
    return {f"{name}{end}": data for end, make in _FORMATS.items() for name, data in make(photo())}


def _jpegs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photo"
    yield "plain", _saved(image, "JPEG", quality=90)
    yield "progressive", _saved(image, "JPEG", progressive=True)
    yield "grey", _saved(image.convert("L"), "JPEG")
    yield "cmyk", _saved(image.convert("CMYK"), "JPEG")
    yield "restarts", _saved(image, "JPEG", restart_marker_blocks=2, subsampling=0)
    yield "turned", _saved(image, "JPEG", exif=exif)
    yield "photo-with-thumbnail", _saved(image, "MPO", save_all=True, append_images=[image.resize((16, 12))])


def _pngs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    palette = image.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 8
    yield "rgb", _saved(image, "PNG")
    yield "rgba", _saved(_with_alpha(image), "PNG")
    yield "grey", _saved(image.convert("L"), "PNG")
    yield "grey-alpha", _saved(_with_alpha(image).convert("LA"), "PNG")
    yield "one-bit", _saved(image.convert("1"), "PNG")
    yield "sixteen-bits", _saved(deep, "PNG")
    yield "palette", _saved(image.quantize(200), "PNG")
    yield "palette-four-bits", _saved(palette, "PNG", bits=4, transparency=3)
    yield "palette-two-bits", _saved(image.quantize(4), "PNG", bits=2)
    yield "transparent-grey", _saved(image.convert("L"), "PNG", transparency=9)
    yield "turned", _saved(image, "PNG", exif=exif)
    head, *others = png_chunks(_saved(image, "PNG"))
    yield "text", png_of([head, (b"zTXt", b"a\0\0" + zlib.compress(b"b" * 99)), *others])
    yield "interlaced", _interlaced(image)
    yield "animated", _saved(image, "PNG", save_all=True, append_images=[image.rotate(90)])


def _tiffs(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield compression.replace("_", "-"), _saved(image, "TIFF", compression=compression)
    one_bit = image.convert("1")
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield compression.replace("_", "-"), _saved(one_bit, "TIFF", compression=compression)
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    yield "sixteen-bits", _saved(deep, "TIFF")
    yield "cmyk", _saved(image.convert("CMYK"), "TIFF")
    yield "palette", _saved(image.quantize(16), "TIFF")
    yield "alpha", _saved(_with_alpha(image), "TIFF")
    yield "floats", _saved(image.convert("F"), "TIFF")
    yield "ycbcr", _saved(image.convert("YCbCr"), "TIFF", compression="jpeg")
    yield "big", _saved(image, "TIFF", big_tiff=True)
    yield "turned", _saved(image, "TIFF", tiffinfo={274: 6})
    yield "strips", _saved(image, "TIFF", compression="tiff_lzw", strip_size=400)
    yield "tiled", _tiled(image)
    yield "pages", _saved(image, "TIFF", save_all=True, append_images=[image])


def _others(image: Image.Image) -> dict[str, Iterator[tuple[str, bytes]]]:
    alpha = _with_alpha(image)
    return {
        ".webp": iter([
            ("lossy", _saved(image, "WEBP")),
            ("lossless", _saved(alpha, "WEBP", lossless=True)),
            ("alpha", _saved(alpha, "WEBP")),
            ("animated", _saved(image, "WEBP", save_all=True, append_images=[image.rotate(90)])),
        ]),
        ".gif": iter([
            ("plain", _saved(image, "GIF")),
            ("transparent", _saved(image.quantize(16), "GIF", transparency=2)),
            ("interlaced", _saved(image, "GIF", interlace=True)),
            ("animated", _saved(image, "GIF", save_all=True, append_images=[image.rotate(90)])),
        ]),
        ".bmp": iter([
            ("rgb", _saved(image, "BMP")),
            ("palette", _saved(image.quantize(16), "BMP")),
            ("one-bit", _saved(image.convert("1"), "BMP")),
            ("alpha", _saved(alpha, "BMP")),
        ]),
        ".ppm": iter([
            ("rgb", _saved(image, "PPM")),
            ("grey", _saved(image.convert("L"), "PPM")),
            ("one-bit", _saved(image.convert("1"), "PPM")),
            ("sixteen-bits", _saved(image.convert("L").convert("I"), "PPM")),
            ("plain-text", b"P3 4 2 255\n" + b"10 200 30 " * 8),
        ]),
    }  # fmt: skip


_FORMATS = {
    ".jpg": _jpegs,
    ".png": _pngs,
    ".tif": _tiffs,
    **{end: (lambda image, end=end: _others(image)[end]) for end in (".webp", ".gif", ".bmp", ".ppm")},
}


def _with_alpha(image: Image.Image) -> Image.Image:
    layered = image.copy()
    layered.putalpha(image.convert("L").rotate(180))
    return layered


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return type and content of every chunk of a PNG."""
    chunks, at = [], len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Return the PNG of these chunks, checksums right."""
    parts = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
             for kind, body in chunks)  # fmt: skip
    return _PNG + b"".join(parts)


def png_changed(random: Random, data: bytes) -> bytes:
    """Change, double, drop or swap chunks of a PNG, each with its right checksum."""
    chunks = png_chunks(data)
    place = random.randrange(len(chunks))
    kind, body = chunks[place]
    what = random.choice(("size", "header", "body", "kind", "double", "drop", "swap", "insert"))
    if what in ("size", "header"):
        fields = list(struct.unpack(">IIBBBBB", chunks[0][1]))
        field = random.randrange(2) if what == "size" else random.randrange(2, 7)
        fields[field] = random.choice((0, 1, 2, 3, 4, 7, 8, 16, 255) if field > 1 else _SIDES)
        chunks[0] = (chunks[0][0], struct.pack(">IIBBBBB", *fields))
    elif what == "body" and body:
        at = random.randrange(len(body))
        chunks[place] = (kind, body[:at] + random.randbytes(random.randint(1, 8)) + body[at + 4 :])
    elif what == "kind":
        chunks[place] = (random.choice(_KINDS), body)
    elif what == "double":
        chunks.insert(random.randrange(len(chunks)), chunks[place])
    elif what == "drop":
        del chunks[place]
    elif what == "swap":
        other = random.randrange(len(chunks))
        chunks[place], chunks[other] = chunks[other], chunks[place]
    else:
        chunks.insert(
            random.randint(1, len(chunks)), (random.choice(_KINDS), random.randbytes(random.randint(0, 64)))
        )
    return png_of(chunks)


_SIDES = (0, 1, 36, 38, 300, 5_000, 2**15, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_KINDS = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"gAMA", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fcTL",
          b"fdAT", b"sBIT", b"bKGD", b"sRGB", b"cHRM", b"IEND", b"aaAa", b"AAAA", b"\0\0\0\0")  # fmt: skip


def tiff_changed(random: Random, data: bytes) -> bytes:
    """Change an entry of the first directory of a TIFF: its tag, type, count or value."""
    order = "<" if data[:2] == b"II" else ">"
    if len(data) < 16 or data[2:4] not in (b"*\0", b"\0*"):
        return data[:8] + random.randbytes(4) + data[12:]
    (at,) = struct.unpack(f"{order}I", data[4:8])
    (count,) = struct.unpack(f"{order}H", data[at : at + 2])
    entry = at + 2 + 12 * random.randrange(count)
    tag, kind, number, value = struct.unpack(f"{order}HHII", data[entry : entry + 12])
    what = random.choice(("tag", "type", "count", "value", "value", "value"))
    if what == "tag":
        tag = random.choice((*_TAGS, random.randrange(2**16)))
    elif what == "type":
        kind = random.randrange(20)
    elif what == "count":
        number = random.choice((0, 1, 2, 3, 5, 2**16, 2**31, 2**32 - 1))
    else:
        value = random.choice(
            (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 255, 2**16 - 1, 2**16, 2**31, 2**32 - 1, len(data))
        )
    return data[:entry] + struct.pack(f"{order}HHII", tag, kind, number, value) + data[entry + 12 :]


_TAGS = (
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    274,
    277,
    278,
    279,
    284,
    317,
    320,
    322,
    323,
    324,
    325,
    330,
    338,
    339,
    34665,
)


def jpeg_changed(random: Random, data: bytes) -> bytes:
    """Change a segment of a JPEG: its marker, length or content."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        segments.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    start = random.choice([*segments, at])
    offset = random.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, random.randrange(4, 40)))
    if random.random() < 0.2:
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        return data[:start] + data[start:end] + data[start:]
    return (
        data[: start + offset]
        + random.choice((b"\0", b"\1", b"\xff", random.randbytes(2)))
        + data[start + offset + 1 :]
    )


def _interlaced(image: Image.Image) -> bytes:
    """Return an Adam7 PNG, which Pillow reads and does not write."""
    pixels = np.asarray(image)
    passes = (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    )
    rows = b"".join(b"\0" + row.tobytes() for top, left, down, right in passes
                    for row in pixels[top::down, left::right] if row.size)  # fmt: skip
    head = struct.pack(">IIBBBBB", image.width, image.height, 8, 2, 0, 0, 1)
    return png_of([(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def _tiled(image: Image.Image) -> bytes:
    """Return an uncompressed TIFF in tiles of 16, which Pillow reads and does not write."""
    pixels = np.asarray(image)
    down, across = -(-image.height // 16), -(-image.width // 16)
    padded = np.zeros((down * 16, across * 16, 3), np.uint8)
    padded[: image.height, : image.width] = pixels
    tiles = [
        padded[16 * i : 16 * i + 16, 16 * j : 16 * j + 16].tobytes()
        for i in range(down)
        for j in range(across)
    ]
    entries = [(256, 4, 1, image.width), (257, 4, 1, image.height), (258, 3, 3, 0), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 2), (277, 3, 1, 3), (322, 4, 1, 16), (323, 4, 1, 16)]
    entries += [(324, 4, len(tiles), 0), (325, 4, len(tiles), 0)]
    beyond = 8 + 2 + 12 * len(entries) + 4
    offsets_at, counts_at = beyond + 6, beyond + 6 + 4 * len(tiles)
    first = counts_at + 4 * len(tiles)
    places = {258: beyond, 324: offsets_at, 325: counts_at}
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    head += b"".join(
        struct.pack("<HHII", tag, kind, n, places.get(tag, value)) for tag, kind, n, value in entries
    )
    head += struct.pack("<IHHH", 0, 8, 8, 8)
    head += struct.pack(f"<{len(tiles)}I", *(first + 768 * i for i in range(len(tiles))))
    head += struct.pack(f"<{len(tiles)}I", *(768,) * len(tiles))
    return head + b"".join(tiles)
