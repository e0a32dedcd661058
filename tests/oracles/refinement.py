"""Merging of masks written from spec 5.8 and 5.9 with every mask and name at full size at once."""

import torch
from torch.nn.functional import interpolate


def full_size_logits(logits, sam_size, size):
    """(r, 256, 256) -> (r, H, W): up to 1024, cut to the image, to full size."""
    big = interpolate(logits[:, None], (1024, 1024), mode="bilinear", align_corners=False)
    cut = big[:, :, : sam_size[0], : sam_size[1]]
    return interpolate(cut, tuple(size), mode="bilinear", align_corners=False)[:, 0]


def evidence(probabilities, names, logits, sam_size, size):
    """(c, H, W): largest sigmoid(logit) of a name's masks times its probability, where one is positive."""
    maps = interpolate(probabilities[None], tuple(size), mode="bilinear", align_corners=False)[0]
    full = full_size_logits(logits, sam_size, size)
    out = torch.zeros_like(maps)
    for c in range(len(maps)):
        mine = full[[i for i, name in enumerate(names) if name == c]]
        if len(mine):
            out[c] = mine.sigmoid().amax(0) * maps[c] * (mine > 0).any(0)
    return out
