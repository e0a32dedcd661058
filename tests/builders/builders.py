"""Small random models for tests: real architecture, real code path, no weights."""

import torch
from torch import nn

from radseg.models.radio import Radio, build_radio
from radseg.weights.config import AdaptorConfig, HeadConfig, RadioConfig

SPACE = "siglip2-so400m-patch16-naflex"


def tiny_config(**changes) -> RadioConfig:
    head = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=20, blocks=1)
    values = {
        "version": "tiny",
        "width": 32,
        "depth": 2,
        "heads": 2,
        "mlp_width": 48,
        "patch": 16,
        "position_grid": 10,
        "cls_tokens": 2,
        "registers": 3,
        "layer_scale": True,
        "summary_tokens": (0, 1),
        "adaptors": (AdaptorConfig("siglip2", 1, SPACE, head, head),),
    }
    return RadioConfig(**(values | changes))


def randomised(network, seed):
    """Fill a network with random weights at scales that keep activations finite and features different."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            scale, offset = 0.05, 0.0
        elif parameter.ndim == 1:
            scale, offset = 0.1, 0.5 if "scale" in name else 1.0
        else:
            scale, offset = (0.5 if "position" in name else parameter.shape[-1] ** -0.5), 0.0
        with torch.no_grad():
            parameter.copy_(offset + scale * torch.randn(parameter.shape, generator=generator))
    nn.init.constant_(network.conditioner.std, 0.3)
    nn.init.constant_(network.conditioner.mean, 0.5)
    return network.requires_grad_(False)


def tiny_radio(seed: int = 0, **changes) -> Radio:
    """Return a random RADIO whose patch features differ enough for cosines to mean something."""
    return randomised(build_radio(tiny_config(**changes)), seed)
