"""Named, complete configurations, and `load`, which turns one into a Segmenter."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from radseg import miniature
from radseg.errors import InputError
from radseg.models.image_tower import ImageTower, load_image_tower
from radseg.models.mapped_text_encoder import MappedTextEncoder, load_text_map
from radseg.models.radio import Radio, load_radio
from radseg.models.sam import SamDecoder, load_sam
from radseg.models.sam2 import load_sam2
from radseg.models.sam_encoder import load_whole_sam
from radseg.models.stored_text_encoder import StoredTextEncoder
from radseg.models.text_towers import EncoderTower, load_tower
from radseg.models.untrained import UntrainedTextEncoder, untrained_config, untrained_radio, untrained_sam
from radseg.modes import WITH_SAM
from radseg.options import Options
from radseg.preset_methods import METHODS, require_read
from radseg.preset_table import PRESETS, Preset
from radseg.refine.base import Refiner
from radseg.refine.corrected import Corrected
from radseg.refine.pamr import Pamr
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.sources import RadioFeatures
from radseg.segment import Segmenter
from radseg.testing import ColourEncoder, ColourTextEncoder
from radseg.text.encoder import TowerTextEncoder
from radseg.text.templates import template_set
from radseg.weights import catalog
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_sam_decoder, resolve_text_map, resolve_text_tower

__all__ = ["DTYPES", "PRESETS", "Options", "Preset", "check", "load", "load_auxiliary", "require_auxiliary"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
SAM = "sam-vit-h"
_OF_THE_METHOD = frozenset(
    ["crop", "stride", "size_rule", "scra_temperature", "scga_temperature", "scra_recursions", "templates"]
)
"""Options that a model without windows, correlation and templates cannot read."""


def load(  # noqa: PLR0913 - where each part of a model lies is the caller's to say
    name: str = "radseg-b",
    *,
    checkpoint: str | Path | None = None,
    text_tower: str | Path | None = None,
    sam: str | Path = SAM,
    device: str = "cpu",
    dtype: str = "float32",
    accept_license: bool = False,
    drop: Sequence[str] = (),
    auxiliary: Mapping[str, str | Path] | None = None,
    **changes: Any,
) -> Segmenter:
    """Return a ready Segmenter.

    Args:
        name: a preset of PRESETS, or the path of a checkpoint to be used as "radseg-b" is.
        checkpoint: other weights for the preset: on RADIO a catalogue name, a published `.pth.tar`, a Hugging
            Face folder, or a converted file; for CLIP and DINO a Hugging Face folder or its file.
        text_tower: folder of the text tower; by default that of the checkpoint's language space, from the
            cache.
        sam: for presets that refine: the published SAM ViT-H file or the converted one; by default from the
            cache.
        device: "cpu", "cuda", "cuda:1", "mps".
        dtype: of weights and features: "float32", "bfloat16" or "float16". Similarities are float32 always.
        accept_license: needed once for weights whose licence is restrictive (RADIO v2.5).
        drop: prefixes of tensors to leave out of a published file that holds some this version cannot place.
        auxiliary: where the further weights of a method lie, by catalogue name: {"dino-vit-b-8": folder}; by
            default the cache.
        **changes: options that differ from the preset's; see Options.

    Raises:
        InputError: unknown preset, option, device or dtype.
        WeightsUnavailableError: the weights are neither local nor obtainable.
        CheckpointError: the weights are damaged.
    """
    if name not in PRESETS and checkpoint is None and Path(name).exists():
        name, checkpoint = "radseg-b", name
    preset, options = check(name, device=device, dtype=dtype, changes=changes)
    found = dict(auxiliary or {})
    require_auxiliary(preset, found)
    _require_taken(preset, checkpoint=checkpoint, text_tower=text_tower, sam=sam, drop=drop)
    origin: dict[str, Any] = {"preset": name, "device": device, "dtype": dtype, "options": asdict(options)}
    if preset.embedded == "toy":
        return _refining(_segmenter(ColourEncoder(), ColourTextEncoder(), options, origin), options, None)
    where, torch_dtype = torch.device(device), DTYPES[dtype]
    if preset.embedded == "miniature":
        radio, tower = miniature.load_parts()
        templates = template_set(options.templates)
        radio = radio.to(where)
        origin |= {"checkpoint": "miniature", "version": radio.config.version}
        built = METHODS[preset.method].build(radio, (), options)
        segmenter = _segmenter(built, TowerTextEncoder(tower, templates), options, origin)
        return _refining(segmenter, options, lambda: miniature.load_decoder().to(where))
    source = checkpoint or str(preset.checkpoint)
    if catalog.row(str(preset.checkpoint)).kind == "radio":
        backbone: Radio | ImageTower = load_radio(
            source,
            adaptors=_adaptors(preset, options),
            language=options.language,
            device=where,
            dtype=torch_dtype,
            accept_license=accept_license,
            drop=drop,
        )
    else:
        backbone = load_image_tower(str(preset.checkpoint), checkpoint, device=where, dtype=torch_dtype)
    origin |= {"checkpoint": str(source), "version": backbone.config.version}
    origin["sha256"] = backbone.config.source_sha256
    parts = [
        load_auxiliary(one, found.get(one), where, torch_dtype, accept_license=accept_license, drop=drop)
        for one in preset.auxiliary
    ]
    if parts:
        origin["auxiliary"] = {
            one: digest_of(part) or str(found.get(one, "published"))
            for one, part in zip(preset.auxiliary, parts, strict=True)
        }
    built = METHODS[preset.method].build(backbone, parts, options)
    folder = None if text_tower is None else Path(text_tower)
    words: StoredTextEncoder | MappedTextEncoder = StoredTextEncoder(
        built.space, template_set(options.templates), folder, device
    )
    if preset.text_map is not None:
        words = _mapped_words(preset, options, found, folder, device, accept_license)
    segmenter = _segmenter(built, words, options, origin)
    own = METHODS[preset.method].refiner
    if own is not None and options.refine not in ("none", "pamr"):
        return replace(segmenter, refine=own(backbone, parts, options))
    # 20 MB, always float32: in bfloat16 a coordinate of 777 pixels would be 776, and its embedding worse.
    return _refining(segmenter, options, lambda: load_sam(resolve_sam_decoder(sam), device=where))


def untrained(name: str, *, device: str = "cpu", dtype: str = "float32", **changes: Any) -> Segmenter:
    """Return a preset at its real size with random weights, from no file at all: to measure cost only.

    Raises:
        InputError: unknown preset, option, device or dtype; a preset that has no shapes in the catalogue.
    """
    preset, options = check(name, device=device, dtype=dtype, changes=changes)
    if preset.checkpoint is None:
        raise InputError(f"{name} brings its own weights; load it as it is.")
    if preset.method != "radseg":
        raise InputError(f"{name} has no shapes to build from; RADSeg's presets have.")
    if options.language is not None:
        raise InputError("A model with random weights has one language adaptor; leave language out.")
    config = untrained_config(preset.checkpoint, sam=options.refine in WITH_SAM)
    radio = untrained_radio(config, device=device, dtype=DTYPES[dtype])
    origin = {"preset": name, "device": device, "dtype": dtype, "options": asdict(options)}
    origin |= {"checkpoint": "random weights", "version": config.version}
    built = METHODS[preset.method].build(radio, (), options)
    segmenter = _segmenter(built, UntrainedTextEncoder(radio.space), options, origin)
    return _refining(segmenter, options, lambda: untrained_sam(device=device))


def _mapped_words(
    preset: Preset,
    options: Options,
    found: Mapping[str, str | Path],
    folder: Path | None,
    device: str,
    accept_license: bool,
) -> MappedTextEncoder:
    """Return words that pass through the preset's trained map, from OpenAI's CLIP B/16."""
    row = catalog.row(str(preset.text_map))
    path = resolve_text_map(found.get(row.name) or row.name, DownloadOptions(accept_license))

    def tower() -> EncoderTower:
        return load_tower(
            catalog.OPENAI_B, folder=folder or resolve_text_tower(catalog.OPENAI_B), device=device
        )

    text_map = load_text_map(path).to(device)
    return MappedTextEncoder(str(row.space), template_set(options.templates), text_map, tower)


def digest_of(network: Any) -> str:
    """Return the SHA-256 of the published file a network came from; "" where it does not know."""
    return str(getattr(getattr(network, "config", None), "source_sha256", ""))


def load_auxiliary(
    name: str,
    source: str | Path | None,
    device: torch.device,
    dtype: torch.dtype,
    *,
    accept_license: bool = False,
    drop: Sequence[str] = (),
) -> Any:
    """Return the network behind a catalogue name that a method looks with beside its backbone.

    Args:
        source: its file or folder; None takes the cache.
        accept_license, drop: of a RADIO; see `load`.
    """
    if name.startswith("sam2"):
        return load_sam2(name, source, device=device, dtype=dtype)
    if catalog.row(name).kind == "radio":
        return load_radio(
            source or name,
            speaking=False,
            device=device,
            dtype=dtype,
            accept_license=accept_license,
            drop=drop,
        )
    if catalog.row(name).kind == "sam":
        return load_whole_sam(name, source, device=device, dtype=dtype)
    return load_image_tower(name, source, device=device, dtype=dtype)


def _require_taken(preset: Preset, **given: Any) -> None:
    """Raise InputError if weights are named that the preset does not load: it would go on with its own."""
    named = [name for name, value in given.items() if value and (name != "sam" or value != SAM)]
    if preset.embedded and named:
        raise InputError(
            f"{preset.name} brings its own weights; leave {', '.join(named)} out, or name another model."
        )
    loaded = [catalog.row(one).kind for one in (preset.checkpoint, *preset.auxiliary) if one]
    if "drop" in named and "radio" not in loaded:
        raise InputError(f"Only published RADIO files hold tensors to drop; {preset.name} has none.")
    if "sam" in named and METHODS[preset.method].refiner is not None:
        own = next(one for one in preset.auxiliary if catalog.row(one).kind == "sam")
        raise InputError(f"{preset.name} brings a SAM of its own; name that one, as the helper {own!r}.")


def require_auxiliary(preset: Preset, given: Mapping[str, Any]) -> None:
    """Raise InputError if `given` names weights that the preset's method does not look with."""
    for name in given:
        further = (*preset.auxiliary, *([preset.text_map] if preset.text_map else []))
        if name not in further:
            uses = ", ".join(further) or "none"
            raise InputError(f"{preset.name} uses no {name!r}; its further weights are: {uses}.")


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
    if preset.embedded == "toy" and changes.get("refine") in WITH_SAM:
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
    options = preset.options.changed(changes)
    require_read(name, METHODS[preset.method], options, tuple(changes))
    return preset, options


