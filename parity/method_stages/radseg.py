"""RADSeg: windows, SCRA, SCGA, language head, probabilities and labels of one image."""

from dataclasses import replace

import numpy as np
from torch.nn import functional as F

from parity.method_networks import radio_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.base import align_map
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.models.radio import Radio
from radseg.nn.vit import Block
from radseg.ops.cosine import row_cosine
from radseg.ops.resize import image_size
from radseg.ops.windows import crop_windows, plan_windows
from radseg.scoring import class_probabilities, decide
from radseg.types import Size


def radseg_of(case: MethodCase, radio: Radio) -> RADSeg:
    """Return RADSeg as the case configures the published code."""
    params = case.params
    return RADSeg(
        radio, crop=params["crop"], stride=params["stride"], size_rule="stride",
        last_block=SelfCorrelatingAttention(params["scra_temperature"]),
        aggregate=SelfCorrelatingAggregation(params["scga_temperature"]),
    )  # fmt: skip


def image_stages(case: MethodCase) -> Stages:
    """Every stage of the encoder and of the decision."""
    params, radio = case.params, radio_of(case)
    method = radseg_of(case, radio)
    image = case.inputs["image"]
    prepared, patch = method.prepare(image), radio.patch
    yield "prepared_every_second", prepared[:, ::2, ::2]
    grid = Size(*(side // patch for side in image_size(prepared)))
    windows = plan_windows(grid, crop=params["crop"] // patch, stride=params["stride"] // patch)
    yield "windows", np.asarray([(w.top, w.left, w.top + w.height, w.left + w.width) for w in windows])
    *_, (block, tokens) = radio.vit.steps(radio.pixels(crop_windows(prepared, windows, patch=patch)[:2]))
    assert isinstance(block, Block)
    normed = block.norm1(tokens)
    yield "scra_in", normed
    yield "scra_out", SelfCorrelatingAttention(params["scra_temperature"]).attend(block, normed)
    yield "stitched", replace(method, aggregate=None).encode_backbone([image])[0]
    aggregated = method.encode_backbone([image])[0]
    yield "aggregated", aggregated
    aligned = align_map(method.align, aggregated)
    yield "aligned", aligned
    low = class_probabilities(row_cosine(aligned, case.inputs["words"]), temperature=params["temperature"])
    yield "probabilities_low", low
    size = Size(*params["label_size"])
    decision = decide(low, size, denoising=params["denoising"])
    kept = decision.kept[:, None, None]
    yield (
        "probabilities",
        F.interpolate(low.where(kept, low.new_zeros(()))[None], tuple(size), mode="bilinear")[0],
    )
    # Where every word is dropped the published code gives the first one.
    yield "labels", (decision.labels.long() - 1).clamp_min(0)
    limited = decide(low, size, denoising=params["denoising"], threshold=params["threshold"])
    yield "labels_with_ignore", limited.labels
