"""A stand-in for SAM's decoder that fills the prompted box, and coarse decisions made of rectangles."""

import torch
from torch import nn

from builders import tiny_config, tiny_radio
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.refine.base import CoarseResult
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.sources import RadioFeatures
from radseg.scoring import decide
from radseg.types import Size
from radseg.weights.config import AdaptorConfig, HeadConfig, SamSizes


class BoxSam(nn.Module):
    """Masks are +4 inside the box and -4 outside; the score is `score` of the point's x in the frame."""

    prompt_bytes = 46 * 2**20
    dtype, device, sizes = torch.float32, torch.device("cpu"), SamSizes()

    def __init__(self, score=torch.ones_like):
        super().__init__()
        self.score = score
        self.batches = []

    def embed_image(self, features):
        return features.new_zeros(len(features), 256, 64, 64)

    def embed_points_and_boxes(self, points, boxes):
        return torch.cat([points, boxes], dim=1)[:, None]

    def embed_masks(self, masks):
        return masks

    def decode(self, images, sparse, dense):
        self.batches.append(len(sparse))
        x0, y0, x1, y1 = sparse[:, 0, 2:].T[:, :, None, None]
        x, y = torch.arange(256) * 4 + 1.5, torch.arange(256)[:, None] * 4 + 1.5
        # Half a cell more, so that the pixels on the edge are inside after interpolation.
        inside = (x >= x0 - 2.5) & (x <= x1 + 2.5) & (y >= y0 - 2.5) & (y <= y1 + 2.5)
        return inside * 8.0 - 4.0, self.score(sparse[:, 0, 0])


class PublishedRules(Reference):
    """The published rules with mask prompts as BoxSam embeds them."""

    def embed_masks(self, sam, masks):
        return sam.embed_masks(masks)


def radio_with_sam(patch=64):
    head = HeadConfig("mlp_v2", width_in=32, hidden=24, width_out=1280, blocks=0)
    sam = AdaptorConfig("sam", 1, None, None, head)
    return tiny_radio(adaptors=(*tiny_config().adaptors, sam), depth=1, patch=patch)


def refiner(sam=None, **changes):
    options = {"coarse_threshold": 0.1, "min_area": 16} | changes
    features = RadioFeatures(radio_with_sam(), SelfCorrelatingAttention())
    return SamRefiner(features, sam or BoxSam(), **options)


def coarse_of(low, size):
    decision = decide(low, Size(*size))
    return CoarseResult(low, decision.labels, decision.confidence)


def random_low(names, grid, seed=0, sharpness=4.0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(names, *grid, generator=generator)
    return (nn.functional.avg_pool2d(noise, 3, 1, 1) * sharpness).softmax(dim=0)
