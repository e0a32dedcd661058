"""Cosines between patches and text rows."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def row_cosine(features: Float[Tensor, "e h w"], rows: Float[Tensor, "r e"]) -> Float[Tensor, "r h w"]:
    """Return the cosine of every patch with every row, in the features' number type but at least float32."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    tokens = F.normalize(features.flatten(1).to(dtype), dim=0, eps=1e-12)
    cosine = F.normalize(rows.to(tokens), dim=1, eps=1e-12) @ tokens
    return cosine.unflatten(1, features.shape[1:])
