"""One colour per name: the same in overlay, legend, PNG palette and page, and the same for every image.

A name's colour follows from the name alone: from the colour it speaks of ("red ball"), else from a hash. The
other names matter only when two want the same one.
"""

import hashlib
import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64, UInt8

from radseg.errors import InputError

Colour = tuple[int, int, int]
"""sRGB, 0 to 255 each."""

NONE_COLOUR: Colour = (0, 0, 0)
"""Label 0: nothing matched."""

IGNORE_COLOUR: Colour = (224, 224, 224)
"""Label 255 in 8-bit files: left out of every count."""

TIER = 20
"""Up to 20 names share the first 20 colours, the best separated ones; the next 20 the next, and so on."""

# 240 sRGB colours, each the farthest from all before it, from (0, 120, 210) on: 6 hex digits per colour.
# Candidates: the 18³ grid of step 15 with OKLab lightness 0.40 to 0.90 and chroma 0.07 to 0.185 (never grey,
# never neon). Distance: the smallest of 0.6 × OKLab and OKLab as seen with protanopia and with deuteranopia
# (Viénot, Brettel, Mollon 1999). Among the first 20 the closest pair is 0.104 apart, and 0.067 and 0.060 for
# the colour-blind.
# A table, not a computation at run time: ties in floating point would give other colours on other machines.
_TABLE = bytes.fromhex(
    "0078d2f0e11e960000ffa5ff5a9600691e96b478875ad2a5005a5af0a55aa587ff5aa5c378692db43c9669ffa5f0694b"
    "96f0f04b4bc3a50f5af078d287a578ffb4c3d24b5a8778b44b69963c4b78c3a50000d2ff783c3ca5e169007878d2c300"
    "00b4a5c33c00e187a57878f096a5f0875ab4009687963c00872d8787c369d2b4e13c784b1e3ca5a5e1a5c378e1a55a78"
    "e18769c378004ba55ad2c38787d2c300ffd2783ca5f0d2872dc387c3f05ad25aa5ffc34b870f4ba53c69b44b4ba5e1ff"
    "e1a587874b3ca5873c693c1e5a96f0965ad24b4b969678d23c87c369e1e1f0b4a5b4960f2d87a5781e69d296ff96b43c"
    "695ac34b96b41eb4d2f05a692d5ab4c33c69965a00783c5ac396e196782d00d2d24ba59600692d5a3cb45af0d2695aa5"
    "d27896a5c3f0f0b44b963c8700965a962d69a5f0c378d2690f5a8796b478ff873c5ae1b42d78964b5ad22d78005a2d87"
    "d2b41e00c3b4a50f2d78a52d784b78c369c38769e187f096e1d200c387c3961e4bb45aa59669875a87ff0fa5d200b4ff"
    "d24b87b47869a5c396c3a5e1f087c36969c30f5a2d875a3c8769b4b469e1f0c3f0c378b496964ba5b4f0e196a5c3a55a"
    "870f784b9696965a69875a87d26978c3d2964b3c785ab4b469873c005aa587d287e1e1780fa5b4e1a5c3e178a5a52d2d"
    "ffb4e1e1872d00e1d25af0b400d2b4d287ff963c4b00875ac3d2782da5f0f08796c3b45aa54b78b4e1874bd2e1ffd23c"
    "0fc3f05a783cc3d23cd2e15ae1e196ffb40069b4963cb44b78f0e196002d004bb4c33c3ca569c3a5c33c0069a5c387e1"
    "782d004b69b45ab4695a87d2f0b4d200e1f03c966900e1a52dd296e196875a963c5a9678873c1ee1b47869a56900785a"
    "d2c369e1690fb4c3ffc3695ac369960069c369781ed287d22d3c969687e11ea578e15a87871e69d2d25ab44b96962d96"
    "a56969d269a55a5a87a5c378d25a3ce17887694bb46987f05a69e12d4b879696f0ffc378ff96b496a55aa52d695a78a5"
)


_COLOURS = len(_TABLE) // 3

