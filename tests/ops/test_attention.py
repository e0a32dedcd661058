import math

import pytest
import torch

from radseg.ops.attention import key_key_attention, neighbour_bias, query_query_attention, softmax_attention
from radseg.types import Size


def by_hand(q, k, v, bias=None):
    """softmax(QKᵀ/√k + bias)V, token by token."""
    out = torch.zeros_like(v)
    for n, m, i in torch.cartesian_prod(*map(torch.arange, v.shape[:3])).tolist():
        logits = [float(q[n, m, i] @ k[n, m, j]) / math.sqrt(q.shape[-1]) for j in range(v.shape[2])]
        if bias is not None:
            logits = [x + float(bias[i, j]) for j, x in enumerate(logits)]
        weights = [math.exp(x) for x in logits]
        out[n, m, i] = sum(w / sum(weights) * v[n, m, j] for j, w in enumerate(weights))
    return out


@pytest.fixture
def qkv():
    return torch.randn(3, 2, 2, 5, 4).unbind(0)


def test_forms_are_what_they_say(qkv):
    q, k, v = qkv
    bias = torch.randn(5, 5)
    for found, expected in (
        (softmax_attention(q, k, v), by_hand(q, k, v)),
        (key_key_attention(k, v, bias=bias), by_hand(k, k, v, bias)),
        (query_query_attention(q, v), by_hand(q, q, v)),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_no_bias_is_a_bias_of_zero(qkv):
    _, k, v = qkv
    torch.testing.assert_close(key_key_attention(k, v, bias=torch.zeros(5, 5)), key_key_attention(k, v))


@pytest.mark.parametrize("grid", [Size(3, 4), Size(1, 5), Size(4, 2)])
def test_neighbour_bias_is_a_gaussian_of_the_distance_on_the_grid(grid):
    bias = neighbour_bias(grid, sigma=1.7, prefix=2)
    for i, j in torch.cartesian_prod(*[torch.arange(grid.height * grid.width)] * 2).tolist():
        a, b = divmod(i, grid.width), divmod(j, grid.width)
        expected = math.exp(-(math.dist(a, b) ** 2) / (2 * 1.7**2))
        assert float(bias[i + 2, j + 2]) == pytest.approx(expected, abs=1e-6)
    assert not bias[:2].any()
    assert not bias[:, :2].any()
