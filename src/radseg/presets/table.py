"""The table of all that comes with this package, registered when this module is first imported.

Loads nothing heavy: the command line completes names from it.
"""

from radseg.presets import rows_clip, rows_radio
from radseg.presets.embedded import BACKBONES as EMBEDDED
from radseg.presets.registry import BACKBONES, METHODS, PRESETS, Preset, register_preset

__all__ = ["BACKBONES", "METHODS", "PRESETS", "Preset"]

METHODS.update({**rows_radio.METHODS, **rows_clip.METHODS})
BACKBONES.update(EMBEDDED)
for _preset in (*rows_radio.RADSEG, *rows_clip.PRESETS, *rows_radio.ON_RADIO):
    register_preset(_preset)
