"""The yardstick of the benchmark computes the same map."""

import torch
from benchmarks.mapping_plain import PlainMap, integrate

from mapping.map_builders import CHANNELS, frame, grid_lift, grown


def test_the_straightforward_form_gives_the_same_map():
    plain = PlainMap(torch.empty(0, 3, dtype=torch.int64), torch.empty(0, 3 + CHANNELS + 1))
    for index in range(3):
        one = frame(index)
        plain = integrate(plain, one, grid_lift()(one.rgb), 0.1)
    chunk = grown(range(3)).to_semantic_map().whole()
    assert torch.equal(plain.indices, chunk.keys)
    assert torch.equal(plain.rows[:, -1], chunk.weights)
    assert torch.allclose(plain.rows[:, 3:-1], chunk.values, atol=5e-6)
    assert torch.allclose(plain.rows[:, :3], chunk.colours, atol=5e-6)