def _adaptors(preset: Preset, options: Options) -> tuple[str, ...]:
    """Return what is needed of RADIO beside its language adaptor."""
    own = METHODS[preset.method].adaptors
    return own if options.refine not in WITH_SAM or "sam" in own else (*own, "sam")


def _refining(segmenter: Segmenter, options: Options, decoder: Callable[[], SamDecoder] | None) -> Segmenter:
    """Return the segmenter with its refiner; `decoder` is asked for only where the options need SAM."""
    if options.refine == "none":
        return segmenter
    if options.refine == "pamr":
        short = options.short_side or Pamr.short_side
        budget = options.memory_budget // 4
        pamr = Pamr(short_side=short, long_side=options.long_side, memory_budget=budget)
        return replace(segmenter, refine=pamr)
    assert decoder is not None, "check() refuses to refine the toy model with SAM"
    return replace(segmenter, refine=_refiner(segmenter.encoder, options, decoder()))


def _refiner(built: Any, options: Options, decoder: SamDecoder) -> Refiner:
    return SamRefiner(
        RadioFeatures(built.radio, built.last_block, options.memory_budget),
        decoder,
        coarse_threshold=options.coarse_threshold,
        min_area=options.min_area,
        iou_threshold=options.iou_threshold,
        rules=Corrected() if options.refine == "corrected" else Reference(),
        memory_budget=options.memory_budget,
    )


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
