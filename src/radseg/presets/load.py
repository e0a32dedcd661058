"""From a ModelSpec to a Segmenter: check → required → ensure → load."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import torch

from radseg.errors import InputError, RadsegError
from radseg.models.mapped_text_encoder import MappedTextEncoder, load_text_map
from radseg.models.sam import SamDecoder, load_sam
from radseg.models.stored_text_encoder import PromptWait, StoredTextEncoder, at_once
from radseg.models.text_towers import TEXT_DTYPES, EncoderTower, TextDtype, load_tower
from radseg.models.untrained import UntrainedTextEncoder, untrained_config, untrained_radio, untrained_sam
from radseg.modes import WITH_SAM, WITHOUT_WEIGHTS
from radseg.presets import parts
from radseg.presets.builders import sam_refiner
from radseg.presets.options import LANGUAGE, Options
from radseg.presets.registry import Method, require_taken
from radseg.presets.spec import DTYPES, SAM_DECODER, ModelSpec, model_spec, stated
from radseg.presets.table import BACKBONES, METHODS
from radseg.refine.despeckle import Despeckle
from radseg.refine.pamr import CosinePamr, Pamr
from radseg.refine.sources import RadioFeatures
from radseg.segment import Segmenter, TextEncoder
from radseg.text.templates import template_set
from radseg.weights import catalog
from radseg.weights.options import DownloadOptions, Known
from radseg.weights.plan import announce
from radseg.weights.reporters import LOGGED, Reporter
from radseg.weights.resolve import resolve_text_tower


@dataclass(frozen=True)
class Weights:
    """Where everything that a spec needs lies on this machine, ready to load.

    Attributes:
        text_tower: its folder; None looks for it when the first prompt arrives.
        auxiliary: by catalogue name.
    """

    backbone: Path | None = None
    text_tower: Path | None = None
    sam: Path | None = None
    text_map: Path | None = None
    auxiliary: Mapping[str, Path] = field(default_factory=dict)


def check(spec: ModelSpec) -> None:
    """Say what is wrong with a model before anything is fetched.

    Raises:
        InputError: a device or dtype that is not there, options or weights that it does not take.
    """
    preset, method = spec.preset, method_of(spec)
    _require_device(spec.device)
    if spec.dtype not in DTYPES:
        raise InputError(f"There is no dtype {spec.dtype!r}; choose from {', '.join(DTYPES)}.")
    if spec.text_dtype not in TEXT_DTYPES:
        raise InputError(f"There is no text dtype {spec.text_dtype!r}; choose from {', '.join(TEXT_DTYPES)}.")
    if not isinstance(spec.options, method.options):
        wanted, given = method.options.__name__, type(spec.options).__name__
        raise InputError(f"{spec.name} has {given}; its method {preset.method!r} takes {wanted}.")
    require_taken(spec.name, method, asdict(spec.options))
    own = BACKBONES.get(preset.checkpoint)
    placed = {name for name in ("checkpoint", "text_tower", "sam", "drop") if getattr(spec, name)}
    if own is not None:
        _check_own(spec, own.dtypes, placed)
        return
    if spec.text_dtype != "float32" and preset.text_map is not None:
        raise InputError(f"{spec.name} embeds prompts in float32 only; leave the text dtype out.")
    further = (*preset.auxiliary, *([preset.text_map] if preset.text_map else []))
    for name in spec.auxiliary:
        if name not in further:
            uses = ", ".join(further) or "none"
            raise InputError(f"{spec.name} uses no {name!r}; its auxiliary weights are: {uses}.")
    if "drop" in placed and not parts.reads_radio(preset):
        raise InputError(f"Only published RADIO files hold tensors to drop; {spec.name} has none.")
    if "sam" in placed and method.refiner is not None and (sam := parts.brings_sam(preset.auxiliary)):
        raise InputError(f"{spec.name} brings a SAM of its own; name that one: --aux {sam}=PATH.")


def _check_own(spec: ModelSpec, dtypes: Sequence[str], given: set[str]) -> None:
    named = sorted(given | ({"auxiliary"} if spec.auxiliary else set()))
    if named:
        raise InputError(
            f"{spec.name} brings its own weights; leave {', '.join(named)} out, or name another model."
        )
    for name, usual in LANGUAGE.items():
        if getattr(spec.options, name, usual) != usual:
            raise InputError(f"{spec.name} has no language adaptor but its own; leave {name} out.")
    if spec.text_dtype != "float32":
        raise InputError(f"{spec.name} embeds prompts in float32 only; leave the text dtype out.")
    if spec.dtype not in dtypes:
        raise InputError(f"{spec.name} computes in {' or '.join(dtypes)} only, not in {spec.dtype}.")
    own = BACKBONES[spec.preset.checkpoint]
    if spec.options.refine in WITH_SAM and own.sam_decoder is None:
        raise InputError(f"{spec.name} has no SAM adaptor, so it cannot refine; miniature+ and radseg-b+ do.")


def required(spec: ModelSpec, *, with_text: bool = True) -> tuple[catalog.Row, ...]:
    """Return the catalogue rows that a model reads, the backbone's first; files of one's own need none.

    Args:
        with_text: whether prompts will be embedded, which takes the text tower.

    Raises:
        CheckpointError: a RADIO of one's own cannot be read; its space stands in it.
    """
    preset = spec.preset
    if preset.checkpoint in BACKBONES:
        return ()
    row = parts.backbone_row(preset.checkpoint, spec.weights)
    rows = [row] if row is not None else []
    if with_text and spec.text_tower is None:
        rows += parts.text_rows(_tower_space(spec, row, _own_radio(spec, row)))
    further = (*preset.auxiliary, *([preset.text_map] if preset.text_map else []))
    rows += [catalog.row(name) for name in further if name not in spec.auxiliary]
    if _needs_decoder(spec) and spec.sam is None:
        rows.append(catalog.row(SAM_DECODER))
    return tuple(rows)


def ensure(
    spec: ModelSpec, reporter: Reporter = LOGGED, *, with_text: bool = True, known: Known | None = None
) -> Weights:
    """Return where everything of a model lies, fetching and converting what is missing.

    Args:
        reporter: receives what is fetched.
        with_text: whether prompts will be embedded; without, the text tower waits for the first prompt.
        known: of `presets.announce.announce_all`, where several models are loaded by one command.

    Raises:
        InputError: see `check`.
        WeightsUnavailableError: weights are neither here nor to be had; says what to do.
        CheckpointError: weights are damaged.
    """
    check(spec)
    preset, options = spec.preset, _options(spec, reporter, known)
    if preset.checkpoint in BACKBONES:
        return Weights()
    announce(required(spec, with_text=with_text), options, spec.name)
    row = parts.backbone_row(preset.checkpoint, spec.weights)
    if row is None:
        backbone = parts.resolve(preset.checkpoint, spec.weights, options)
    else:
        backbone = parts.resolve(row.name, None, options)
    text = _text_weights(spec, _tower_space(spec, row, backbone) if with_text else None, options)
    sam = parts.resolve(SAM_DECODER, spec.sam, options) if _needs_decoder(spec) else None
    auxiliary = {name: parts.resolve(name, spec.auxiliary.get(name), options) for name in preset.auxiliary}
    return replace(text, backbone=backbone, sam=sam, auxiliary=auxiliary)


def _text_weights(spec: ModelSpec, space: str | None, options: DownloadOptions) -> Weights:
    """Return what embeds prompts: the tower of a space, where it is asked for, and the trained map."""
    tower = None if spec.text_tower is None else Path(spec.text_tower)
    if tower is None:
        for one in parts.text_rows(space):
            tower = parts.resolve(one.name, None, options)
    name = spec.preset.text_map
    text_map = None if name is None else parts.resolve(name, spec.auxiliary.get(name), options)
    return Weights(text_tower=tower, text_map=text_map)


def load_text_encoder(spec: ModelSpec, reporter: Reporter = LOGGED) -> TextEncoder:
    """Return what embeds prompts for a model, without its backbone: for vocabulary packs.

    Raises:
        As `ensure`.
    """
    check(spec)
    preset, options = spec.preset, _options(spec, reporter)
    own = BACKBONES.get(preset.checkpoint)
    if own is not None:
        return own.text_encoder(spec.options)
    row = parts.backbone_row(preset.checkpoint, spec.weights)
    space = _tower_space(spec, row, _own_radio(spec, row))
    if space is None:
        raise InputError(f"{spec.weights} has no language adaptor, so there is nothing to embed prompts for.")
    announce([row for row in required(spec) if parts.embeds_prompts(row)], options, spec.name)
    return _text_encoder(spec, _text_weights(spec, space, options), space, reporter)


def load(
    model: "str | Path | ModelSpec" = "radseg-b",
    *,
    weights: Weights | None = None,
    reporter: Reporter = LOGGED,
    **choices: Any,
) -> Segmenter:
    """Return a ready Segmenter.

    Args:
        model: a preset of PRESETS, the path of a checkpoint to be used as "radseg-b" is, or a ModelSpec.
        weights: what `ensure` gave for the ModelSpec; by default missing ones are fetched.
        reporter: is told what is fetched, and later how far the embedding of prompts is.
        **choices: with a name or path: what differs from the preset (crop, refine, …), and where weights are
            and what computes (checkpoint, text_tower, sam, auxiliary, drop, device, dtype, accept_license);
            see `spec.Places` and the class of the preset's options.

    Raises:
        InputError: unknown preset, option, device or dtype.
        WeightsUnavailableError: the weights are neither local nor obtainable.
        CheckpointError: the weights are damaged.
    """
    if isinstance(model, ModelSpec):
        if choices:
            raise InputError(f"Give {', '.join(choices)} to the ModelSpec: spec.changed(…) or spec.at(…).")
        spec = model
    else:
        spec = model_spec(model, **choices)
    found = ensure(spec, reporter, with_text=False) if weights is None else weights
    return _built(spec, found, reporter)


def fetch_and_load(
    spec: ModelSpec, reporter: Reporter, *, with_text: bool = True, known: Known | None = None
) -> Segmenter:
    """Return a ready Segmenter, what is missing fetched where a person sees it; see `ensure`."""
    weights = ensure(spec, reporter, with_text=with_text, known=known)
    return load(spec, weights=weights, reporter=reporter)


def _built(spec: ModelSpec, weights: Weights, reporter: Reporter) -> Segmenter:
    preset, options, method = spec.preset, spec.options, method_of(spec)
    target = parts.Target(torch.device(spec.device), getattr(torch, spec.dtype))
    origin: dict[str, Any] = {
        "preset": spec.name, "device": spec.device, "dtype": spec.dtype, "options": asdict(options),
    }  # fmt: skip
    if spec.text_dtype != "float32":
        origin["text_dtype"] = spec.text_dtype
    own = BACKBONES.get(preset.checkpoint)
    if own is not None:
        backbone = own.load(*target)
        origin |= {"checkpoint": preset.checkpoint, **_facts(backbone)}
        built = _put_together(spec, backbone, ())
        decoder = own.sam_decoder
        segmenter = _segmenter(built, own.text_encoder(options), options, origin)
        return _refining(segmenter, options, lambda: decoder().to(target.device) if decoder else None)
    assert weights.backbone is not None
    backbone = parts.load_backbone(
        preset.checkpoint, weights.backbone, target, adaptors=_adaptors(method, options), options=options
    )
    row = parts.backbone_row(preset.checkpoint, spec.weights)
    origin |= {"checkpoint": row.name if row else stated(spec.weights), **_facts(backbone)}
    networks = [parts.load_auxiliary(name, weights.auxiliary[name], target) for name in preset.auxiliary]
    if networks:
        origin["auxiliary"] = {
            name: _facts(network).get("sha256") or stated(spec.auxiliary.get(name, "published"))
            for name, network in zip(preset.auxiliary, networks, strict=True)
        }
    built = _put_together(spec, backbone, networks)
    segmenter = _segmenter(built, _text_encoder(spec, weights, built.space, reporter), options, origin)
    if method.refiner is not None and options.refine not in WITHOUT_WEIGHTS:
        return replace(segmenter, refine=method.refiner(backbone, networks, options))
    sam = weights.sam  # its decoder is always float32: in bfloat16 a coordinate of 777 pixels would be 776
    return _refining(segmenter, options, lambda: load_sam(sam, device=target.device) if sam else None)


def _put_together(spec: ModelSpec, backbone: Any, networks: Sequence[Any]) -> Any:
    """Return the method around its networks; what somebody's own `build` does wrong is said to be that."""
    try:
        return method_of(spec).build(backbone, networks, spec.options)
    except RadsegError:
        raise
    except Exception as error:
        raise InputError(
            f"The method {spec.preset.method!r} cannot be built: {type(error).__name__}: {error}. Its build "
            "takes backbone, auxiliary networks and options; --debug shows where it fails."
        ) from error


