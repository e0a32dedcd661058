"""What every format of masks is made from: one mask per name that is present in the image."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from radseg.types import ShortRepr


@dataclass(frozen=True, eq=False, repr=False)
class ClassMask(ShortRepr):
    """Where one name is, at full size.

    Attributes:
        label: its value in the label map, from 1.
        mask: true where it is; at least one pixel.
        score: mean probability of the name over its mask, 0 to 1.
    """

    label: int
    name: str
    mask: Bool[np.ndarray, "H W"]
    score: float
