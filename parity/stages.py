"""Our value of every golden stage, from the library's own functions in the order the pipeline calls them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from parity.golden_set import Array, Case, GoldenSet, noise
from radseg.evaluation.images.resizing import mmseg_size, resize_image, rgb_of
from radseg.io import read_pixels
from radseg.methods.base import align_map
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.metrics.confusion import Counts, confusion_matrix, mean_accuracy, mean_iou, pixel_accuracy
from radseg.models.radio import Radio
from radseg.nn.position import resampled_grid
from radseg.nn.vit import Block, standard_block
from radseg.ops.correlation import mean_cosine
from radseg.ops.resize import image_size
from radseg.ops.windows import crop_windows, plan_windows
from radseg.scoring import class_cosine, class_probabilities, decide
from radseg.text.embed import embed_vocabulary
from radseg.text.templates import IMAGENET_80, NONE
from radseg.text.vocabulary import Vocabulary
from radseg.types import LanguageFeatures, Rgb, Size, TextEmbeddings

LoadRadio = Callable[[str, str], Radio]
Stages = Iterator[tuple[str, Array]]

# What mmsegmentation subtracts and divides by (spec 6.1), in units of 0-255.
EXTERNAL_MEAN, EXTERNAL_STD = (122.771, 116.746, 104.094), (68.501, 66.632, 70.323)


@dataclass(frozen=True)
class SeededTower:
    """The goldens' stand-in for a text tower: noise that depends on the canonicalised prompt."""

    goldens: GoldenSet
    dimension: int
    seed: str
    space: str

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """Return unit rows, "q e"."""
        rows = self.goldens.text_vectors(prompts, self.dimension, self.seed)
        return torch.nn.functional.normalize(rows, dim=1)


@torch.inference_mode()
def case_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """Yield (stage, our full array) of one case; kinds that no code exists for yet yield nothing."""
    stages = {
        "radio": radio_stages,
        "layers": layer_stages,
        "pos": position_stages,
        "scra": scra_stages,
        "scga": scga_stages,
        "text": text_stages,
        "encoder": encoder_stages,
        "mmseg": resize_stages,
        "miou": score_stages,
    }
    if case.kind in stages:
        yield from stages[case.kind](goldens, case, load_radio)


def radio_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """Backbone and adaptors, ordinary last block."""
    radio = _radio(case, load_radio)
    tokens = radio.encode(_rgb(goldens.image(case.params["image"]))[None])
    yield "bb_summary", _numpy(tokens.summary[:, list(radio.config.summary_tokens)].flatten(1))
    yield "bb_features", _numpy(tokens.patches)
    for name in case.params["head_idx"]:
        if f"{name}_summary" in case.arrays:
            yield f"{name}_summary", _numpy(radio.summary_of(name, tokens))
        yield f"{name}_features", _numpy(radio.to_teacher(name, tokens.patches))


def layer_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """Tokens after every block, the last one both ways."""
    radio = _radio(case, load_radio)
    top, bottom, left, right = case.params["crop_y0y1x0x1"]
    crop = _rgb(goldens.image(case.params["image"]))[None, :, top:bottom, left:right]
    tokens = radio.vit.embed(radio.conditioner(crop.to(radio.device)))
    yield "tokens_in", _numpy(tokens)
    for i, block in enumerate(radio.vit.blocks):
        assert isinstance(block, Block)
        if i == len(radio.vit.blocks) - 1:
            yield f"block{i}_scra", _numpy(SelfCorrelatingAttention(10.0)(block, tokens))
        tokens = block(tokens)
        yield f"block{i}", _numpy(tokens)


def position_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """The position field at several grids."""
    radio = _radio(case, load_radio)
    for stage in case.arrays:
        height, width = map(int, stage.removeprefix("pos@").split("x"))
        yield stage, _numpy(resampled_grid(radio.vit.position, Size(height, width)).flatten(0, 1)[None])


def scra_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """The recursive attention alone, at several temperatures."""
    block = _radio(case, load_radio).vit.blocks[-1]
    assert isinstance(block, Block)
    normed = torch.from_numpy(noise("unit/scra_x", (2, 37, block.norm1.normalized_shape[0]), _seed(case)))
    normed = normed.to(goldens.device)
    for stage in case.arrays:
        if stage == "stock_attn":
            yield stage, _numpy(block.attention(normed))
        else:
            temperature = float(stage.removeprefix("scra@"))
            yield stage, _numpy(SelfCorrelatingAttention(temperature).attend(block, normed))


