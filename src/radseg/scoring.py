"""From features and text to labels: cosines, probabilities, and the decision what each place is.

A place, `*p`, is a patch or pixel "h w" of an image, a voxel of a map, or a point of an evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor
from torch.nn import functional as F

from radseg.modes import Mode
from radseg.ops.bands import row_bands
from radseg.ops.cosine import row_cosine
from radseg.ops.inference import without_autocast
from radseg.types import LanguageFeatures, Size, TextEmbeddings

DEFAULT_STREAM_BYTES = 256 * 2**20  # of upsampled probabilities alive at once
TEMPERATURE, DENOISING = 100.0, 0.5
"""RADSeg's (spec 4.8, 4.9): what multiplies a cosine, and the probability that a name needs somewhere."""
RowCosines = Float[Tensor, "r h w"]
"""What the places of an image say to every row of the text: names with their synonyms, then a bank's rows."""
INDEPENDENT_THRESHOLD = 0.5
"""Probability from which a place belongs to a name, in mode "independent"."""


@without_autocast()
def class_cosine(features: LanguageFeatures, text: TextEmbeddings) -> Float[Tensor, "c h w"]:
    """Return the cosine of every patch with every name; of several synonyms the best counts.

    A matrix product of normalised rows; the reference broadcasts patches × names × width (spec 8, item 15).

    Differs from the published code, which computes synonym indices and never uses them, so that two synonyms
    became two classes (latent there: its name files hold no synonyms).

    Raises:
        SpaceMismatchError: features and text embeddings live in different spaces, or differ in width.
    """
    return best_synonym(all_cosines(features, text), text)


def all_cosines(features: LanguageFeatures, text: TextEmbeddings) -> RowCosines:
    """Return the cosine of every patch with every row, synonyms apart.

    Raises:
        SpaceMismatchError: features and text embeddings live in different spaces, or differ in width.
    """
    text.require_space(features.space)
    text.require_width(len(features.values))
    return row_cosine(features.values, text.values)


def best_synonym(rows: Float[Tensor, "r *p"], text: TextEmbeddings) -> Float[Tensor, "c *p"]:
    """Return for every name the largest of its rows' values."""
    if len(text.names) == len(text.row_class):
        return rows
    flat = rows.flatten(1)
    index = torch.tensor(text.row_class, device=rows.device)[:, None].expand_as(flat)
    best = flat.new_full((len(text.names), flat.shape[1]), -torch.inf)
    return best.scatter_reduce_(0, index, flat, "amax").unflatten(1, rows.shape[1:])


def class_probabilities(cosine: Float[Tensor, "c *p"], *, temperature: float) -> Float[Tensor, "c *p"]:
    """Return softmax(temperature·cosine) over the names."""
    return (cosine * temperature).softmax(dim=0)


def contrasted_probabilities(
    cosine: Float[Tensor, "c *p"], contrast: Float[Tensor, "b *p"], *, temperature: float
) -> tuple[Float[Tensor, "c *p"], Float[Tensor, "1 *p"]]:
    """Return the probabilities of the names and of "none", which is the whole contrast bank together."""
    joint = (torch.cat([cosine, contrast]) * temperature).softmax(dim=0)
    return joint[: len(cosine)], joint[len(cosine) :].sum(dim=0, keepdim=True)


def independent_probabilities(
    cosine: Float[Tensor, "c *p"], contrast: Float[Tensor, "b *p"], *, temperature: float
) -> Float[Tensor, "c *p"]:
    """Return for every name alone its probability against the contrast bank; the names do not compete."""
    bank = (contrast * temperature).logsumexp(dim=0)
    return (cosine * temperature - bank).sigmoid()


@dataclass(frozen=True, eq=False)
class Cosines:
    """What places say to the names, and to the contrast bank where there is one."""

    names: Float[Tensor, "c *p"]
    contrast: Float[Tensor, "b *p"] | None

    @classmethod
    def of(
        cls,
        seen: LanguageFeatures | RowCosines,
        text: TextEmbeddings,
        contrast: TextEmbeddings | None,
        size: Size | None = None,
        sharpen: "Callable[[RowCosines], RowCosines] | None" = None,
    ) -> "Cosines":
        """Return the cosines of the places of an image with names and bank.

        Args:
            seen: features, or the cosines of the rows of both, the bank's rows last.
            size: to which all rows are enlarged, before the best of synonyms is taken; None enlarges nothing.
            sharpen: what all rows go through after that, before the best of synonyms, too.
        """
        if size is None and sharpen is None and isinstance(seen, LanguageFeatures):
            bank = None if contrast is None else class_cosine(seen, contrast)
            return cls(class_cosine(seen, text), bank)
        if isinstance(seen, LanguageFeatures):
            seen = all_cosines(seen, text if contrast is None else text.followed_by(contrast))
        rows = seen if size is None else _upsample(seen, size)
        return cls.of_rows(rows if sharpen is None else sharpen(rows), text, contrast)

    @classmethod
    def of_rows(
        cls, rows: Float[Tensor, "r *p"], text: TextEmbeddings, contrast: TextEmbeddings | None
    ) -> "Cosines":
        """Return the cosines of names and bank from those of the rows of both, the bank's rows last."""
        count = len(text.row_class)
        bank = None if contrast is None else best_synonym(rows[count:], contrast)
        return cls(best_synonym(rows[:count], text), bank)

    def probabilities(
        self, mode: Mode, *, temperature: float = TEMPERATURE
    ) -> tuple[Float[Tensor, "c *p"], Float[Tensor, "1 *p"] | None]:
        """Return the probability of every name, and that of none of them where a bank may win a place."""
        if self.contrast is None:
            return class_probabilities(self.names, temperature=temperature), None
        if mode == "independent":
            return independent_probabilities(self.names, self.contrast, temperature=temperature), None
        return contrasted_probabilities(self.names, self.contrast, temperature=temperature)


