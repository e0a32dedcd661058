"""Named, complete configurations, and `load`, which turns one into a Segmenter."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from radseg.errors import InputError
from radseg.methods.base import DEFAULT_MEMORY_BUDGET
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention, SizeRule
from radseg.models.radio import Radio, load_radio
from radseg.models.sam import load_sam
from radseg.models.text_towers import lazy_tower
from radseg.models.tower_identity import tower_identity
from radseg.nn.vit import standard_block
from radseg.refine.base import Refiner
from radseg.refine.mended import Mended
from radseg.refine.radio_sam import RadioSam
from radseg.refine.reference import Reference
from radseg.segment import Segmenter
from radseg.testing import ColourEncoder, ColourWords
from radseg.text.cache import TextCache
from radseg.text.templates import TemplateSet, template_set
from radseg.text.vocabulary import Vocabulary
from radseg.text.words import TowerWords
from radseg.types import TextEmbeddings
from radseg.weights import cache, store

_LOGGER = logging.getLogger("radseg")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Options:
    """Every parameter of a preset; see RADSeg and Segmenter for their meaning.

    A temperature of None means that the part is absent: no SCRA, no SCGA. `refine` chooses the rules of
    RADSeg+: "mended", or "reference" as in the released code; the three options after it belong to it
    (see RadioSam).
    """

    crop: int | None = 336
    stride: int = 224
    size_rule: SizeRule = "patch"
    scra_temperature: float | None = 10.0
    scga_temperature: float | None = 10.0
    short_side: int | None = 576
    long_side: int | None = 2048
    temperature: float = 100.0
    denoising: float = 0.5
    threshold: float = 0.0
    all_denoised: Literal["none", "first"] = "none"
    refine: Literal["none", "mended", "reference"] = "none"
    coarse_threshold: float = 0.10
    min_area: int = 900
    iou_threshold: float = 0.9
    templates: str = "imagenet80"
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def changed(self, changes: Mapping[str, Any]) -> "Options":
        """Return these options with some replaced.

        Raises:
            InputError: an option that does not exist; the message lists those that do.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"There is no option {name!r}; the options are {', '.join(known)}.")
        return replace(self, **changes)


# The released code, run on an image as it is: sides rounded up to the stride, first name if all are denoised.
_PAPER = Options(size_rule="stride", short_side=None, long_side=None, all_denoised="first")
_PLUS = Options(refine="mended")


@dataclass(frozen=True)
class Preset:
    """A name for a checkpoint and the way to use it.

    Attributes:
        checkpoint: catalogue name of the weights; None where the preset needs none.
        note: what it is for, one line.
    """

    name: str
    checkpoint: str | None
    options: Options
    note: str


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("radseg-b", "c-radio_v3-b", Options(), "RADSeg, 105 M parameters: the one to start with"),
        Preset("radseg-h", "c-radio_v3-h", Options(), "RADSeg with the huge backbone"),
        Preset("radseg-b+", "c-radio_v3-b", _PLUS, "RADSeg+: masks refined through RADIO's SAM adaptor"),
        Preset("radseg-h+", "c-radio_v3-h", _PLUS, "RADSeg+ with the huge backbone"),
        Preset("radseg-b-paper", "c-radio_v3-b", _PAPER, "as the released code computes, for reproduction"),
        Preset("radseg-h-paper", "c-radio_v3-h", _PAPER, "as the released code computes, huge backbone"),
        Preset(
            "radio-b",
            "c-radio_v3-b",
            Options(scra_temperature=None, scga_temperature=None),
            "plain RADIO patches without SCRA and SCGA, for ablation",
        ),
        Preset(
            "toy", None, Options(short_side=None), "colours only; needs no weights, for trying things out"
        ),
    )
}


