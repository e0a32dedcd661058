"""Random weights at real sizes: cost depends on shapes, not on values."""

import torch

from radseg.models.radio import Radio, build_radio
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig

SPACE = "siglip2-so400m-patch16-naflex"
BASE = RadioConfig(
    version="random, shapes of c-radio_v3-b",
    width=768,
    depth=12,
    heads=12,
    mlp_width=3072,
    patch=16,
    position_grid=128,
    cls_tokens=4,
    registers=4,
    layer_scale=True,
    summary_tokens=(0, 1, 2),
    adaptors=(AdaptorConfig("siglip2", 1, SPACE, HeadConfig("mlp_v2", 768, 1520, 1152, 2), None),),
)


def random_radio(
    config: RadioConfig = BASE, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> Radio:
    """Return an untrained network with fan-in scaled weights, so that activations stay finite."""
    torch.manual_seed(0)
    radio = build_radio(config)
    with torch.no_grad():
        for parameter in radio.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter.shape[-1] ** -0.5)
    radio = radio.to(device, dtype).requires_grad_(False)
    radio.conditioner.float()
    return radio