def scga_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """The aggregation alone, at several temperatures."""
    shape = tuple(next(iter(case.facts.values()))["full_shape"])
    centre = noise("unit/scga_c", (*shape[:2], 1, 1), _seed(case))
    features = torch.from_numpy(noise("unit/scga_x", shape, _seed(case)) + np.float32(0.6) * centre)
    for stage in case.arrays:
        aggregate = SelfCorrelatingAggregation(float(stage.removeprefix("scga@")))
        yield stage, _numpy(aggregate(features[0].to(goldens.device))[None])


def resize_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """The evaluation's resizing, and what mmsegmentation makes of it before the network."""
    image = read_pixels(goldens.image_path(case.params["image"]))
    for name, scale in case.params["scales"].items():
        size = mmseg_size(Size(*image.shape[:2]), long_side=max(scale), short_side=min(scale))
        resized = resize_image(image, size)
        yield f"mm_{name}_bgr_uint8", resized[..., ::-1]
        channels = rgb_of(resized).numpy() * np.float32(255)
        mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (EXTERNAL_MEAN, EXTERNAL_STD))
        yield f"mm_{name}_normalised", (channels - mean) / std


def score_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """Accumulated counts of the evaluation; the printed scores, in per cent, must agree in every digit."""
    classes, ignore = case.params["num_classes"], case.params["ignore_index"]
    confusion = np.zeros((classes, classes + 1), np.int64)
    for truth, predicted in zip(case.arrays["label"], case.arrays["pred"], strict=True):
        confusion += confusion_matrix(truth, predicted.astype(np.int64) + 1, classes=classes, ignore=ignore)
    counts = Counts.of(confusion)
    yield "intersect", counts.both
    yield "union", counts.truth + counts.predicted - counts.both
    yield "label_area", counts.truth
    for name, score in (("mIoU", mean_iou), ("mAcc", mean_accuracy), ("aAcc", pixel_accuracy)):
        ours = round(100 * float(score(counts)), 2)
        if ours != case.params[name]:
            raise ValueError(f"{case.name}: {name} is {ours}, golden {case.params[name]}")


def text_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """Label and prompt embeddings with the stand-in tower."""
    tower = SeededTower(goldens, case.params["text_dim"], case.params["text_seed"], SIGLIP2_SPACE)
    vocabulary = Vocabulary.parse([[label] for label in case.params["labels"]])
    yield "label_embeds", _numpy(embed_vocabulary(vocabulary, tower, IMAGENET_80).values)
    yield "prompt_embeds", _numpy(embed_vocabulary(vocabulary, tower, NONE).values)


SIGLIP2_SPACE = "siglip2-so400m-patch16-naflex"


def encoder_stages(goldens: GoldenSet, case: Case, load_radio: LoadRadio) -> Stages:
    """The whole of RADSeg without refinement, stage by stage."""
    method = method_of(case, _radio(case, load_radio))
    image = input_image(goldens, case, method.radio)
    prepared = method.prepare(image)
    if "prep_image" in case.arrays:
        yield "prep_image", _conditioned_like_the_case(case, method.radio, prepared)
        yield from _window_stages(method, prepared)
    tokens = _window_tokens(method, prepared)
    yield "feats_scra", tokens
    plain = replace(method, last_block=standard_block)
    yield "feats_noscra", _window_tokens(plain, prepared)
    stitched = replace(method, aggregate=None).encode_backbone([image])[0]
    if "agg_feats" in case.arrays:
        yield "agg_feats", _numpy(stitched[None])
    yield "scga_sim_mean", _numpy(mean_cosine(stitched.flatten(1).mT).double())
    aggregated = method.encode_backbone([image])[0]
    yield "scga_feats", _numpy(aggregated[None])
    aligned = align_map(method.align, aggregated)
    yield "lang_feats", _numpy(aligned[None])
    if "text_embeds" in case.arrays:
        text = text_of(goldens, case, method.space)
        yield "text_embeds", _numpy(text.values)
        yield from _probability_stages(case, LanguageFeatures(aligned, method.space), text, image_size(image))


def _window_stages(method: RADSeg, prepared: Rgb) -> Stages:
    windows = plan_windows(
        _grid(method, prepared), crop=_crop(method), stride=method.stride // method.radio.patch
    )
    corners = [(w.top, w.left, w.top + w.height, w.left + w.width) for w in windows]
    yield "win_locs", np.asarray(corners, np.int64)
    rows, columns = len({w.top for w in windows}), len({w.left for w in windows})
    yield "win_grid", np.asarray([rows, columns], np.int64)


