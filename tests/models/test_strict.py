"""Descriptions and weights that do not fit are refused in one line that names the file."""

import pytest
import torch
from torch import nn

from radseg.errors import CheckpointError
from radseg.models.strict import described, filled

SOUND = {"weight": torch.ones(3, 2), "bias": torch.ones(3)}


def fill(tensors):
    with torch.device("meta"):
        network = nn.Linear(2, 3)
    dtype = torch.float32
    return filled(network, tensors, lambda _: dtype, device="cpu", file="a.bin", what="a layer")


def test_sound_weights_are_put_in_place_without_gradients():
    network = fill(SOUND)
    assert torch.equal(network.weight, SOUND["weight"])
    assert not network.weight.requires_grad
    assert not network.training


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bias": None}, "lacks tensor.s. bias"),
        ({"\x1b[31m\n": torch.ones(1)}, r"unknown tensor.s. \\x1b\[31m"),
        ({"x" * 5000: torch.ones(1)}, "xxx…"),
        ({"bias": torch.ones(4)}, r"bias has shape \(4,\)"),
        ({"bias": torch.tensor([1.0, float("nan"), 1.0])}, "bias holds 1 value.s. that are NaN"),
        ({"bias": torch.tensor([1.0, float("inf"), -float("inf")])}, "bias holds 2 value"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(change, said):
    tensors = {name: tensor for name, tensor in (SOUND | change).items() if tensor is not None}
    with pytest.raises(CheckpointError, match=f"^a.bin.*{said}") as error:
        fill(tensors)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300


def test_a_large_sum_of_finite_weights_is_no_damage():
    fill(SOUND | {"bias": torch.full((3,), 3e38)})


@pytest.mark.parametrize("error", [TypeError("a\nb"), RecursionError(), AttributeError("x" * 5000)])
def test_a_description_of_which_no_network_can_be_built_is_refused_in_one_line(error):
    def make():
        raise error

    with pytest.raises(CheckpointError, match="^config.json describes no network") as refused:
        described("config.json", make)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300