def load(
    name: str = "radseg-b",
    *,
    checkpoint: str | Path | None = None,
    text_tower: Path | None = None,
    sam: str | Path = "sam-vit-h",
    device: str = "cpu",
    dtype: str = "float32",
    accept_license: bool = False,
    **changes: Any,
) -> Segmenter:
    """Return a ready Segmenter.

    Args:
        name: a preset of PRESETS, or the path of a checkpoint to be used as "radseg-b" is.
        checkpoint: other weights for the preset: a catalogue name, a published `.pth.tar`, a Hugging Face
            folder, or a converted file.
        text_tower: folder of the text tower; by default that of the checkpoint's language space, from the
            cache.
        sam: for presets that refine: the published SAM ViT-H file or the converted one; by default from the
            cache.
        device: "cpu", "cuda", "cuda:1", "mps".
        dtype: of weights and features: "float32", "bfloat16" or "float16". Similarities are float32 always.
        accept_license: needed once for weights whose licence is restrictive (RADIO v2.5).
        **changes: options that differ from the preset's; see Options.

    Raises:
        InputError: unknown preset, option, device or dtype.
        WeightsUnavailableError: the weights are neither local nor obtainable.
        CheckpointError: the weights are damaged.
    """
    if name not in PRESETS and checkpoint is None and Path(name).exists():
        name, checkpoint = "radseg-b", name
    if name not in PRESETS:
        raise InputError(
            f"There is no preset {name!r} and no such file; the presets are {', '.join(PRESETS)}."
        )
    where, number_type = _device(device), _dtype(dtype)
    preset = PRESETS[name]
    options = preset.options.changed(changes)
    origin: dict[str, Any] = {"preset": name, "device": device, "dtype": dtype, "options": asdict(options)}
    if preset.checkpoint is None:
        return _segmenter(ColourEncoder(), ColourWords(), options, origin)
    templates = template_set(options.templates)
    source = checkpoint or preset.checkpoint
    adaptors = () if options.refine == "none" else ("sam",)
    radio = load_radio(
        source, adaptors=adaptors, device=where, dtype=number_type, accept_license=accept_license
    )
    origin |= {
        "checkpoint": str(source),
        "version": radio.config.version,
        "sha256": radio.config.source_sha256,
    }
    words = StoredWords(radio.space, templates, text_tower, device)
    built = method(radio, options)
    segmenter = _segmenter(built, words, options, origin)
    return segmenter if options.refine == "none" else replace(segmenter, refine=_refiner(built, options, sam))


def method(radio: Radio, options: Options) -> RADSeg:
    """Return RADSeg around `radio` as the options say."""
    return RADSeg(
        radio,
        crop=options.crop,
        stride=options.stride,
        size_rule=options.size_rule,
        last_block=standard_block
        if options.scra_temperature is None
        else SelfCorrelatingAttention(options.scra_temperature),
        aggregate=None
        if options.scga_temperature is None
        else SelfCorrelatingAggregation(options.scga_temperature),
        memory_budget=options.memory_budget,
    )


def _refiner(built: RADSeg, options: Options, sam: str | Path) -> Refiner:
    radio = built.radio
    decoder = load_sam(store.resolve_sam(sam), device=radio.device, dtype=radio.dtype)
    return RadioSam(
        radio,
        decoder,
        built.last_block,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Mended() if options.refine == "mended" else Reference(),
        memory_budget=options.memory_budget,
    )


@dataclass(frozen=True)
class StoredWords:
    """WordEncoder whose text tower is looked for when the first word arrives, so a pack never needs one.

    Attributes:
        space: the space the words must land in.
        folder: of the tower; None takes it from the cache, downloading it there if need be.
    """

    space: str
    templates: TemplateSet
    folder: Path | None
    device: str

    @cached_property
    def _words(self) -> TowerWords:
        folder = self.folder or store.resolve_tower(self.space)
        tower = lazy_tower(self.space, folder=folder, device=self.device)
        rows = TextCache(cache.home() / "text", tower_identity(folder))
        return TowerWords(tower, self.templates, rows, self._tell)

    def _tell(self, done: int, total: int) -> None:
        """Say that words are being embedded: on a CPU one takes up to half a minute, once."""
        if done < total:
            sentences = len(self.templates.templates)
            _LOGGER.warning(
                "Embedding words: %d of %d ready, %d sentences each; they are kept for next time.",
                done,
                total,
                sentences,
            )

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym."""
        return self._words.embed(vocabulary)

    def contrast(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return the contrast bank without what `vocabulary` asks for itself."""
        return self._words.contrast(vocabulary)


def _segmenter(encoder: Any, words: Any, options: Options, origin: Mapping[str, Any]) -> Segmenter:
    return Segmenter(
        encoder,
        words,
        short_side=options.short_side,
        long_side=options.long_side,
        temperature=options.temperature,
        denoising=options.denoising,
        threshold=options.threshold,
        all_denoised=options.all_denoised,
        origin=origin,
    )


def _dtype(name: str) -> torch.dtype:
    if name not in DTYPES:
        raise InputError(f"There is no dtype {name!r}; choose from {', '.join(DTYPES)}.")
    return DTYPES[name]


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is not a device; try 'cpu', 'cuda' or 'mps'.") from error
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device.type, False):
        raise InputError(f"Device {name!r} is not available here; `radseg doctor` says what torch sees.")
    return device
