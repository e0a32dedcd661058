"""Our value of every golden stage of RADSeg+: SAM alone, and refinement from given low-resolution maps."""

import json
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from parity.golden_set import Array, Case, GoldenSet, noise, parameter
from parity.stages import Stages, input_image
from radseg.methods.radseg import SelfCorrelatingAttention
from radseg.models.radio import Radio
from radseg.models.sam import SamDecoder, build_sam
from radseg.ops.resize import image_size, resize
from radseg.refine.base import CoarseResult
from radseg.refine.merge import Canvas, Merger
from radseg.refine.radio_sam import Prompted, SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.rules import Merged, Proposals
from radseg.refine.sources import RadioFeatures
from radseg.scoring import decide
from radseg.types import Rgb, Size
from radseg.weights.convert.rename import translate
from radseg.weights.convert.sam import ORIGINAL


def seeded_sam(goldens: GoldenSet, case: Case) -> SamDecoder:
    """Return SAM's decoder with the case's seeded weights, renamed as a published file would be."""
    keys = json.loads((goldens.folder / "keys_sam.json").read_text())
    seed, overrides = case.params["sam_seed"], case.params["sam_overrides"]
    return build_sam(
        {
            str(translate(k, ORIGINAL)): torch.from_numpy(parameter(k, s, seed, overrides))
            for k, s in keys.items()
        },
        device=goldens.device,
    )


def parity_stages(
    goldens: GoldenSet, case: Case, radio: Radio | None = None, low: Tensor | None = None
) -> dict[str, Array]:
    """Return our full array of every SAM stage of a case: kind "sam", or "encoder" with sam_refinement.

    Args:
        radio: the backbone of an encoder case, loaded with its "sam" adaptor.
        low: our own "c h w" probabilities for an end-to-end comparison; the golden ones if absent.
    """
    if case.kind == "sam":
        return dict(sam_stages(goldens, case))
    if radio is None or not case.params["encoder"]["sam_refinement"]:
        return {}
    return dict(refine_stages(goldens, case, radio, low))


@torch.inference_mode()
def sam_stages(goldens: GoldenSet, case: Case) -> Stages:
    """Prompt encoder and mask decoder on synthetic input (kind "sam")."""
    sam, seed = seeded_sam(goldens, case), case.params["noise_seed"]
    image = (
        torch.from_numpy(noise("unit/sam_feat", (1, 256, 64, 64), seed)).to(sam.device).expand(3, -1, -1, -1)
    )
    sparse = sam.embed_points_and_boxes(
        torch.tensor(case.params["points"], device=sam.device),
        torch.tensor(case.params["boxes"], device=sam.device),
    )
    mask = 0.02 * torch.from_numpy(noise("unit/sam_mask", (1, 256, 256), seed)).to(sam.device).sigmoid()
    mask[:, 180:] = 0
    kinds = {
        "unbatched_mask": Reference().embed_masks(sam, mask),
        "batched_mask": sam.embed_masks(mask),
        "no_mask": sam.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand(1, -1, 64, 64),
    }
    for kind, dense in kinds.items():
        logits, scores = sam.decode(image, sparse, dense.expand(3, -1, -1, -1))
        yield f"sparse@{kind}", _numpy(sparse)
        yield f"dense@{kind}", _numpy(dense[0])
        yield f"lowres@{kind}", _numpy(logits)
        yield f"iou@{kind}", _numpy(scores)
    yield "dense_pe", _numpy(sam.grid_position)
    yield from _multimask_stages(sam, image, sparse, kinds["unbatched_mask"])
    # The manifest does not say which masks these stages take; only the unbatched ones give its numbers.
    logits, _ = sam.decode(image, sparse, kinds["unbatched_mask"].expand(3, -1, -1, -1))
    full = Size(480, 640)
    coarse = CoarseResult(
        torch.zeros(1, 1, 1, device=sam.device),
        torch.zeros(full, dtype=torch.uint8),
        torch.zeros(full, device=sam.device),
    )
    canvas = Canvas(coarse, Size(768, 1024), sam.sizes)
    whole = slice(0, full.height), slice(0, full.width)
    enlarged = [torch.cat([strip for _, strip in canvas.logits(one, whole)]) for one in logits]
    yield "post@768x1024_to_480x640", _numpy(torch.stack(enlarged))


def _multimask_stages(sam: SamDecoder, image: Tensor, sparse: Tensor, dense: Tensor) -> Stages:
    position = sam.grid_position[None].expand(3, -1, -1, -1)
    logits, scores = sam.mask_decoder(
        image, position, sparse[:, None], dense.expand(3, -1, -1, -1), multimask_output=True
    )
    yield "lowres@multimask", _numpy(logits[:, 0])
    yield "iou@multimask", _numpy(scores[:, 0])


