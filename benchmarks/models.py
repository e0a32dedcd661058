"""Random weights at real sizes: cost depends on shapes, not on values."""

import torch

from radseg.models.radio import Radio
from radseg.models.untrained import untrained_config, untrained_radio
from radseg.weights.catalog import SO400M_NAFLEX
from radseg.weights.config import RadioConfig

SPACE = SO400M_NAFLEX
BASE = untrained_config("c-radio_v3-b")


def random_radio(
    config: RadioConfig = BASE, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Radio:
    """Return an untrained network of this shape, C-RADIOv3-B by default."""
    return untrained_radio(config, device=device, dtype=dtype)
