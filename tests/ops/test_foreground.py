"""The object in a closely cut image: what is like its middle and unlike its corners."""

import torch

from radseg.ops.foreground import foreground


def disc(height=12, width=16, radius=0.9):
    y, x = (torch.arange(side).add(0.5).div(side).mul(2).sub(1).square() for side in (height, width))
    return y[:, None] + x < radius


def features(mask, noise=0.1):
    here, there = torch.eye(8)[:2]
    noisy = noise * torch.randn(8, *mask.shape, generator=torch.Generator().manual_seed(0))
    return torch.where(mask, here[:, None, None], there[:, None, None]) + noisy


def test_a_disc_is_found_and_its_length_does_not_matter():
    mask = disc()
    values = features(mask)
    assert torch.equal(foreground(values), mask)
    lengths = torch.rand(mask.shape, generator=torch.Generator().manual_seed(1)) + 0.1
    assert torch.equal(foreground(values * lengths), mask)


def test_an_object_that_is_no_ellipse_is_found_too():
    mask = torch.zeros(12, 12, dtype=torch.bool)
    mask[4:8] = True
    mask[:, 5:7] = True
    assert torch.equal(foreground(features(mask)), mask)


def test_an_image_of_one_thing_and_a_tiny_one_are_all_object():
    assert foreground(torch.ones(8, 10, 10)).all()
    assert foreground(torch.rand(8, 2, 9)).all()
