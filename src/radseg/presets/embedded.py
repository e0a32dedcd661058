"""The backbones inside this package: the miniature, and the toy of the tests."""

from typing import TYPE_CHECKING, Any

from radseg import miniature
from radseg.presets.registry import Backbone

if TYPE_CHECKING:
    from radseg.text.prompts import TextEncoder


def _miniature(device: Any, _: Any) -> Any:
    return miniature.load_parts()[0].to(device)


def _miniature_text_encoder(options: Any) -> "TextEncoder":
    from radseg.text.encoder import TowerTextEncoder  # noqa: PLC0415
    from radseg.text.templates import template_set  # noqa: PLC0415

    return TowerTextEncoder(miniature.load_parts()[1], template_set(options.templates))


def _toy(_: Any, __: Any) -> Any:
    from radseg.testing import ColourEncoder  # noqa: PLC0415

    return ColourEncoder()


def _toy_text_encoder(_: Any) -> "TextEncoder":
    from radseg.testing import ColourTextEncoder  # noqa: PLC0415

    return ColourTextEncoder()


BACKBONES = {
    "miniature": Backbone(_miniature, _miniature_text_encoder, miniature.load_decoder),
    "toy": Backbone(_toy, _toy_text_encoder),
}
