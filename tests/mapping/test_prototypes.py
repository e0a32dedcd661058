"""The directions a map is made of."""

import torch
from torch.nn import functional as F

from radseg.mapping.prototypes import prototypes


def cloud(groups=5, each=200):
    generator = torch.Generator().manual_seed(0)
    centres = torch.eye(16)[:groups]
    noise = 0.05 * torch.randn(groups * each, 16, generator=generator)
    return centres, (centres.repeat_interleave(each, 0) + noise) * (
        1 + torch.rand(groups * each, 1, generator=generator)
    )


def test_each_group_has_a_prototype_of_unit_length():
    centres, features = cloud()
    found = prototypes(features, 8)
    assert (found @ centres.T).amax(0).min() > 0.99
    assert torch.allclose(found.norm(dim=1), torch.ones(len(found)), atol=1e-5)
    assert torch.equal(found, prototypes(features, 8))


def test_voxels_without_direction_and_few_voxels():
    few = torch.cat([torch.eye(4)[:2], torch.zeros(3, 4)])
    assert sorted(prototypes(few, 8).tolist()) == sorted(F.normalize(few[:2]).tolist())
