"""The file beside a label map that gives its values their meaning, and JSON of numbers of any library."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from radseg.colours import colours, hex_colour

CLASSES_FORMAT = "radseg-classes/1"


def classes_json(
    names: Sequence[str],
    areas: Mapping[str, float],
    *,
    ignore: int,
    presence: Sequence[float] | None,
    details: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what `classes.json` holds: the meaning of every value of the label map, and how it was made."""
    classes: list[dict[str, Any]] = [
        {"id": label, "name": name, "colour": hex_colour(colour), "area": round(areas[name], 6)}
        for label, (name, colour) in enumerate(zip(names, colours(names), strict=True), start=1)
    ]
    if presence is not None:
        for entry, value in zip(classes, presence, strict=True):
            entry["presence"] = round(float(value), 6)
    return {"format": CLASSES_FORMAT, "none": 0, "ignore": ignore, "classes": classes, **details}


def json_bytes(value: Any) -> bytes:
    """Return UTF-8 JSON, indented, ending in a newline; NumPy and torch numbers become plain ones."""
    return (json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n").encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)
