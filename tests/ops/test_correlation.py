import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oracles import attention as oracle
from radseg.ops.correlation import correlation_attention, correlation_attention_dense, mean_cosine


@pytest.fixture(params=[correlation_attention, correlation_attention_dense])
def operator(request):
    return request.param


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.4])
@pytest.mark.parametrize("temperature", [1.0, 10.0, 30.0])
def test_operator_equals_the_equation(operator, temperature, threshold):
    tokens, values = torch.randn(23, 5).double(), torch.randn(23, 4).double()
    ours = operator(tokens, values, temperature=temperature, threshold=threshold)
    expected = oracle.correlation_attention(tokens.numpy(), values.numpy(), temperature, threshold)
    torch.testing.assert_close(ours.numpy(), expected, rtol=1e-9, atol=1e-9)


@given(st.integers(1, 40), st.integers(1, 2000))
def test_rows_in_blocks_equal_the_dense_form(count, block_bytes):
    # float64 compares the algebra alone; in float32 the worst seen is 1.3e-6
    tokens, values = torch.randn(2, 3, count, 6).double(), torch.randn(2, 3, count, 4).double()
    options = {"temperature": 10.0, "threshold": 0.1}
    blocked = correlation_attention(tokens, values, block_bytes=block_bytes, **options)
    dense = correlation_attention_dense(tokens, values, **options)
    torch.testing.assert_close(blocked, dense, rtol=1e-9, atol=1e-9)


def test_a_threshold_per_map_is_applied_to_its_own_map():
    tokens = torch.randn(2, 12, 4)
    limits = torch.tensor([0.0, 0.9])
    together = correlation_attention(tokens, tokens, temperature=5.0, threshold=limits)
    for i in range(2):
        alone = correlation_attention(tokens[i], tokens[i], temperature=5.0, threshold=float(limits[i]))
        torch.testing.assert_close(together[i], alone)


def test_operator_is_permutation_equivariant(operator):
    tokens, order = torch.randn(17, 5).double(), torch.randperm(17)
    options = {"temperature": 10.0, "threshold": 0.0}
    shuffled = operator(tokens[order], tokens[order], **options)
    torch.testing.assert_close(shuffled, operator(tokens, tokens, **options)[order])


def test_rows_are_convex_combinations(operator):
    values = torch.rand(30, 3)
    out = operator(torch.randn(30, 5), values, temperature=10.0, threshold=0.0)
    assert (out <= values.amax(0) + 1e-6).all()
    assert (out >= values.amin(0) - 1e-6).all()


def test_threshold_above_one_leaves_every_token_itself(operator):
    values = torch.rand(9, 3)
    out = operator(torch.randn(9, 5), values, temperature=10.0, threshold=1.5)
    torch.testing.assert_close(out, values)


def test_equal_tokens_and_zero_tokens_give_no_nan(operator):
    tokens = torch.ones(6, 4)
    assert operator(tokens, tokens, temperature=10.0, threshold=mean_cosine(tokens)).isfinite().all()
    assert operator(tokens * 0, tokens, temperature=10.0, threshold=0.0).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_and_returned_in_its_own_type(dtype):
    tokens = torch.randn(40, 8).to(dtype)
    ours = correlation_attention(tokens, tokens, temperature=10.0, threshold=0.0)
    exact = correlation_attention(tokens.float(), tokens.float(), temperature=10.0, threshold=0.0)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, exact.to(dtype))


def test_mean_cosine_equals_the_mean_of_the_matrix():
    tokens = torch.randn(19, 6).double()
    assert float(mean_cosine(tokens)) == pytest.approx(oracle.mean_cosine(tokens.numpy()), abs=1e-12)