def untrained(spec: ModelSpec) -> Segmenter:
    """Return a preset at its real size with random weights, from no file at all: to measure cost only.

    Raises:
        InputError: see `check`; a preset that has no shapes in the catalogue.
    """
    check(spec)
    preset, options = spec.preset, spec.options
    if preset.checkpoint in BACKBONES:
        raise InputError(f"{spec.name} brings its own weights; load it as it is.")
    if preset.method != "radseg":
        raise InputError(f"{spec.name} has no shapes to build from; RADSeg's presets have.")
    for name, usual in LANGUAGE.items():
        if getattr(options, name, usual) != usual:
            raise InputError(f"A model with random weights has one language adaptor; leave {name} out.")
    config = untrained_config(preset.checkpoint, sam=options.refine in WITH_SAM)
    radio = untrained_radio(config, device=spec.device, dtype=getattr(torch, spec.dtype))
    origin = {"preset": spec.name, "device": spec.device, "dtype": spec.dtype, "options": asdict(options)}
    origin |= {"checkpoint": "random weights", "version": config.version}
    built = _put_together(spec, radio, ())
    segmenter = _segmenter(built, UntrainedTextEncoder(radio.space), options, origin)
    return _refining(segmenter, options, lambda: untrained_sam(device=spec.device))


def method_of(spec: ModelSpec) -> Method:
    """Return the row of the method a model is made with.

    Raises:
        InputError: its preset names a method that nobody registered.
    """
    if spec.preset.method not in METHODS:
        raise InputError(
            f"The preset {spec.name!r} names the method {spec.preset.method!r}, which is not registered; "
            "call register_method first."
        )
    return METHODS[spec.preset.method]