@torch.inference_mode()
def refine_stages(goldens: GoldenSet, case: Case, radio: Radio, low: Tensor | None = None) -> Stages:
    """Every stage of a refined encoder case.

    Args:
        radio: the case's backbone with its "sam" adaptor.
        low: "c h w" probabilities on the patch grid; the golden ones if absent, so that the stages are tested
            from given inputs.
    """
    if low is None:
        low = torch.from_numpy(case.arrays["probs_lowres"][0]).to(radio.device)
    image = input_image(goldens, case, radio)
    coarse = coarse_of(case, low, image)
    refiner = refiner_of(goldens, case, radio)
    sam_image = refiner.sam_image(image)
    yield from _encoding_stages(refiner, sam_image)
    features = refiner.source.encode([sam_image])[0]
    proposals = refiner.rules.propose(
        coarse, coarse_threshold=refiner.coarse_threshold, min_area=refiner.min_area
    )
    yield from _region_stages(refiner, coarse, proposals)
    proposals = _with_golden_ties(case, proposals)
    prompted = refiner.prompt(coarse, proposals, features, image_size(sam_image))
    yield from _prompt_stages(refiner, prompted)
    yield from _mask_stages(case, refiner, prompted)
    yield from _output_stages(case, refiner, image, coarse)


def coarse_of(case: Case, low: Tensor, image: Rgb) -> CoarseResult:
    """Return the denoised decision of the case at the size it asks for."""
    size = Size(*case.params["call"].get("orig_img_size", image_size(image)))
    decision = decide(low, size, denoising=case.params["encoder"]["prompt_denoising_thresh"])
    return CoarseResult(
        torch.where(decision.kept[:, None, None], low, 0), decision.labels, decision.confidence
    )


def refiner_of(goldens: GoldenSet, case: Case, radio: Radio) -> SamRefiner:
    """Return the refiner as the case configures the reference."""
    options = case.params["encoder"]
    return SamRefiner(
        RadioFeatures(radio, SelfCorrelatingAttention(options["scra_scaling"])),
        seeded_sam(goldens, case),
        coarse_threshold=options["coarse_thresh"],
        min_area=4 * options["minimal_area"],
        mask_coefficient=options["sam_mask_coff"],
        iou_threshold=options["sam_iou_thresh"],
        rules=Reference(),
    )


def _encoding_stages(refiner: SamRefiner, image: Rgb) -> Stages:
    yield "sam_image", _numpy(image[None])
    yield "sam_input_size", np.asarray(image_size(image))
    source = refiner.source
    assert isinstance(source, RadioFeatures)
    tokens = source.radio.encode(image[None], source.last_block)
    yield "sam_feats", _numpy(tokens.patches.mT.unflatten(2, tokens.grid))
    adapted = source.radio.to_teacher("sam", tokens.patches).mT.unflatten(2, tokens.grid)
    yield "sam_adapted", _numpy(adapted)
    yield "sam_neck", _numpy(refiner.sam.embed_image(adapted))


def _region_stages(refiner: SamRefiner, coarse: CoarseResult, proposals: Proposals) -> Stages:
    rules = refiner.rules
    assert isinstance(rules, Reference)
    labels, own, _ = rules.half_size(coarse, refiner.coarse_threshold)
    yield "pred_half", np.where(labels > 0, labels - 1, len(coarse.probabilities))
    size = Size(*own.shape)
    half = _numpy(resize(resize(coarse.probabilities, coarse.size), size))
    yield "probs_half", half
    yield "region_map", proposals.ids
    yield "region_class", proposals.classes
    yield "region_box", proposals.boxes.astype(np.float32)
    yield "region_point", proposals.points
    inside = [half[c][proposals.ids == i + 1] for i, c in enumerate(proposals.classes)]
    yield "region_score", np.asarray([values.mean(dtype=np.float64) for values in inside], np.float32)
    ties = [int((values >= values.max() - 1e-6).sum()) for values in inside]
    yield "region_point_ties", np.minimum(ties, 255)


def _with_golden_ties(case: Case, proposals: Proposals) -> Proposals:
    """Return the proposals with the golden point where peaks tie, so that later stages compare."""
    golden, ties = case.arrays["region_point"], case.arrays["region_point_ties"]
    if golden.shape != proposals.points.shape:
        return proposals
    return replace(proposals, points=np.where(ties[:, None] > 1, golden, proposals.points))


