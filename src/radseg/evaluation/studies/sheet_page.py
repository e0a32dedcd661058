"""The sheet as one HTML page: images inside, no script, nothing fetched from anywhere."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from radseg.colours import hex_colour
from radseg.errors import InputError
from radseg.evaluation.studies.sheet import NO_FEATURES, Panel, Strip, percent
from radseg.io import image_bytes

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
section { margin-bottom: 2.5rem; }
h2 { font-size: 1rem; overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; }
figure { margin: 0; width: 300px; }
figure img { width: 100%; display: block; }
figcaption { font-size: .85rem; min-height: 1.4em; overflow-wrap: anywhere; }
meter { width: 100%; }
.names { display: flex; flex-wrap: wrap; gap: .3rem 1rem; padding: 0; list-style: none; font-size: .85rem; }
.names i { display: inline-block; width: .9em; height: .9em; margin-right: .4em; }
"""


def sheet_page(shown: Sequence[Strip], *, title: str, notes: Sequence[str] = ()) -> str:
    """Return the page; every name and file name is escaped.

    Args:
        notes: lines below the title, such as images that could not be read.

    Raises:
        InputError: there is nothing to show.
    """
    if not shown:
        raise InputError("There is no image to put on the sheet.")
    lines = "".join(f"<p>{escape(note)}</p>\n" for note in notes)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{lines}" + "".join(map(_section, shown)) + "</body>\n</html>\n"
    )


def _section(strip: Strip) -> str:
    first = _figure(strip.image, "input") + _figure(strip.truth, "truth")
    labels = "".join(_figure(p.labels, f"{p.model}: mIoU {percent(p.miou)}", _meter(p)) for p in strip.panels)
    features = "".join(
        f"<figure><figcaption>{escape(p.model)}: {NO_FEATURES}</figcaption></figure>\n"
        if p.features is None
        else _figure(p.features, f"{p.model}: features")
        for p in strip.panels
    )
    names = "".join(
        f'<li><i style="background:{hex_colour(colour)}"></i>{escape(name)}</li>'
        for name, colour, _ in strip.present
    )
    return (
        f'<section>\n<h2>{escape(strip.id)}</h2>\n<div class="row">{first}{labels}</div>\n'
        f'<div class="row">{features}</div>\n<ul class="names">{names}</ul>\n</section>\n'
    )


def _figure(image: UInt8[np.ndarray, "H W 3"], caption: str, below: str = "") -> str:
    data = base64.b64encode(image_bytes(Image.fromarray(image))).decode("ascii")
    text = escape(caption)
    return (
        f'<figure><figcaption>{text}</figcaption><img alt="{text}" src="data:image/png;base64,{data}">'
        f"{below}</figure>\n"
    )


def _meter(panel: Panel) -> str:
    share = 0.0 if np.isnan(panel.miou) else panel.miou
    return f'<meter min="0" max="1" value="{share:.4f}"></meter>'
