import pytest
import torch
from torch.nn import functional as F

from builders import tiny_radio
from oracles import attention as oracle
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.nn.position import resampled_grid
from radseg.nn.vit import standard_block
from radseg.types import Size


def test_patch_embedding_is_a_strided_convolution():
    vit, images = tiny_radio().vit, torch.rand(2, 3, 48, 32)
    kernel = vit.patch_embed.weight.unflatten(1, (3, 16, 16))
    expected = F.conv2d(images, kernel, stride=16).flatten(2).mT
    position = resampled_grid(vit.position, Size(3, 2)).flatten(0, 1)
    torch.testing.assert_close(vit.embed(images)[:, len(vit.prefix) :], expected + position)


def test_prefix_tokens_come_first_and_have_no_position():
    vit = tiny_radio().vit
    assert torch.equal(vit.embed(torch.rand(2, 3, 16, 16))[1, : len(vit.prefix)], vit.prefix)


def test_position_field_of_its_own_size_is_used_as_it_is():
    field = torch.randn(6, 6, 4)
    assert torch.equal(resampled_grid(field, Size(6, 6)), field)


def test_wide_image_sees_the_top_of_a_square_field():
    field = torch.randn(6, 6, 4)
    assert torch.equal(resampled_grid(field, Size(2, 6)), field[:2])
    square = resampled_grid(field, Size(9, 9))
    assert torch.equal(resampled_grid(field, Size(4, 9)), square[:4])


def test_last_block_is_an_argument_and_sees_only_the_last_block():
    vit, images, seen = tiny_radio().vit, torch.rand(1, 3, 32, 32), []

    def last(block, tokens):
        seen.append(block)
        return standard_block(block, tokens) * 0

    assert (vit(images, last) == 0).all()
    assert seen == [vit.blocks[-1]]


def test_block_without_layer_scale_has_no_scale_parameters():
    block = tiny_radio(layer_scale=False).vit.blocks[0]
    assert "scale1" not in dict(block.named_parameters())
    assert block(torch.randn(1, 5, 32)).shape == (1, 5, 32)


@pytest.mark.parametrize(("temperature", "recursions"), [(1.0, 1), (10.0, 1), (3.0, 2), (3.0, 3)])
def test_recursive_attention_equals_the_equations(temperature, recursions):
    block = tiny_radio().double().vit.blocks[-1]
    normed = torch.randn(2, 13, 32).double()
    ours = SelfCorrelatingAttention(temperature, recursions=recursions).attend(block, normed)
    a = block.attention
    weights = [t.numpy() for t in (a.qkv.weight, a.qkv.bias, a.out.weight, a.out.bias)]
    for window, expected in zip(normed, ours, strict=True):
        slow = oracle.self_correlating_attention(window.numpy(), *weights, a.heads, temperature, recursions)
        torch.testing.assert_close(expected.numpy(), slow, rtol=1e-9, atol=1e-9)


def test_scaled_norms_are_norms_times_one_over_the_root_of_the_blocks_number():
    """A norm times a constant is one whose weight and bias are: folding them in gives the same network."""
    scaled, folded = (tiny_radio(depth=5, scaled_norms=scaled).double() for scaled in (True, False))
    for i, block in enumerate(folded.vit.blocks, start=1):
        for parameter in (*block.norm1.parameters(), *block.norm2.parameters()):
            parameter.mul_(1 / i**0.5)
    images = torch.rand(1, 3, 48, 32).double()
    torch.testing.assert_close(scaled.vit(images), folded.vit(images), rtol=1e-12, atol=1e-12)
    assert (scaled.vit(images) - tiny_radio(depth=5).double().vit(images)).abs().max() > 0.1


def test_norms_are_the_plain_ones_unless_they_are_scaled():
    kinds = {type(module) for module in tiny_radio().vit.modules() if isinstance(module, torch.nn.LayerNorm)}
    assert kinds == {torch.nn.LayerNorm}
