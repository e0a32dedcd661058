"""How names compete for a pixel, and with what. Loads nothing, so the command line can name them too."""

from typing import Literal, get_args

Mode = Literal["assign", "background", "independent"]
"""assign: every pixel gets a name. background: a contrast bank may win it. independent: each name alone."""

MODES: tuple[Mode, ...] = get_args(Mode)

WITH_SAM = frozenset({"mended", "reference"})
"""The values of the option `refine` that need SAM's decoder."""