@dataclass(frozen=True, eq=False)
class Decision:
    """What each place is.

    Attributes:
        labels: 0 for none, names from 1.
        confidence: probability of the winner; what "none" won keeps the best name's or the bank's
        probability.
        peak: per name its maximum over all places.
        kept: per name whether it survived denoising.
    """

    labels: Integer[Tensor, "*p"]
    confidence: Float[Tensor, "*p"]
    peak: Float[Tensor, " c"]
    kept: Bool[Tensor, " c"]


def decide(
    probabilities: Float[Tensor, "c *p"],
    size: Size | None = None,
    *,
    none: Float[Tensor, "1 *p"] | None = None,
    denoising: float = 0.0,
    threshold: float = 0.0,
    stream_bytes: int = DEFAULT_STREAM_BYTES,
) -> Decision:
    """Return labels and confidence of every place, or of the pixels of an image at `size`.

    Upsamples a few names at a time. Equals upsampling all names at once, dropping the names whose maximum
    stays under `denoising`, and taking the first maximum (spec 4.9). Bilinear upsampling is a convex
    combination, so a name whose low-resolution maximum is under the denoising threshold can never reach it
    and is dropped before; only the running best of the others is kept.

    Args:
        size: to which maps "c h w" of an image are upsampled; None decides the places as they are.
        none: probability that no name fits; where it is larger than every name, the label is 0.
        denoising: a name that is nowhere at least this probable is removed everywhere; 0 keeps all.
        threshold: places whose best name is less probable than this are 0.
        stream_bytes: of upsampled probabilities alive at once; at least one name.
    """
    low_peak = probabilities.flatten(1).amax(dim=1)
    peak = low_peak.clone()  # of names dropped early: an upper bound, under the threshold as the maximum is
    kept = torch.zeros_like(low_peak, dtype=torch.bool)
    shape = probabilities.shape[1:] if size is None else tuple(size)
    best = probabilities.new_full(shape, -1.0) if none is None else _upsample(none, size)[0]
    best = best.clone() if size is None else best  # else ours already
    label_type = torch.uint8 if len(probabilities) <= 254 else torch.int32
    labels = torch.zeros(shape, dtype=label_type, device=probabilities.device)
    # One part in 10⁶ below, so that rounding in the upsampling cannot drop a name that the plain form keeps.
    candidates = (low_peak >= denoising * (1 - 1e-6)).nonzero()[:, 0]
    at_once = max(1, stream_bytes // (labels.numel() * probabilities.element_size()))
    for chunk in candidates.split(at_once) if len(candidates) else ():
        upsampled = _upsample(probabilities[chunk], size)
        peak[chunk] = upsampled.flatten(1).amax(dim=1)
        alive = peak[chunk] >= denoising
        if not bool(alive.any()):
            continue
        kept[chunk] = alive
        chosen = chunk[alive]
        numbers = (chosen + 1).to(label_type)
        # Rows by and by: the index of a maximum has 8 bytes a place.
        for rows in row_bands(len(labels), labels.numel() // max(1, len(labels))):
            part = upsampled[:, rows]
            value, index = (part if len(chosen) == len(chunk) else part[alive]).max(dim=0)
            better = value > best[rows]  # strictly: the first of equal names wins, as in argmax
            best[rows] = torch.where(better, value, best[rows])
            labels[rows] = torch.where(better, numbers[index], labels[rows])
        del upsampled, part  # not beside the next ones
    confidence = best.clamp_min_(0)
    if threshold > 0:
        labels.masked_fill_(confidence < threshold, 0)
    return Decision(labels, confidence, peak, kept)


def _upsample(maps: Float[Tensor, "c *p"], size: Size | None) -> Float[Tensor, "c *q"]:
    if size is None:
        return maps
    return F.interpolate(maps[None], tuple(size), mode="bilinear", align_corners=False)[0]