def _options(spec: ModelSpec, reporter: Reporter = LOGGED, known: Known | None = None) -> DownloadOptions:
    rows = {} if known is None else known
    return DownloadOptions(spec.accept_license, spec.drop, reporter, rows=rows)


def _tower_space(spec: ModelSpec, row: catalog.Row | None, own: Path | None) -> str | None:
    """Return the space of the text tower: the features', but with a trained map the one that it maps from."""
    if spec.preset.text_map is not None:
        return catalog.OPENAI_B
    return parts.text_space(spec.preset.checkpoint, row, own, getattr(spec.options, "language", None))


def _own_radio(spec: ModelSpec, row: catalog.Row | None) -> Path | None:
    """Return a RADIO of one's own, ready to load: its header says which text space it has."""
    if row is not None or not parts.is_radio(spec.preset.checkpoint):
        return None
    return parts.resolve(spec.preset.checkpoint, spec.weights, _options(spec))


def _needs_decoder(spec: ModelSpec) -> bool:
    """Whether RADSeg+'s decoder is needed: a method that brings a whole SAM refines with that."""
    return spec.options.refine in WITH_SAM and method_of(spec).refiner is None


def _adaptors(method: Method, options: Options) -> tuple[str, ...]:
    """Return what is needed of RADIO beside its language adaptor."""
    own = method.adaptors
    return own if options.refine not in WITH_SAM or "sam" in own else (*own, "sam")


