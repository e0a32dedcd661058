"""TextRegion: pooling in given masks on given views, and fusing of masks."""

from dataclasses import replace

import torch

from parity.method_networks import clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.textregion import TextRegion
from radseg.nn.vit import plain_values
from radseg.ops.region_masks import fuse
from radseg.types import Size


def pool_stages(case: MethodCase) -> Stages:
    """Tokens, regions by both readings of the values, and SCLIP's answer where no mask lies."""
    params, rows, masks = case.params, case.inputs["words"], case.inputs["masks"]
    clip, views, counts = clip_of(case), case.inputs["views"], Size(*params["tiles"])
    *_, tokens = clip.vit.walk(clip.pixels(views))
    yield "tokens", tokens
    for dtype, reading in ((torch.float32, "unit"), (torch.float16, "raw")):
        method = TextRegion(clip, None, view=params["view"], pooled_values=reading)
        name = str(dtype).removeprefix("torch.")
        values = method.canvas(views, counts, plain_values).flatten(1).mT
        for k, locality in enumerate(params["least_locality"]):
            features, kept = replace(method, min_locality=locality).region_features(masks, values)
            yield f"region_features_{name}_{k}", features
            yield f"kept_{name}_{k}", kept
            yield f"region_cosines_{name}_{k}", features @ rows.mT
        yield f"fallback_{name}", torch.einsum("ehw,re->rhw", method.sclip_canvas(views, counts), rows)


def fuse_stages(case: MethodCase) -> Stages:
    """Masks of one object fused, given in either precision."""
    masks, params = case.inputs["masks"], case.params
    x, y, width, height = case.inputs["boxes"].unbind(1)
    boxes = torch.stack([x, y, x + width, y + height], dim=1)
    limits = {"near": params["box_iou_threshold"], "inside": params["containment_threshold"]}
    some = masks.flatten(1).any(dim=1)
    yield "fused", fuse(masks[some], boxes[some], **limits)
    yield "fused_from_float16", fuse(masks[some].half().float(), boxes[some], **limits)
