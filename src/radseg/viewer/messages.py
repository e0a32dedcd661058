"""What a browser may say to the page: three kinds of messages, their fields and types, and nothing else.

viser itself obeys more: it opens a tunnel to the internet, writes any attribute of a control, takes uploads.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

from radseg.extras import require

MAX_BYTES = 64 * 1024
"""Of one message. A camera takes 300 bytes; the rest is room for a long line of prompts."""


@cache
def _decoder() -> Callable[[bytes], Any]:
    msgspec = require("msgspec", "view")
    number: Any = Annotated[float, msgspec.Meta(gt=-1e12, lt=1e12)]  # neither NaN nor infinity
    side: Any = Annotated[int, msgspec.Meta(ge=0, le=2**16)]
    pair: Any = tuple[number, number]
    place: Any = tuple[number, number, number]
    value = msgspec.defstruct("Value", [("value", str | bool)], forbid_unknown_fields=True)
    kinds: dict[str, dict[str, Any]] = {
        "ViewerCameraMessage": {
            "wxyz": tuple[number, number, number, number],
            **dict.fromkeys(("position", "look_at", "up_direction"), place),
            **dict.fromkeys(("fov", "near", "far"), number),
            **dict.fromkeys(("image_height", "image_width"), side),
        },
        "ScenePointerMessage": {
            "event_type": Literal["click"],
            "ray_origin": place,
            "ray_direction": place,
            "screen_pos": tuple[pair],
            "modifier": str | None,
        },
        "GuiUpdateMessage": {"uuid": str, "updates": value},  # no other attribute of a control
    }
    structs = [
        msgspec.defstruct(name, [*fields.items()], tag=name, tag_field="type", forbid_unknown_fields=True)
        for name, fields in kinds.items()
    ]
    return msgspec.msgpack.Decoder(structs[0] | structs[1] | structs[2]).decode


def wrong_with(frame: bytes | str) -> str | None:
    """Return what is wrong with a message, in at most 100 characters; None if the page may send it."""
    if isinstance(frame, str):
        return "Text, not binary."
    try:
        _decoder()(frame)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        return str(error).encode("ascii", "replace").decode()[:100]
    return None
