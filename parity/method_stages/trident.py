"""Trident: a whole image with given features and attention, and SAM's encoder."""

import torch

from parity.method_networks import GivenNetwork, clip_of, sam_encoder_of, seen_by_sam
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.shared.windowed import on_grid
from radseg.methods.trident import Trident
from radseg.nn.vit import project_values
from radseg.ops.correlation import unit_rows
from radseg.ops.resize import resize
from radseg.ops.windows import crop_windows, stitch
from radseg.types import Size, Window


def image_stages(case: MethodCase) -> Stages:
    """Values mixed in windows, weights of SAM's mixing, the guided map, features."""
    clip, params, image = clip_of(case), case.params, case.inputs["image"]
    method = Trident(
        clip, crop=params["crop"], stride=params["stride"], vfm=GivenNetwork(clip.patch), sam=None,
        temperature=params["gamma"], centre=params["beta"], mean_over="image",
        cosine_factor=params["cosine_factor"], below_zero=params["threshold_in_place_of_negative_ones"],
    )  # fmt: skip
    corners = torch.tensor(params["windows_top_left_bottom_right"]) // clip.patch
    windows = [Window(t, le, b - t, r - le) for t, le, b, r in corners.tolist()]
    crops = crop_windows(image, windows, patch=clip.patch)
    own, other = Size(windows[0].height, windows[0].width), Size(*params["feature_grid"])
    values = clip.encode(crops, project_values).patches
    mixed = method.mix(values, case.inputs["features"].flatten(2).mT, own, other)
    yield "mixed_windows", mixed
    grid = Size(*(side // clip.patch for side in image.shape[-2:]))
    stitched = resize(stitch(on_grid(mixed, other, own), windows, grid), Size(*params["sam_grid"]))
    unit = unit_rows(case.inputs["sam_values"][0].flatten(1, 2))
    weights = method.guidance(case.inputs["sam_attention"][0], unit @ unit.mT)
    yield "guidance", weights
    guided = weights @ stitched.flatten(1).mT
    yield "guided", guided
    yield "features", clip.to_language(guided)


def sam_encoder_stages(case: MethodCase) -> Stages:
    """Attention, values and tokens of SAM's last block over the whole frame."""
    encoder = sam_encoder_of(case)
    tokens, last = encoder.trunk(seen_by_sam(case, case.inputs["image"])), encoder.layers[-1]
    yield "tokens_before_last", tokens
    yield "values", encoder.values(last, tokens)
    yield "attention", torch.cat([rows.weights for rows in encoder.attend(last, tokens)], dim=1)