_HUES = {
    "red": (2, 15, 18, 22, 62, 83, 114, 159, 148, 187, 211, 228),
    "orange": (9, 48, 106, 161, 209, 64, 205),
    "yellow": (1, 31, 26, 112, 120, 175, 55, 155, 180, 221),
    "green": (4, 29, 14, 50, 43, 41, 92, 100, 110, 115, 103, 183),
    "turquoise": (7, 16, 32, 38, 30, 52, 53, 73, 90, 113),
    "blue": (0, 17, 11, 44, 24, 72, 84, 68, 104, 35, 109, 125),
    "purple": (5, 37, 54, 40, 69, 93, 111, 23, 95, 230),
    "pink": (19, 3, 34, 6, 132, 58, 21, 158, 96, 117),
    "brown": (12, 39, 67, 86, 135, 192, 204, 65),
}
"""Places in the table of what a person calls by the word, the first tier's and the likest first: by hue and
lightness in OKLab, then by eye. Black, white and grey have none: the table leaves them to photos."""
_SAME = {"cyan": "turquoise", "teal": "turquoise", "violet": "purple", "golden": "yellow", "beige": "brown"}

# One of 600,000 tried: with it "sky" is light blue, "grass" and "trees" green, "water" cyan, "road" lavender.
_PERSON = b"290448"


def colours(names: Sequence[str]) -> UInt8[np.ndarray, "c 3"]:
    """Return the sRGB colour of every name, in order; no two alike up to 240 different names.

    Names are compared without case, underscores and surplus blanks. Their order does not matter: names with a
    colour word choose first, and of two that want the same colour the shorter keeps it (the hash decides
    between equals), the other goes on.
    """
    table = np.frombuffer(_TABLE, np.uint8).reshape(_COLOURS, 3)
    return table[_places(names)].reshape(len(names), 3).copy()


def patterns(names: Sequence[str]) -> Int64[np.ndarray, " c"]:
    """Return the pattern of every name: 0 is plain, and names of one pattern have the best separated colours.

    Up to 20 names without a colour word are plain. Who draws chooses the lines that a number stands for.
    """
    return np.array(_places(names), np.int64).reshape(len(names)) // TIER


def _places(names: Sequence[str]) -> list[int]:
    """Return the place of every name's colour in the table."""
    keys = [_canonical(name) for name in names]
    hues = {key: _hue(key) for key in keys}
    chosen: dict[str, int] = {}
    taken: set[int] = set()
    for rank, key in enumerate(sorted(hues, key=lambda key: (not hues[key], len(key), _hash(key, 0), key))):
        if rank % _COLOURS == 0:
            taken.clear()  # more names than colours: colours repeat
        place = next((place for place in hues[key] if place not in taken), None)
        chosen[key] = _first_free(key, taken) if place is None else place
        taken.add(chosen[key])
    return [chosen[key] for key in keys]


def _hue(key: str) -> tuple[int, ...]:
    """Return the places of the colours that the first colour word of a name means; none without one."""
    words = (_SAME.get(word, word) for word in key.replace("-", " ").split())
    return next((_HUES[word] for word in words if word in _HUES), ())


def palette(names: Sequence[str]) -> UInt8[np.ndarray, "256 3"]:
    """Return the palette of an 8-bit label image: 0 none (black), names from 1, 255 ignore (light grey).

    Raises:
        InputError: more than 254 names do not fit.
    """
    if len(names) > 254:
        raise InputError(f"A palette holds 254 names, not {len(names)}; write 16-bit labels instead.")
    table = np.zeros((256, 3), np.uint8)
    table[0] = NONE_COLOUR
    table[1 : len(names) + 1] = colours(names)
    table[255] = IGNORE_COLOUR
    return table


def hex_colour(colour: Sequence[int]) -> str:
    """Return "#rrggbb" for one sRGB colour of three numbers 0 to 255."""
    red, green, blue = (int(value) for value in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


def _first_free(key: str, taken: set[int]) -> int:
    """Return a free place of the first tier that has one, the same for a name wherever it can be."""
    tiers = (range(first, first + TIER) for first in range(0, _COLOURS, TIER))
    tier = next(tier for tier in tiers if not taken.issuperset(tier))
    wanted = tier[int.from_bytes(_hash(key, 0)) % TIER]
    if wanted not in taken:
        return wanted
    return min((place for place in tier if place not in taken), key=lambda place: _hash(key, place + 1))


def _hash(key: str, salt: int) -> bytes:
    text = key.encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=8, salt=salt.to_bytes(2), person=_PERSON).digest()


def _canonical(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).replace("_", " ").casefold().split())
