"""From features and text to labels: cosines, probabilities, and the streamed decision at full size."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt
from torch import Tensor
from torch.nn import functional as F

from radseg.ops.cosine import row_cosine
from radseg.types import LanguageFeatures, Size, TextEmbeddings

DEFAULT_STREAM_BYTES = 256 * 2**20  # of upsampled probabilities alive at once


def class_cosine(features: LanguageFeatures, text: TextEmbeddings) -> Float[Tensor, "c h w"]:
    """Return the cosine of every patch with every name; of several synonyms the best counts.

    A matrix product of normalised rows; the reference broadcasts patches × names × width (spec 8, item 15).

    Differs from the published code, which computes synonym indices and never uses them, so that two synonyms
    became two classes (latent there: its name files hold no synonyms).

    Raises:
        SpaceMismatchError: features and text embeddings live in different spaces.
    """
    text.require_space(features.space)
    return best_synonym(row_cosine(features.values, text.values), text)


def best_synonym(rows: Float[Tensor, "r *p"], text: TextEmbeddings) -> Float[Tensor, "c *p"]:
    """Return for every name the largest of its rows' values."""
    if len(text.names) == len(text.row_class):
        return rows
    flat = rows.flatten(1)
    index = torch.tensor(text.row_class, device=rows.device)[:, None].expand_as(flat)
    best = flat.new_full((len(text.names), flat.shape[1]), -torch.inf)
    return best.scatter_reduce_(0, index, flat, "amax").unflatten(1, rows.shape[1:])


def class_probabilities(cosine: Float[Tensor, "c h w"], *, temperature: float) -> Float[Tensor, "c h w"]:
    """Return softmax(temperature·cosine) over the names."""
    return (cosine * temperature).softmax(dim=0)


def contrasted_probabilities(
    cosine: Float[Tensor, "c h w"], contrast: Float[Tensor, "b h w"], *, temperature: float
) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "1 h w"]]:
    """Return the probabilities of the names and of "none", which is the whole contrast bank together."""
    joint = (torch.cat([cosine, contrast]) * temperature).softmax(dim=0)
    return joint[: len(cosine)], joint[len(cosine) :].sum(dim=0, keepdim=True)


def independent_probabilities(
    cosine: Float[Tensor, "c h w"], contrast: Float[Tensor, "b h w"], *, temperature: float
) -> Float[Tensor, "c h w"]:
    """Return for every name alone its probability against the contrast bank; the names do not compete."""
    bank = (contrast * temperature).logsumexp(dim=0)
    return (cosine * temperature - bank).sigmoid()


@dataclass(frozen=True, eq=False)
class Decision:
    """What each pixel is, decided at full size.

    Attributes:
        labels: 0 for none, names from 1.
        confidence: probability of the winner; what "none" won keeps the best name's or the bank's
        probability. peak: per name its maximum over all upsampled pixels.
        kept: per name whether it survived denoising.
    """

    labels: UInt[Tensor, "H W"]
    confidence: Float[Tensor, "H W"]
    peak: Float[Tensor, " c"]
    kept: Bool[Tensor, " c"]


def decide(
    probabilities: Float[Tensor, "c h w"],
    size: Size,
    *,
    none: Float[Tensor, "1 h w"] | None = None,
    denoising: float = 0.0,
    threshold: float = 0.0,
    stream_bytes: int = DEFAULT_STREAM_BYTES,
) -> Decision:
    """Return labels and confidence at `size`, upsampling a few names at a time.

    Equals upsampling all names at once, dropping the names whose maximum stays under `denoising`, and taking
    the first maximum (spec 4.9). Bilinear upsampling is a convex combination, so a name whose low-resolution
    maximum is under the denoising threshold can never reach it and is dropped before; only the running best
    of the others is kept.

    Args:
        none: probability that no name fits; where it is larger than every name, the label is 0.
        denoising: a name that is nowhere at least this probable is removed everywhere; 0 keeps all.
        threshold: pixels whose best name is less probable than this are 0.
        stream_bytes: of upsampled probabilities alive at once; at least one name.
    """
    low_peak = probabilities.flatten(1).amax(dim=1)
    peak = low_peak.clone()  # of names dropped early: an upper bound, under the threshold as the maximum is
    kept = torch.zeros_like(low_peak, dtype=torch.bool)
    pixels = size.height * size.width
    best = probabilities.new_full(size, -1.0) if none is None else _upsample(none, size)[0]
    label_type = torch.uint8 if len(probabilities) <= 254 else torch.int32
    labels = torch.zeros(size, dtype=label_type, device=probabilities.device)
    # One part in 10⁶ below, so that rounding in the upsampling cannot drop a name that the plain form keeps.
    candidates = (low_peak >= denoising * (1 - 1e-6)).nonzero()[:, 0]
    at_once = max(1, stream_bytes // (pixels * probabilities.element_size()))
    for chunk in candidates.split(at_once) if len(candidates) else ():
        upsampled = _upsample(probabilities[chunk], size)
        peak[chunk] = upsampled.flatten(1).amax(dim=1)
        alive = peak[chunk] >= denoising
        if not bool(alive.any()):
            continue
        kept[chunk] = alive
        chosen = chunk[alive]
        value, index = (upsampled if bool(alive.all()) else upsampled[alive]).max(dim=0)
        better = value > best  # strictly: the first of equal names wins, as in argmax
        best = torch.where(better, value, best)
        labels = torch.where(better, (chosen + 1).to(label_type)[index], labels)
    confidence = best.clamp_min_(0)
    if threshold > 0:
        labels.masked_fill_(confidence < threshold, 0)
    return Decision(labels, confidence, peak, kept)


def _upsample(maps: Float[Tensor, "c h w"], size: Size) -> Float[Tensor, "c H W"]:
    return F.interpolate(maps[None], tuple(size), mode="bilinear", align_corners=False)[0]
