"""RADIO's blocks at real size against those of `transformers`; the goldens hold how it embeds."""

import pytest
import torch

from radseg.nn.vit import VisionTransformer
from tower_builders import recombined

# Our names for a block's parameters, and the library's.
NAMES = {
    "norm1": "norm1",
    "attention.out": "attention.o_proj",
    "norm2": "norm2",
    "mlp.up": "mlp.fc1",
    "mlp.down": "mlp.fc2",
}


def library_layer(block, width, heads):
    """Return the library's block with our block's weights."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel  # noqa: PLC0415

    numbers = {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": 1}
    config = Dinov2WithRegistersConfig(**numbers, layer_norm_eps=1e-6, hidden_act="gelu")
    layer = Dinov2WithRegistersModel(config).eval().encoder.layer[0]
    state = {}
    for kind in ("weight", "bias"):
        state |= {f"{theirs}.{kind}": block.get_parameter(f"{own}.{kind}") for own, theirs in NAMES.items()}
        parts = block.get_parameter(f"attention.qkv.{kind}").chunk(3)
        state |= {f"attention.{n}_proj.{kind}": part for n, part in zip("qkv", parts, strict=True)}
    ones = torch.ones(width)  # a block without layer scale
    scales = [ones if scale is None else scale for scale in (block.scale1, block.scale2)]
    state |= {f"layer_scale{i}.lambda1": scale for i, scale in enumerate(scales, 1)}
    layer.load_state_dict(state)
    return layer


@pytest.mark.slow
@pytest.mark.parametrize("layer_scale", [False, True])
@pytest.mark.parametrize(("width", "depth", "heads"), [(768, 12, 12), (1280, 32, 16)])
def test_radios_blocks_equal_the_librarys(width, depth, heads, layer_scale):
    torch.manual_seed(0)
    vit = VisionTransformer(
        width=width,
        depth=1,  # one block's weights, applied `depth` times: the memory of one, the rounding of all
        heads=heads,
        mlp_width=4 * width,
        patch=16,
        position_grid=8,
        prefix_tokens=8,
        layer_scale=layer_scale,
    )
    with torch.inference_mode():
        for parameter in vit.parameters():
            change = 0.1 if parameter.ndim < 2 else parameter.shape[-1] ** -0.5
            parameter.add_(change * torch.randn_like(parameter))
        block = vit.blocks[0]
        layer = library_layer(block, width, heads)
        found = expected = vit.embed(torch.rand(1, 3, 128, 96))
        for _ in range(depth):
            found, expected = recombined(block, found), layer(expected)
    scale = expected.abs().max()
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-5)
