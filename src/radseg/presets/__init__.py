"""Which model: a name and its numbers (spec), what each method is made of, and how it is fetched and loaded.

`load` is the door: check → required → ensure → load. What is exported here is for methods, presets and
backbones of one's own (docs/own-method.md); it loads nothing heavy.
"""

from radseg.presets.options import (
    Options,
    RadioOptions,
    RadsegOptions,
    StrideOptions,
    TextOptions,
    WindowOptions,
)
from radseg.presets.registry import Preset, register_backbone, register_method, register_preset

__all__ = [
    "Options",
    "Preset",
    "RadioOptions",
    "RadsegOptions",
    "StrideOptions",
    "TextOptions",
    "WindowOptions",
    "register_backbone",
    "register_method",
    "register_preset",
]