def _prompt_stages(refiner: SamRefiner, prompted: Prompted) -> Stages:
    proposals, size = prompted.proposals, prompted.sam_size
    points, boxes = refiner.point_and_box(proposals, size)
    yield "prompt_points", _numpy(points)
    yield "prompt_boxes", _numpy(boxes)
    names, first, counts = np.unique(proposals.classes, return_index=True, return_counts=True)
    masks = torch.cat(
        [refiner.mask_prompts(prompted.coarse, proposals, size, slice(i, i + 1)) for i in first]
    )
    yield "prompt_mask", _numpy(masks)
    yield "prompt_class", names
    yield "sparse_embed", _numpy(prompted.sparse[: counts[0]])
    yield "dense_embed", _numpy(refiner.rules.embed_masks(refiner.sam, masks[:1])[0])


def _mask_stages(case: Case, refiner: SamRefiner, prompted: Prompted) -> Stages:
    decoded = list(refiner.decode([prompted]))
    logits, scores = torch.stack([d[2] for d in decoded]), np.asarray([d[3] for d in decoded])
    yield "sam_scores", scores
    yield "sam_lowres_logits", _numpy(logits)
    coarse, proposals = prompted.coarse, prompted.proposals
    canvas = Canvas(coarse, prompted.sam_size, refiner.sam.sizes)
    yield "sam_mask_area", np.asarray([_mask_area(canvas, one) for one in logits])
    accepted = scores > refiner.iou_threshold
    if not accepted.any():
        yield "refined_pred", _numpy(coarse.labels.long() - 1)[None]
        yield "refined_probs", _full_size(coarse)
        yield "out_probs", _returned(case, _full_size(coarse))
        return
    merger, evidence = Merger(coarse, canvas), torch.zeros(len(coarse.probabilities), *coarse.size)
    for name, mask in zip(proposals.classes[accepted], logits[accepted], strict=True):
        merger.add(int(name), mask)
    for name in np.unique(proposals.classes[accepted]):
        alone = Merger(coarse, canvas)  # one name at a time gives its own evidence
        for mask in logits[accepted & (proposals.classes == name)]:
            alone.add(int(name), mask)
        evidence[name] = alone.merged().evidence
    yield from _merge_stages(case, refiner, prompted, merger.merged(), evidence, accepted)


def _merge_stages(
    case: Case, refiner: SamRefiner, prompted: Prompted, merged: Merged, evidence: Tensor, accepted: Array
) -> Stages:
    coarse = prompted.coarse
    # The argmax over evidence that may be zero for every name: then the first one.
    yield "mrc_pred", _numpy((merged.winners.long() - 1).clamp_min(0))[None]
    yield "mrc_probs", _numpy(evidence)
    failed = prompted.proposals.area(~accepted, coarse.size)
    yield "failed_area", _numpy(failed.to(torch.uint8))
    labels, _ = refiner.rules.settle(coarse, merged, failed)
    yield "refined_pred", _numpy(labels.long() - 1)[None]
    probabilities = np.maximum(_numpy(evidence), np.where(_numpy(failed), _full_size(coarse), 0))
    yield "refined_probs", probabilities
    yield "out_probs", _returned(case, probabilities)
    yield "combined_boxes", prompted.proposals.boxes[accepted].astype(np.float32) * 2


def _output_stages(case: Case, refiner: SamRefiner, image: Rgb, coarse: CoarseResult) -> Stages:
    """What `refine` itself returns, through the whole of it, its own points included."""
    refined = refiner.refine([image], [coarse])[0]
    none_first = bool(case.params["call"]["ignore_label"])
    yield "out_pred", _numpy(refined.labels.long() - (0 if none_first else 1))[None, None]


def _returned(case: Case, probabilities: Array) -> Array:
    """Return what the reference hands back: with a channel of zeros in front where it shifts its labels."""
    none_first = bool(case.params["call"]["ignore_label"])
    return (np.pad(probabilities, ((1, 0), (0, 0), (0, 0))) if none_first else probabilities)[None]


def _mask_area(canvas: Canvas, logits: Tensor) -> int:
    window = canvas.window(logits)
    return 0 if window is None else sum(int((s > 0).sum()) for _, s in canvas.logits(logits, window))


def _full_size(coarse: CoarseResult) -> Array:
    up = torch.nn.functional.interpolate(coarse.probabilities[None], tuple(coarse.size), mode="bilinear")
    return _numpy(up[0])


def _numpy(value: Tensor) -> Array:
    return value.cpu().numpy()
