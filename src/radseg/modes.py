"""The choices that have names: how names compete for a pixel, what refines, how sides are rounded.

Loads nothing, so the command line can name them too.
"""

from typing import Literal, get_args

Mode = Literal["assign", "background", "independent"]
"""assign: every pixel gets a name. background: a contrast bank may win it. independent: each name alone."""

MODES: tuple[Mode, ...] = get_args(Mode)

Refine = Literal["none", "pamr", "pamr-cosines", "despeckle", "corrected", "reference", "regions"]
"""pamr: by the image's colours; pamr-cosines: so before the softmax, as NACLIP's code. despeckle: small
regions get the label beside them. corrected, reference: RADSeg+ through SAM's decoder, by our rules or as its
code computes. regions: one name per region of SAM 2, as CorrCLIP ends."""

WITHOUT_WEIGHTS = frozenset({"none", "pamr", "pamr-cosines", "despeckle"})
"""The values of the option `refine` that need no network."""

NAMES_APART = frozenset({"none", "pamr-cosines"})
"""The values of the option `refine` that judge every name alone, so mode `independent` can have them."""

WITH_SAM = frozenset({"corrected", "reference"})
"""The values of the option `refine` that need SAM's decoder."""

SizeRule = Literal["patch", "stride", "up", "pixel", "pad"]
"""How an image gets legal sides: the nearest multiples of the patch, so the image keeps its shape; or the
published RADSeg's rounding up to the window stride, which distorts by up to 25 % (spec 4.1); or Trident's
rounding up to the patch. pixel, pad: it keeps its size, windows start at any pixel, and cosines are averaged
at pixels; what of a window is no whole patch is left out, or filled up with zeros (ProxyCLIP)."""

AT_PIXELS = frozenset({"pixel", "pad"})
"""The size rules that average cosines, so that there are no features without prompts."""

Enlarge = Literal["probabilities", "cosines"]
"""What is enlarged from the grid of scores to the image: probabilities, as RADSeg's code does; or cosines,
before the softmax, as the codes of the methods on CLIP do."""

LanguageHead = Literal["cls", "patch"]
"""Which head of RADIO's language adaptor patches go through: the one of its CLS tokens, which aligns patches
with language too, or the one trained on patches, which does not (RADSeg Table 3)."""

AllDenoised = Literal["none", "first"]
"""What mode `assign` gives where denoising drops every name: no label, or the first name as published."""

InputValues = Literal["normalised", "raw"]
"""What a network takes: the image minus mean over deviation, or its values in [0, 1] as they are, as in the
code of RayFronts until July 2026."""

DEFAULT_MEMORY_BUDGET = 2**30
"""Bytes that one image may take beside the weights: the image, working memory, result and its files."""

_STUFF = """
background building cabinetry carpet ceiling cloud clouds concrete counter countertop crosswalk dirt earth
field flooring floor foliage forest fog grass gravel ground hedge hill ice lake land lawn leaves meadow
mountain mountains mud ocean path pavement pier platform railing railroad river road rock rocks roof runway
sand sea sidewalk sky snow soil street terrain tile tiles tracks tree trees vegetation wall walls water
waterfall
"""
STUFF = frozenset(_STUFF.split())
"""Names that are stuff unless told otherwise: no countable things. "brick wall" is a wall, so stuff too."""
