"""Segmenter: one image and some prompts in, one Segmentation out. Score, contrast, denoise, decide."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from radseg.budget import IMAGE, Work, require_room
from radseg.errors import InputError, VocabularyError
from radseg.io import Admit, DecodedImage, rgb_of, to_pixels, to_uint8
from radseg.methods.base import DenseEncoder, MeasuredMethod, Scorer, encoded, require_features, scored
from radseg.modes import DEFAULT_MEMORY_BUDGET, MODES, STUFF, Enlarge, Mode
from radseg.ops.inference import inference, without_autocast
from radseg.ops.resize import fit_pixels, fit_short_side, image_size, short_side_size
from radseg.ops.stopwatch import Stopwatch
from radseg.refine.base import CoarseResult, CosineRefiner, Refinement, Refiner
from radseg.refine.objects import ObjectFinder, finder_beside
from radseg.result import Segmentation
from radseg.scoring import (
    DENOISING,
    INDEPENDENT_THRESHOLD,
    TEMPERATURE,
    Cosines,
    Decision,
    RowCosines,
    decide,
)
from radseg.text.pack import VocabularyPack
from radseg.text.vocabulary import Vocabulary
from radseg.types import LanguageFeatures, Rgb, Size, TextEmbeddings

if TYPE_CHECKING:
    from PIL.Image import Image

    ImageLike = str | Path | Image | np.ndarray[Any, Any] | Rgb

REFINING = 40
"""Bytes a pixel of refinement, or of objects, beside the coarse result: image, regions, evidence."""

PARAMETERS = ("short_side", "long_side", "temperature", "denoising", "threshold")
Prompts = str | Sequence[str] | Vocabulary | TextEmbeddings | VocabularyPack


class TextEncoder(Protocol):
    """Where text embeddings come from: a text tower behind its cache, or a toy."""

    @property
    def space(self) -> str:
        """Name of the space of the embeddings."""

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym."""

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for itself."""


@dataclass(frozen=True)
class Segmenter:
    """Open-vocabulary segmentation of single images.

    Attributes:
        encoder: images to language-aligned features; or a Scorer, images and prompts to cosines.
        text_encoder: names to text embeddings of the same space.
        short_side: images are scaled to this short side in pixels before encoding; None keeps their size.
        long_side: the long side is never more than this after scaling, in pixels.
        temperature: multiplies the cosine before the softmax; 100 in RADSeg (spec 4.8).
        denoising: a name that is nowhere at least this probable is dropped; 0.5 in RADSeg (spec 4.9).
        threshold: pixels whose best name is less probable than this become 0 = none; in `independent`
            mode the probability from which a pixel belongs to a name. None is 0, in `independent` mode 0.5.
        all_denoised: what `assign` gives when denoising drops every name: "none" labels nothing, "first"
            gives all pixels the first name as the published code does.
        enlarge: what goes from the grid of scores to the image: probabilities, a few names at a time; or
            cosines of all rows, before the softmax, which takes memory for every name at every pixel.
        sharpen, refine: change by the image cosines before the softmax, and masks (RADSeg+); None leaves them.
        objects: finds the objects of an image after its labels; None does not look for them.
        memory_budget: bytes that an image may take beside the weights, itself and its result included; a
            quarter of it at most holds upsampled probabilities. What the networks of TextRegion, Talk2DINO as
            published, and methods of one's own take is not counted.
        origin: preset, checkpoint and parameters, copied into every result.
    """

    encoder: DenseEncoder | Scorer
    text_encoder: TextEncoder
    short_side: int | None = 576
    long_side: int | None = 2048
    temperature: float = TEMPERATURE
    denoising: float = DENOISING
    threshold: float | None = None
    all_denoised: Literal["none", "first"] = "none"
    enlarge: Enlarge = "probabilities"
    sharpen: CosineRefiner | None = None
    refine: Refiner | None = None
    objects: ObjectFinder | None = None
    memory_budget: int = DEFAULT_MEMORY_BUDGET
    origin: Mapping[str, Any] = field(default_factory=dict)

    def with_objects(self, stuff: Collection[str] = STUFF) -> "Segmenter":
        """Return one whose results carry objects: by SAM where it refines by SAM, else connected parts.

        Args:
            stuff: names, or last words of names, that are no countable things: one object each.
        """
        refine, finder = finder_beside(self.refine, stuff)
        return replace(self, refine=refine, objects=finder)

    def segment(self, image: "ImageLike", prompts: Prompts, *, mode: Mode = "background") -> Segmentation:
        """Return the segmentation of one image into the named objects.

        Args:
            image: a path, a PIL image, a uint8 H×W×3 array, or an Rgb tensor in [0, 1].
            prompts: names, "a, b, c", a Vocabulary, or embeddings made before (a pack needs no text tower).
            mode: "background" lets a contrast bank win pixels that no name fits; "assign" gives every pixel a
                name (the papers' protocol); "independent" judges every name alone.

        Raises:
            ImageError: not a usable image.
            VocabularyError: not a usable vocabulary, or one name alone in `assign` mode.
            SpaceMismatchError: embeddings of another model.
        """
        return next(self.segment_many([image], prompts, mode=mode))

    def segment_many(
        self, images: Iterable["ImageLike"], prompts: Prompts, *, mode: Mode = "background", at_once: int = 1
    ) -> Iterator[Segmentation]:
        """Yield one segmentation per image, in order, equal to segmenting each alone.

        Args:
            at_once: images whose windows share backbone calls. More helps a GPU with small images.
        """
        if at_once < 1:
            raise InputError(f"at_once is {at_once}; at least 1 image is needed at once.")
        text, contrast = self.embed(prompts, mode=mode)
        iterator = iter(images)
        while group := list(islice(iterator, at_once)):
            sources = [str(given) if isinstance(given, str | Path) else "" for given in group]
            admit = self.admitting(text, contrast, "An image", together=len(group))
            found = self.segment_pixels(
                [to_pixels(image, admit) for image in group], text, contrast, mode=mode
            )
            del group  # an image may be larger than all that is made of it
            for source, one in zip(sources, found, strict=True):
                yield replace(one, source=source)

    def segment_pixels(
        self,
        images: Sequence[DecodedImage | Rgb],
        text: TextEmbeddings,
        contrast: TextEmbeddings | None,
        *,
        mode: Mode,
    ) -> Iterator[Segmentation]:
        """Yield one segmentation per image; each keeps its 8-bit image, so nobody may change that later.

        Args:
            images: as `to_pixels` gives them; they share backbone calls.
            text, contrast: of `embed` for the same mode.
        """
        clock = Stopwatch()
        with clock("encode"):
            seen = list(self.encode_many(images, text, contrast))
        shared = {stage: seconds / len(images) for stage, seconds in clock.seconds.items()}
        waiting = list(reversed(images))
        while waiting:
            image = waiting.pop()
            own = Stopwatch(shared)
            size = _size_of(image)
            yield self.decode(seen.pop(0), size, text, contrast, mode=mode, image=image, clock=own)

    def admitting(
        self,
        text: TextEmbeddings,
        contrast: TextEmbeddings | None,
        name: str,
        *,
        output: int = 0,
        together: int = 1,
    ) -> Admit:
        """Return what refuses an image, called `name`, that the memory budget does not allow.

        Args:
            output: bytes a pixel of the largest file that is made of a result.
            together: images alive at once; the others are counted as large as this one.
        """

        def admit(size: Size, decoding: int) -> None:
            fitted = self._fitted_size(size)
            each = IMAGE * size.height * size.width + 24 * fitted.height * fitted.width  # encoded, legal
            work = replace(
                self.work(size, text, contrast),
                beside=(together - 1) * each,
                decoding=decoding,
                output=output,
            )
            require_room(work, self.memory_budget, name)

        return admit

    def _fitted_size(self, size: Size) -> Size:
        if self.short_side is None:
            return size
        return short_side_size(size, self.short_side, long_max=self.long_side)

    def work(self, size: Size, text: TextEmbeddings, contrast: TextEmbeddings | None) -> Work:
        """Return what memory an image of `size` takes; the arguments are as for `decode`."""
        fitted = self._fitted_size(size)
        stride = getattr(self.encoder, "feature_stride", 8)
        bank = 0 if contrast is None else len(contrast.row_class)
        scored_on = size if self.enlarge == "cosines" else Size(*(side // stride + 1 for side in fitted))
        after = 0 if self.refine is None and self.objects is None else REFINING
        return Work(
            size=size,
            cells=scored_on.height * scored_on.width,
            names=len(text.names),
            rows=len(text.row_class) + bank,
            encoding=partial(self.encoding_bytes, size),
            refining=max(self.sharpen.pixel_bytes if self.sharpen else 0, after),
        )

    def encoding_bytes(self, size: Size, budget: int) -> int:
        """Return the bytes that the features of an image of `size` take under a budget, and its resizing."""
        fitted = self._fitted_size(size)
        resizing = 12 * (size.height * fitted.width + fitted.height * fitted.width)
        if not isinstance(self.encoder, MeasuredMethod):
            return resizing
        own = self.encoder.encoding_bytes(fitted, budget)
        return max(resizing, 12 * fitted.height * fitted.width + own)

    @without_autocast()
    def encode(self, image: "ImageLike") -> LanguageFeatures:
        """Return the language-aligned feature map of one image, to be scored or looked at later.

        Raises:
            InputError: the method is text-dependent: it has no features without prompts.
        """
        encoder = require_features(self.encoder, "A map of features")
        return encoded(encoder, [self.fitted(to_pixels(image))])[0]

    @without_autocast()
    def encode_many(
        self,
        images: Sequence[DecodedImage | Rgb],
        text: TextEmbeddings,
        contrast: TextEmbeddings | None,
    ) -> Sequence[LanguageFeatures | RowCosines]:
        """Return what `decode` takes: features of every image, or cosines where the method needs prompts."""
        fitted = [self.fitted(image) for image in images]
        if not isinstance(self.encoder, Scorer):
            return encoded(self.encoder, fitted)
        joint = text if contrast is None else text.followed_by(contrast)
        return scored(self.encoder, fitted, joint)

    def fitted(self, image: DecodedImage | Rgb) -> Rgb:
        """Return the image at the size it is encoded at; the same numbers from 8 bits as from float32."""
        if isinstance(image, np.ndarray):
            if self.short_side is None:
                return rgb_of(image)
            return fit_pixels(image, self.short_side, long_max=self.long_side)
        if self.short_side is None:
            return image
        return fit_short_side(image, self.short_side, long_max=self.long_side)

    @without_autocast()
    def embed(self, prompts: Prompts, *, mode: Mode) -> tuple[TextEmbeddings, TextEmbeddings | None]:
        """Return the embeddings of the names and, unless the mode is `assign`, of the contrast bank.

        Raises:
            VocabularyError: `assign` with a single name, or embeddings that bring no contrast bank.
        """
        if mode not in MODES:
            raise InputError(f"Unknown mode {mode!r}; the modes are {', '.join(MODES)}.")
        if mode == "independent" and self.refine is not None:
            raise InputError(
                "Refinement needs one label per pixel; use mode 'background' or 'assign' with it."
            )
        contrast: TextEmbeddings | None
        if isinstance(prompts, VocabularyPack):
            text, contrast = prompts.embeddings, prompts.contrast
        elif isinstance(prompts, TextEmbeddings):
            text, contrast = prompts, None
        else:
            vocabulary = prompts if isinstance(prompts, Vocabulary) else Vocabulary.parse(prompts)
            if mode == "assign":
                text, contrast = self.text_encoder.embed(vocabulary), None
            else:
                text, contrast = self.text_encoder.embed_with_contrast(vocabulary)
        text.require_space(self.encoder.space)
        if mode == "assign":
            if len(text.names) == 1:
                raise VocabularyError(
                    f"With {text.names[0]!r} alone, mode 'assign' gives it every pixel. Add more names, "
                    "or use mode 'background' or 'independent'."
                )
            return text, None
        if contrast is None:
            raise VocabularyError(
                f"Mode {mode!r} needs the contrast bank, and these embeddings bring none. "
                "Make a pack with `radseg text` (it includes the bank), or use mode 'assign'."
            )
        return text, contrast

    @inference()
    def decode(
        self,
        features: LanguageFeatures | RowCosines,
        size: Size,
        text: TextEmbeddings,
        contrast: TextEmbeddings | None,
        *,
        mode: Mode,
        image: DecodedImage | Rgb | None = None,
        clock: Stopwatch | None = None,
    ) -> Segmentation:
        """Return the segmentation at `size` of what `encode` or `encode_many` gave: all after the encoder."""
        clock = clock or Stopwatch()
        with clock("score"):
            enlarged = size if self.enlarge == "cosines" else None
            own = self.sharpen
            sharpen = None if own is None else partial(own.sharpen, image=self.fitted(_required(image)))
            cosines = Cosines.of(features, text, contrast, enlarged, sharpen)
            low, none = cosines.probabilities(mode, temperature=self.temperature)
        with clock("decide"):
            stream = self.work(size, text, contrast).upsampled(self.memory_budget)
            decision = self._decide(low, none, size, mode=mode, stream_bytes=stream)
        low = torch.where(decision.kept[:, None, None], low, 0)
        regions = features.regions if isinstance(features, LanguageFeatures) else None
        coarse = CoarseResult(low, decision.labels, decision.confidence, none, self._threshold(mode), regions)
        outcome: CoarseResult | Refinement = coarse
        counts: dict[str, int] = {}
        if self.refine is not None:
            with clock("refine"):
                outcome, counts = self._refine(coarse, image)
        found = None
        if self.objects is not None:
            with clock("objects"):
                found = self.objects.find(text.names, coarse, outcome)
        # An evaluation encodes a resized image and labels at the size of the truth: two sizes.
        kept = None if image is None or _size_of(image) != size else image
        labels = outcome.labels.cpu().numpy()
        return Segmentation(
            names=text.names,
            labels=labels if labels.dtype == np.uint8 else labels.astype(np.uint16),
            confidence=outcome.confidence.float().cpu().numpy(),
            scores=low.cpu(),
            mode=mode,
            presence=tuple(decision.peak.tolist()),
            threshold=self._threshold(mode),
            meta={
                **self.origin,
                **counts,
                "mode": mode,
                "seconds": dict(clock.seconds),
                "parameters": {name: getattr(self, name) for name in PARAMETERS},
            },
            image=to_uint8(kept) if isinstance(kept, Tensor) else kept,
            found=found,
        )

    def _decide(
        self, low: Tensor, none: Tensor | None, size: Size, *, mode: Mode, stream_bytes: int
    ) -> Decision:
        decision = decide(
            low,
            size,
            none=none,
            denoising=0.0 if mode == "independent" else self.denoising,
            threshold=self._threshold(mode),
            stream_bytes=stream_bytes,
        )
        if mode == "assign" and self.all_denoised == "first" and not bool(decision.kept.any()):
            decision = replace(decision, labels=torch.ones_like(decision.labels))
        return decision

    def _threshold(self, mode: Mode) -> float:
        default = INDEPENDENT_THRESHOLD if mode == "independent" else 0.0
        return default if self.threshold is None else self.threshold

    def _refine(
        self, coarse: CoarseResult, image: DecodedImage | Rgb | None
    ) -> tuple[Refinement, dict[str, int]]:
        assert self.refine is not None
        rgb = rgb_of(given) if isinstance(given := _required(image), np.ndarray) else given
        refined = self.refine.refine([rgb], [coarse])[0]
        return refined, {"regions": refined.regions, "refined_regions": refined.accepted}


def _required(image: DecodedImage | Rgb | None) -> DecodedImage | Rgb:
    if image is None:
        raise InputError("Refinement needs the image; pass `image` to `decode`.")
    return image


def _size_of(image: DecodedImage | Rgb) -> Size:
    return Size(*image.shape[:2]) if isinstance(image, np.ndarray) else image_size(image)
