"""The miniature's geometric teacher: what a renderer knows of the surface under every patch.

Per patch: how far it is compared with the crop's mean (log depth), the mean surface normal in camera axes,
and how uneven its depth is. A crop is taken as a whole image with the axis through its middle: more cannot
be seen in it.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CHANNELS = 5


def surface_targets(
    depth: Float[Tensor, "n H W"], focal: Float[Tensor, " n"], *, patch: int
) -> Float[Tensor, "n p 5"]:
    """Return the targets of the feature head: log depth against the mean, normal x, y, z, unevenness."""
    log = depth.clamp(min=0.05).log()[:, None]
    mean = F.avg_pool2d(log, patch)
    near, far = -F.max_pool2d(-log, patch), F.max_pool2d(log, patch)
    normals = F.avg_pool2d(_normals(depth, focal), patch)
    values = torch.cat([mean - mean.mean((2, 3), keepdim=True), normals, (far - near).clamp(max=2)], dim=1)
    return values.flatten(2).mT


def surface_summary(targets: Float[Tensor, "n p 5"]) -> Float[Tensor, "n 5"]:
    """Return the target of the summary head: spread of depth, mean normal, mean unevenness."""
    return torch.cat([targets[..., :1].std(1), targets[..., 1:].mean(1)], dim=-1)


def _normals(depth: Float[Tensor, "n H W"], focal: Float[Tensor, " n"]) -> Float[Tensor, "n 3 H W"]:
    """Return unit normals towards the camera, from differences of neighbouring points."""
    height, width = depth.shape[1:]
    y = torch.arange(height, device=depth.device) - height / 2
    x = torch.arange(width, device=depth.device) - width / 2
    scale = depth / focal[:, None, None]
    points = torch.stack([x * scale, y[:, None] * scale, depth], dim=1)
    along = torch.diff(points, dim=3, append=points[..., -1:])
    down = torch.diff(points, dim=2, append=points[..., -1:, :])
    return F.normalize(torch.linalg.cross(down, along, dim=1), dim=1)
