"""How names compete for a pixel, and with what. Loads nothing, so the command line can name them too."""

from typing import Literal, get_args

Mode = Literal["assign", "background", "independent"]
"""assign: every pixel gets a name. background: a contrast bank may win it. independent: each name alone."""

MODES: tuple[Mode, ...] = get_args(Mode)

Refine = Literal["none", "pamr", "corrected", "reference", "regions"]
"""pamr: by the image's colours. corrected, reference: RADSeg+ through SAM's decoder, by our rules or as its
code computes. regions: one name per region of SAM 2, as CorrCLIP ends."""

WITH_SAM = frozenset({"corrected", "reference"})
"""The values of the option `refine` that need SAM's decoder."""
