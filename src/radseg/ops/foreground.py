"""Which patches of a closely cut image are the object: those nearer to its middle than to its corners."""

import warnings

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.cluster.vq import kmeans2
from torch import Tensor
from torch.nn import functional as F

MIDDLE, CORNERS = 0.35, 1.3
"""Squared distance from the centre over half the side, up to which a patch is certainly the object, and from
which it is taken as the background; the ellipse that touches the sides has 1."""
ROUNDS = 5


def foreground(values: Float[Tensor, "c h w"]) -> Bool[Tensor, "h w"]:
    """Return the patches of the object in an image that was cut out closely around it.

    Two means of the directions of the features, started at the middle and at the corners. An image of fewer
    than 3 × 3 patches, or of one thing alone, is all object.
    """
    _, height, width = values.shape
    every = torch.ones(height, width, dtype=torch.bool)
    y, x = (torch.arange(side).add(0.5).div(side).mul(2).sub(1).square() for side in (height, width))
    distance = (y[:, None] + x).flatten()
    inner, outer = distance < MIDDLE, distance > CORNERS
    if min(height, width) < 3:
        return every
    directions = F.normalize(values.detach().float().cpu().flatten(1), dim=0).T
    start = torch.stack([directions[inner].mean(0), directions[outer].mean(0)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one of the two may lose all its patches
        _, side = kmeans2(directions.numpy(), start.numpy(), iter=ROUNDS, minit="matrix")
    object_ = torch.from_numpy(np.asarray(side) == 0).unflatten(0, (height, width))
    return object_ if bool(object_.any()) else every
