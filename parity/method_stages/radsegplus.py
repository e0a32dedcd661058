"""RADSeg+: coarse labels, prompts, masks and refined labels of one image."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from parity.method_networks import radio_of, sam_decoder_of
from parity.method_stages.radseg import radseg_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.ops.cosine import row_cosine
from radseg.ops.resize import image_size
from radseg.refine.base import CoarseResult
from radseg.refine.merge import Canvas, Merger
from radseg.refine.radio_sam import Prompted, SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.sources import RadioFeatures
from radseg.scoring import class_probabilities, decide
from radseg.types import Size


def image_stages(case: MethodCase) -> Stages:
    """Every stage from the coarse result on."""
    params, radio, image = case.params, radio_of(case), case.inputs["image"]
    features = radseg_of(case, radio).encode([image])[0]
    low = class_probabilities(
        row_cosine(features.values, case.inputs["words"]), temperature=params["temperature"]
    )
    size = Size(*params["label_size"])
    decision = decide(low, size, denoising=params["denoising"])
    kept = torch.where(decision.kept[:, None, None], low, 0)
    coarse = CoarseResult(kept, decision.labels, decision.confidence)
    large = F.interpolate(kept[None], tuple(size), mode="bilinear")[0]
    yield "coarse_labels", decision.labels.long() - 1
    yield "coarse_probabilities", large
    refiner = SamRefiner(
        RadioFeatures(radio, SelfCorrelatingAttention(params["scra_temperature"])),
        sam_decoder_of(case),
        coarse_threshold=params["coarse_threshold"],
        min_area=4 * params["minimal_area_at_half_size"],
        mask_coefficient=params["mask_coefficient"],
        iou_threshold=params["iou_threshold"],
        rules=Reference(),
    )
    seen = refiner.sam_image(image)
    threshold, area = refiner.coarse_threshold, refiner.min_area
    proposals = refiner.rules.propose(coarse, coarse_threshold=threshold, min_area=area)
    prompted = refiner.prompt(coarse, proposals, refiner.source.encode([seen])[0], image_size(seen))
    yield "sam_features_every_eighth", prompted.image[:, ::8, ::8]
    points, boxes = refiner.point_and_box(proposals, prompted.sam_size)
    yield "boxes", boxes
    yield "points", points
    yield "regions_per_call", np.unique(proposals.classes, return_counts=True)[1]
    yield from _mask_stages(refiner, prompted, large)
    yield "labels", refiner.refine([image], [coarse])[0].labels.long() - 1


def _mask_stages(refiner: SamRefiner, prompted: Prompted, large: Tensor) -> Stages:
    coarse, proposals = prompted.coarse, prompted.proposals
    decoded = list(refiner.decode([prompted]))
    logits, scores = [one[2] for one in decoded], np.asarray([one[3] for one in decoded])
    yield "scores", scores
    canvas = Canvas(coarse, prompted.sam_size, refiner.sam.sizes)
    whole = slice(0, coarse.size.height), slice(0, coarse.size.width)
    yield "masks", torch.stack([torch.cat([s for _, s in canvas.logits(m, whole)]) > 0 for m in logits])
    accepted = scores > refiner.iou_threshold
    evidence = torch.zeros_like(large)
    for name in np.unique(proposals.classes[accepted]):
        alone = Merger(coarse, canvas)  # one name at a time gives its own evidence
        for i in np.flatnonzero(accepted & (proposals.classes == name)):
            alone.add(int(name), logits[i])
        evidence[int(name)] = alone.merged().evidence
    failed = proposals.area(~accepted, coarse.size)
    yield "probabilities", torch.maximum(evidence, torch.where(failed, large, 0)) if accepted.any() else large
