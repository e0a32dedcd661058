"""Named, complete configurations, and `load`, which turns one into a Segmenter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from radseg import miniature
from radseg.errors import InputError
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.models.radio import Radio, load_radio
from radseg.models.sam import SamDecoder, load_sam
from radseg.models.stored_words import StoredWords
from radseg.models.untrained import UntrainedWords, untrained_config, untrained_radio, untrained_sam
from radseg.nn.vit import standard_block
from radseg.options import Options
from radseg.refine.base import Refiner
from radseg.refine.mended import Mended
from radseg.refine.radio_sam import RadioSam
from radseg.refine.reference import Reference
from radseg.segment import Segmenter
from radseg.testing import ColourEncoder, ColourWords
from radseg.text.templates import template_set
from radseg.text.words import TowerWords
from radseg.weights import store

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


# The released code, run on an image as it is: sides rounded up to the stride, first name if all are denoised.
_PAPER = Options(size_rule="stride", short_side=None, long_side=None, all_denoised="first")
_PLUS = Options(refine="mended")
_MINIATURE = Options(
    crop=miniature.CROP, stride=miniature.STRIDE, short_side=miniature.SHORT_SIDE, templates="none"
)
_MINIATURE_PLUS = replace(_MINIATURE, refine="mended", iou_threshold=miniature.IOU_THRESHOLD)
_OF_THE_METHOD = frozenset(
    ["crop", "stride", "size_rule", "scra_temperature", "scga_temperature", "scra_recursions", "templates"]
)
"""Options that a model without windows, correlation and templates cannot read."""


@dataclass(frozen=True)
class Preset:
    """A name for a checkpoint and the way to use it.

    Attributes:
        checkpoint: catalogue name of the weights; None where the preset brings its own.
        note: what it is for, one line.
        embedded: which model inside this package it is, where it is one.
    """

    name: str
    checkpoint: str | None
    options: Options
    note: str
    embedded: Literal["toy", "miniature"] | None = None


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
        Preset("miniature", None, _MINIATURE, miniature.NOTE, "miniature"),
        Preset("miniature+", None, _MINIATURE_PLUS, f"{miniature.NOTE}; masks refined", "miniature"),
        Preset("toy", None, Options(short_side=None), "colours only, for tests and examples", "toy"),
    )
}


def load(
    name: str = "radseg-b",
    *,
    checkpoint: str | Path | None = None,
    text_tower: str | Path | None = None,
    sam: str | Path = "sam-vit-h",
    device: str = "cpu",
    dtype: str = "float32",
    accept_license: bool = False,
    drop: Sequence[str] = (),
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
        drop: prefixes of tensors to leave out of a published file that holds some this version cannot place.
        **changes: options that differ from the preset's; see Options.

    Raises:
        InputError: unknown preset, option, device or dtype.
        WeightsUnavailableError: the weights are neither local nor obtainable.
        CheckpointError: the weights are damaged.
    """
    if name not in PRESETS and checkpoint is None and Path(name).exists():
        name, checkpoint = "radseg-b", name
    preset, options = check(name, device=device, dtype=dtype, changes=changes)
    origin: dict[str, Any] = {"preset": name, "device": device, "dtype": dtype, "options": asdict(options)}
    if preset.embedded == "toy":
        return _plain(ColourEncoder(), ColourWords(), options, origin)
    where, number_type = torch.device(device), DTYPES[dtype]
    if preset.embedded == "miniature":
        radio, tower = miniature.load_parts()
        origin |= {"checkpoint": "miniature", "version": radio.config.version}
        built = method(radio.to(where), options)
        vectors = TowerWords(tower, template_set(options.templates))
        return _segmenter(built, vectors, options, origin, lambda: miniature.load_decoder().to(where))
    source = checkpoint or str(preset.checkpoint)
    radio = load_radio(
        source,
        adaptors=() if options.refine == "none" else ("sam",),
        language=options.language,
        device=where,
        dtype=number_type,
        accept_license=accept_license,
        drop=drop,
    )
    origin |= {"checkpoint": str(source), "version": radio.config.version}
    origin["sha256"] = radio.config.source_sha256
    folder = None if text_tower is None else Path(text_tower)
    words = StoredWords(radio.space, template_set(options.templates), folder, device)
    # 20 MB, always float32: in bfloat16 a coordinate of 777 pixels would be 776, and its embedding worse.
    return _segmenter(
        method(radio, options), words, options, origin, lambda: load_sam(store.resolve_sam(sam), device=where)
    )


