"""The page as bytes, image by image: however many images it has, one is in memory.

It asks for nothing but the originals: script and style are in it and allowed by their hashes, names are JSON
that a script sets as text.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from radseg.colours import colours, hex_colour
from radseg.io import image_bytes, label_dtype
from radseg.io.labels import LabelMap
from radseg.jobs.manifest import ClassRecord

THUMBNAIL, PREVIEW = 160, 640
"""Longest side of a card's photo and mask, and of the mask in the large view, in pixels."""
_QUALITY = 78  # of a thumbnail's JPEG: about 5 kB


@dataclass(frozen=True)
class Heading:
    """What the page says of the run.

    Attributes:
        key: what decisions are kept under, in the browser and in the list; see `decisions.review_key`.
        names: the classes; name i is label i + 1.
    """

    title: str
    key: str
    names: Sequence[str]


@dataclass(frozen=True, eq=False)
class ReviewImage:
    """One image on the page.

    Attributes:
        name: its output name, by which it is decided on.
        source: its path below its source folder, as it is shown.
        message: why it failed; it then has no labels and cannot be decided on.
        address: where its file lies, relative to the page; "" where that is not known.
    """

    name: str
    source: str
    message: str = ""
    classes: tuple[ClassRecord, ...] = ()
    labels: LabelMap | None = None
    photo: UInt8[np.ndarray, "H W 3"] | None = None
    address: str = ""


def page_pieces(heading: Heading, images: Iterable[ReviewImage]) -> Iterator[bytes]:
    """Yield the page, an HTML file in UTF-8; a piece of about 10 kB per image."""
    html, style, script = (
        (files("radseg.review") / f"page.{ending}").read_text("utf-8") for ending in ("html", "css", "js")
    )
    allowed = " ".join(f"{kind}-src {_hash(text)};" for kind, text in (("script", script), ("style", style)))
    policy = f"default-src 'none'; img-src data: file:; {allowed} base-uri 'none'; form-action 'none'"
    wide = label_dtype(len(heading.names)) is np.uint16
    before, after = html.split("{data}")
    yield before.replace("{policy}", policy).replace("{style}", style).encode()
    run = {**asdict(heading), "wide": wide, "colours": [hex_colour(one) for one in colours(heading.names)]}
    yield _json_element('id="run"', run)
    for image in images:
        yield _json_element('class="facts"', _facts(image))
        yield _json_element('class="pixels"', _pixels(image, wide=wide))
    yield after.replace("{script}", script).encode()


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _json_element(attribute: str, value: Any) -> bytes:
    """Return a value as an element that no browser runs and no text in it can end."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" {attribute}>{text}</script>\n'.encode()


def _facts(image: ReviewImage) -> dict[str, Any]:
    classes = [(one.id, one.share, one.confidence, one.presence) for one in image.classes]
    texts = {"name": image.name, "source": image.source, "message": image.message, "photo": image.address}
    return {**texts, "classes": classes}


def _pixels(image: ReviewImage, *, wide: bool) -> dict[str, str]:
    if image.labels is None:
        return {}
    masks = {
        "small": _mask_png(image.labels, THUMBNAIL, wide=wide),
        "mask": _mask_png(image.labels, PREVIEW, wide=wide),
    }
    photo = {} if image.photo is None else {"thumb": _thumbnail(image.photo)}
    return {kind: b64encode(content).decode() for kind, content in (masks | photo).items()}


def _thumbnail(photo: UInt8[np.ndarray, "H W 3"]) -> bytes:
    small, file = Image.fromarray(photo), BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC)
    small.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def _mask_png(labels: LabelMap, side: int, *, wide: bool) -> bytes:
    """Return the labels as grey values, or as red + 256 green where they are wide, at most `side` long."""
    step = max(1.0, max(labels.shape) / side)
    rows, columns = (((np.arange(max(1, int(n / step))) + 0.5) * step).astype(int) for n in labels.shape)
    small = labels[np.minimum(rows, len(labels) - 1)][:, np.minimum(columns, labels.shape[1] - 1)]
    if wide:
        small = np.stack([small & 255, small >> 8, np.zeros_like(small)], axis=-1).astype(np.uint8)
    return image_bytes(Image.fromarray(np.ascontiguousarray(small)))
