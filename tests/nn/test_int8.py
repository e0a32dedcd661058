"""Linear layers in int8: near the float ones, and honest about what they depend on."""

import torch
from torch import nn
from torch.nn import functional as F

from radseg.nn.int8 import Int8Linear, to_int8


def test_an_int8_layer_is_near_the_float_one_whatever_the_scale_of_its_rows():
    torch.manual_seed(0)
    layer = nn.Linear(64, 48)
    layer.weight.data *= torch.logspace(-3, 2, 48)[:, None]
    layer.bias.data.zero_()
    x = torch.randn(3, 10, 64)
    exact, near = layer(x).detach(), Int8Linear(layer)(x)
    assert near.shape == exact.shape
    for output in range(48):
        assert (
            float(F.cosine_similarity(exact[..., output].flatten(), near[..., output].flatten(), 0)) > 0.999
        )


def test_a_token_does_not_depend_on_its_neighbours():
    torch.manual_seed(0)
    layer = Int8Linear(nn.Linear(32, 16))
    x = torch.randn(4, 7, 32) * torch.logspace(-2, 2, 4)[:, None, None]
    together = layer(x)
    for i in range(4):
        assert torch.equal(layer(x[i : i + 1]), together[i : i + 1])


def test_bias_is_kept_and_a_layer_of_zeros_stays_zero():
    layer = nn.Linear(8, 4)
    layer.weight.data.zero_()
    assert torch.allclose(Int8Linear(layer)(torch.randn(2, 8)), layer.bias.expand(2, 4))
    plain = nn.Linear(8, 4, bias=False)
    plain.weight.data.zero_()
    assert not Int8Linear(plain)(torch.randn(2, 8)).any()


def test_every_linear_layer_of_a_network_is_replaced_and_nothing_else():
    network = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Sequential(nn.GELU(), nn.Linear(4, 2)))
    changed = to_int8(network)
    kinds = [type(module) for module in changed.modules()]
    assert nn.Linear not in kinds
    assert kinds.count(Int8Linear) == 2
    assert nn.LayerNorm in kinds