def _text_encoder(spec: ModelSpec, weights: Weights, space: str, reporter: Reporter) -> TextEncoder:
    templates = template_set(getattr(spec.options, "templates", "none"))
    how = _options(spec, reporter)
    if weights.text_map is None:
        dtype = cast("TextDtype", spec.text_dtype)
        return StoredTextEncoder(space, templates, weights.text_tower, spec.device, dtype, how)

    def tower() -> EncoderTower:
        folder = weights.text_tower or resolve_text_tower(catalog.OPENAI_B, how)
        return load_tower(catalog.OPENAI_B, folder=folder, device=spec.device)

    row = catalog.row(str(spec.preset.text_map))
    text_map = load_text_map(weights.text_map).to(spec.device)
    wait = PromptWait(reporter, catalog.OPENAI_B, templates, lambda: None)
    return MappedTextEncoder(str(row.space), templates, text_map, tower, at_once(spec.device), wait)


def _facts(network: Any) -> dict[str, Any]:
    """Return version and SHA-256 of the file a network came from, where it knows them."""
    config = getattr(network, "config", None)
    known = {"version": getattr(config, "version", None), "sha256": getattr(network, "source_sha256", None)}
    return {name: value for name, value in known.items() if value}


def _refining(segmenter: Segmenter, options: Any, decoder: Callable[[], SamDecoder | None]) -> Segmenter:
    """Return the segmenter with its refiner; `decoder` is asked for only where the options need SAM."""
    if options.refine == "none":
        return segmenter
    if options.refine == "pamr-cosines":
        return replace(segmenter, sharpen=CosinePamr(memory_budget=options.memory_budget // 4))
    if options.refine == "pamr":
        short = options.short_side or Pamr.short_side
        budget = options.memory_budget // 4
        pamr = Pamr(short_side=short, long_side=options.long_side, memory_budget=budget)
        return replace(segmenter, refine=pamr)
    if options.refine == "despeckle":
        return replace(segmenter, refine=Despeckle(options.min_area))
    sam, encoder = decoder(), segmenter.encoder
    assert sam is not None, "check() refuses to refine a model without SAM"
    source = RadioFeatures(encoder.radio, encoder.last_block, options.memory_budget)  # type: ignore[union-attr]
    return replace(segmenter, refine=sam_refiner(source, sam, options))


def _segmenter(encoder: Any, text: TextEncoder, options: Options, origin: Mapping[str, Any]) -> Segmenter:
    shared = {one.name for one in fields(Segmenter)} & {one.name for one in fields(Options)} - {"refine"}
    return Segmenter(encoder, text, origin=origin, **{name: getattr(options, name) for name in shared})


def _require_device(name: str) -> None:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{name!r} is not a device; try 'cpu', 'cuda' or 'mps'.") from error
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if (device.index or 0) >= count.get(device.type, 0):
        raise InputError(f"Device {name!r} is not available here; `radseg doctor` says what torch sees.")