def untrained(name: str, *, device: str = "cpu", dtype: str = "float32", **changes: Any) -> Segmenter:
    """Return a preset at its real size with random weights, from no file at all: to measure cost only.

    Raises:
        InputError: unknown preset, option, device or dtype; a preset that has no shapes in the catalogue.
    """
    preset, options = check(name, device=device, dtype=dtype, changes=changes)
    if preset.checkpoint is None:
        raise InputError(f"{name} brings its own weights; load it as it is.")
    refining = options.refine != "none"
    if options.language is not None:
        raise InputError("A model with random weights has one language adaptor; leave language out.")
    config = untrained_config(preset.checkpoint, sam=refining)
    radio = untrained_radio(config, device=device, dtype=DTYPES[dtype])
    origin = {"preset": name, "device": device, "dtype": dtype, "options": asdict(options)}
    origin |= {"checkpoint": "random weights", "version": config.version}
    words = UntrainedWords(radio.space)
    return _segmenter(method(radio, options), words, options, origin, lambda: untrained_sam(device=device))


def check(
    name: str, *, device: str = "cpu", dtype: str = "float32", changes: Mapping[str, Any]
) -> tuple[Preset, Options]:
    """Return the preset and its changed options, or say what is wrong, before any weights are touched.

    Raises:
        InputError: unknown preset, option, device or dtype; a value out of range; an option without effect.
    """
    if name not in PRESETS:
        raise InputError(
            f"There is no preset {name!r} and no such file; the presets are {', '.join(PRESETS)}."
        )
    _require_device(device)
    if dtype not in DTYPES:
        raise InputError(f"There is no dtype {dtype!r}; choose from {', '.join(DTYPES)}.")
    preset = PRESETS[name]
    if preset.embedded == "toy" and changes.get("refine", "none") != "none":
        raise InputError(
            "The toy model has no SAM adaptor, so it cannot refine; miniature+ and radseg-b+ do."
        )
    if preset.embedded and changes.get("language") is not None:
        raise InputError(f"{name} has no language adaptor but its own; leave language out.")
    if preset.embedded and dtype != "float32":
        raise InputError(f"{name} computes in float32 only, not in {dtype}.")
    if preset.embedded == "toy":
        unread = sorted(set(changes) & _OF_THE_METHOD)
        if unread:
            raise InputError(f"The toy model has no {', '.join(unread)}; leave it out, or use another model.")
    return preset, preset.options.changed(changes)


def method(radio: Radio, options: Options) -> RADSeg:
    """Return RADSeg around `radio` as the options say."""
    return RADSeg(
        radio,
        crop=options.crop,
        stride=options.stride,
        size_rule=options.size_rule,
        last_block=standard_block
        if options.scra_temperature is None
        else SelfCorrelatingAttention(
            options.scra_temperature, options.memory_budget // 16, options.scra_recursions
        ),
        aggregate=None
        if options.scga_temperature is None
        else SelfCorrelatingAggregation(options.scga_temperature, options.memory_budget // 16),
        memory_budget=options.memory_budget,
    )


def _segmenter(
    built: RADSeg,
    words: Any,
    options: Options,
    origin: Mapping[str, Any],
    decoder: Callable[[], SamDecoder],
) -> Segmenter:
    """Return the segmenter; `decoder` is asked for only where the options refine."""
    plain = _plain(built, words, options, origin)
    return plain if options.refine == "none" else replace(plain, refine=_refiner(built, options, decoder()))


def _refiner(built: RADSeg, options: Options, decoder: SamDecoder) -> Refiner:
    return RadioSam(
        built.radio,
        decoder,
        built.last_block,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Mended() if options.refine == "mended" else Reference(),
        memory_budget=options.memory_budget,
    )


def _plain(encoder: Any, words: Any, options: Options, origin: Mapping[str, Any]) -> Segmenter:
    return Segmenter(
        encoder,
        words,
        short_side=options.short_side,
        long_side=options.long_side,
        temperature=options.temperature,
        denoising=options.denoising,
        threshold=options.threshold,
        all_denoised=options.all_denoised,
        memory_budget=options.memory_budget,
        origin=origin,
    )


def _require_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is not a device; try 'cpu', 'cuda' or 'mps'.") from error
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= count.get(device.type, 0):
        raise InputError(f"Device {name!r} is not available here; `radseg doctor` says what torch sees.")