def _window_tokens(method: RADSeg, prepared: Rgb) -> Array:
    """Return the backbone's patch features of every window, "n d h w"."""
    patch = method.radio.patch
    if method.crop is None:
        crops = prepared[None]
    else:
        windows = plan_windows(_grid(method, prepared), crop=_crop(method), stride=method.stride // patch)
        crops = crop_windows(prepared, windows, patch=patch)
    tokens = [method.radio.encode(part, method.last_block) for part in crops.split(4)]
    features = torch.cat([t.patches for t in tokens])
    if method.stitch_in == "language":
        features = method.radio.to_language(features)
    return _numpy(features.mT.unflatten(2, tokens[0].grid))


def _probability_stages(case: Case, features: LanguageFeatures, text: TextEmbeddings, size: Size) -> Stages:
    options, call = case.params["encoder"], case.params["call"]
    low = class_probabilities(class_cosine(features, text), temperature=100.0)
    yield "probs_lowres", _numpy(low[None])
    size = Size(*call["orig_img_size"]) if "orig_img_size" in call else size
    denoising = options["prompt_denoising_thresh"]
    everything = decide(low, size)
    yield "class_max_up", _numpy(everything.peak)
    denoised = decide(low, size, denoising=denoising)
    yield "maxprob_up", _numpy(denoised.confidence[None, None])
    yield "pred_up", _numpy(denoised.labels.long() - 1)[None, None]
    up = torch.nn.functional.interpolate(
        torch.where(denoised.kept[:, None, None], low, 0)[None], tuple(size), mode="bilinear"
    )
    yield "probs_up", _numpy(up)
    if options["sam_refinement"]:
        return  # what follows is refined: parity/refine_stages.py
    none_first = bool(call["ignore_label"])
    yield "out_probs", _numpy(torch.cat([torch.zeros_like(up[:, :1]), up], 1) if none_first else up)
    threshold = options["prediction_thresh"] if none_first else 0.0
    labels = decide(low, size, denoising=denoising, threshold=threshold).labels.long()
    yield "out_pred", _numpy(labels if none_first else labels - 1)[None, None]


def method_of(case: Case, radio: Radio) -> RADSeg:
    """Return RADSeg as the case configures the reference."""
    options = case.params["encoder"]
    return RADSeg(
        radio,
        crop=options["slide_crop"] or None,
        stride=options["slide_stride"],
        size_rule="stride",
        last_block=SelfCorrelatingAttention(options["scra_scaling"]),
        aggregate=SelfCorrelatingAggregation(options["scga_scaling"]),
        stitch_in="backbone" if options["return_radio_features"] else "language",
    )


def input_image(goldens: GoldenSet, case: Case, radio: Radio) -> Rgb:
    """Return the case's input as Rgb.

    Where the reference got an image normalised by other constants, the same numbers reach the network as an
    Rgb that the conditioner maps to them; resizing is linear, so it commutes with that.
    """
    pixels = _rgb(goldens.image(case.params["image"])).to(radio.device)
    if not case.params["external_normalisation"]:
        return pixels
    mean, std = (pixels.new_tensor(v)[:, None, None] for v in (EXTERNAL_MEAN, EXTERNAL_STD))
    normalised = (pixels * 255 - mean) / std
    conditioner = radio.conditioner
    return normalised * conditioner.std[:, None, None] + conditioner.mean[:, None, None]


def text_of(goldens: GoldenSet, case: Case, space: str) -> TextEmbeddings:
    """Return the case's vocabulary embedded by the stand-in tower."""
    params = case.params
    tower = SeededTower(goldens, params["text_dim"], params["text_seed"], space)
    templates = NONE if params["encoder"]["text_query_mode"] == "prompts" else IMAGENET_80
    return embed_vocabulary(Vocabulary.parse([[name] for name in params["classes"]]), tower, templates)


def _conditioned_like_the_case(case: Case, radio: Radio, prepared: Rgb) -> Array:
    if case.params["external_normalisation"]:
        return _numpy(radio.conditioner(prepared[None]))
    return _numpy(prepared[None])


def _grid(method: RADSeg, prepared: Rgb) -> Size:
    size, patch = image_size(prepared), method.radio.patch
    return Size(size.height // patch, size.width // patch)


def _crop(method: RADSeg) -> int:
    assert method.crop is not None
    return method.crop // method.radio.patch


def _radio(case: Case, load_radio: LoadRadio) -> Radio:
    return load_radio(case.params["config"], case.params["weights_seed"])


def _seed(case: Case) -> str:
    return str(case.params.get("noise_seed") or case.params["weights_seed"])


def _rgb(pixels: Array) -> Rgb:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def _numpy(value: Tensor) -> Array:
    return value.cpu().numpy()
