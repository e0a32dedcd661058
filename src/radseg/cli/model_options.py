"""The options that choose a model, once for every verb that takes one.

A verb has one parameter of type ModelChoice and is decorated with the groups of options it takes.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radseg.cli.values import parse_bytes, parse_options, parse_or, parse_places, parse_temperature
from radseg.errors import InputError
from radseg.modes import Refine, SizeRule

if TYPE_CHECKING:
    from radseg.presets.spec import ModelSpec, Places
    from radseg.presets.table import Preset

    Defaults = Callable[[Preset], Mapping[str, Any]]

PROMPTS = "Prompts"
METHOD, WEIGHTS, MACHINE = "Method (default: the model's own)", "Weights", "Machine"


def _option(*names: str, help: str, panel: str | None = None, **how: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **how)


def complete_model(typed: str) -> list[str]:
    """Return the models whose names begin like that, for completion on tab."""
    from radseg.presets.plugins import load_installed
    from radseg.presets.table import PRESETS

    load_installed()
    return [name for name in PRESETS if name.startswith(typed)]


def _names(how: str, default: str) -> Any:
    return _option(
        "-m", "--model", "--preset", autocompletion=complete_model,
        help=f"A model by name (radseg models list){how}. Default: {default}.",
    )  # fmt: skip


BEST = "radseg-b or another whose weights are here; where none are, the embedded miniature"
GROUPS: dict[str, dict[str, Any]] = {
    "templates": {
        "templates": Annotated[
            str | None,
            _option(
                "--templates", panel=PROMPTS,
                help="Sentences around each name: imagenet80 (default), imagenet7, simple, none.",
            ),
        ],
    },
    "method": {
        "short_side": Annotated[
            str | None, _option("--short-side", help="Scale to this short side, or native.", panel=METHOD)
        ],
        "long_side": Annotated[
            str | None, _option("--long-side", help="At most this long side, or native.", panel=METHOD)
        ],
        "crop": Annotated[
            str | None, _option("--crop", help="Window side in pixels, or whole.", panel=METHOD)
        ],
        "stride": Annotated[
            int | None, _option("--stride", min=1, help="Step between windows.", panel=METHOD)
        ],
        "size_rule": Annotated[
            SizeRule | None,
            _option(
                "--size-rule", panel=METHOD,
                help="patch: round sides to the patch. stride: up to the stride, as RADSeg's code. "
                "pixel, pad, up: as the codes on CLIP do (docs/methods).",
            ),
        ],
        "scra_temperature": Annotated[
            str | None, _option("--scra", help="Temperature of SCRA (paper: 10), or off.", panel=METHOD)
        ],
        "scga_temperature": Annotated[
            str | None, _option("--scga", help="Temperature of SCGA (paper: 10), or off.", panel=METHOD)
        ],
        "denoising": Annotated[
            float | None,
            _option(
                "--denoise", min=0, max=1, panel=METHOD, help="Drop names that are nowhere this probable."
            ),
        ],
        "threshold": Annotated[
            float | None,
            _option(
                "--threshold", min=0, max=1, panel=METHOD,
                help="Pixels less probable than this are none (default 0; independent: 0.5).",
            ),
        ],
        "refine": Annotated[
            Refine | None,
            _option(
                "--refine", panel=METHOD,
                help="corrected: RADSeg+, masks through SAM's decoder; reference: as its published code. "
                "pamr: follow the image's colours; pamr-cosines: so before the softmax, with -O "
                "enlarge=cosines. despeckle: regions below min_area get the label beside them. regions: one "
                "name per region (CorrCLIP only).",
            ),
        ],
        "option": Annotated[
            list[str] | None,
            _option(
                "-O", "--option", metavar="NAME=VALUE", panel=METHOD,
                help="Any other number of the method, such as min_area=400. May be given several times.",
            ),
        ],
    },
    "weights": {
        "checkpoint": Annotated[
            str | None, _option("--checkpoint", help="Other weights: a file or folder.", panel=WEIGHTS)
        ],
        "text_tower": Annotated[
            Path | None,
            _option("--text-tower", help="Folder of the text tower, if not from the cache.", panel=WEIGHTS),
        ],
        "sam": Annotated[
            str | None, _option("--sam", help="SAM ViT-H file, if not from the cache.", panel=WEIGHTS)
        ],
    },
    "auxiliary": {
        "auxiliary": Annotated[
            list[str] | None,
            _option(
                "--aux", metavar="NAME=PATH", panel=WEIGHTS,
                help="Where a method's further network lies: dino-vit-b-8=FOLDER (radseg models list). May "
                "be given several times.",
            ),
        ],
        "drop": Annotated[
            list[str] | None,
            _option(
                "--drop", panel=WEIGHTS,
                metavar="PREFIX",
                help="Leave out tensors of a published RADIO file by prefix, where a message names them.",
            ),
        ],
        "accept_license": Annotated[
            bool,
            _option(
                "--accept-license", panel=WEIGHTS,
                help="Accept the licence of weights that need it (radseg models license).",
            ),
        ],
        "plugin": Annotated[
            list[Path] | None,
            _option(
                "--plugin", metavar="FILE.py", panel=WEIGHTS,
                help="Run a file of yours that registers methods, presets or datasets (docs/own-method.md).",
            ),
        ],
    },
    "device": {
        "device": Annotated[
            str | None, _option("--device", help="cpu (default), cuda, cuda:1, mps.", panel=MACHINE)
        ],
        "dtype": Annotated[
            Literal["float32", "float16", "bfloat16"] | None,
            _option("--dtype", help="Of weights: float32 (default), float16 or bfloat16.", panel=MACHINE),
        ],
        "text_dtype": Annotated[
            Literal["float32", "bfloat16", "int8"] | None,
            _option(
                "--text-dtype", panel=MACHINE,
                help="Of the text tower: float32 (default), bfloat16, or int8, about twice as fast on a CPU. "
                "Compared with float32 first.",
            ),
        ],
    },
    "memory": {
        "memory_budget": Annotated[
            str | None,
            _option(
                "--memory-budget", panel=MACHINE,
                help="Memory that an image may take beside the weights, its result and files included: 1GiB.",
            ),
        ],
    },
}  # fmt: skip
"""Groups beside "model" and "models": parameter name to its annotation. `None`, or an empty list, is "not
given".
"""

_PLACES = (
    "checkpoint",
    "text_tower",
    "sam",
    "auxiliary",
    "drop",
    "accept_license",
    "device",
    "dtype",
    "text_dtype",
)


@dataclass(frozen=True)
class ModelChoice:
    """What was typed of a model; values that were not given are absent.

    Attributes:
        names: of models.
        places: fields of `presets.spec.Places`.
        options: of the method.
    """

    names: tuple[str, ...] = ()
    places: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def spec(
        self, *, default: str | None = None, quiet: bool = False, defaults: "Defaults | None" = None
    ) -> "ModelSpec":
        """Return the model; where nobody named one, `default`, or the best that is here.

        Args:
            quiet: do not say what is used where no weights are here.
            defaults: gives options in place of the preset's (see `model_spec`).
        """
        name = self.names[0] if self.names else default
        if name is None and self.places.get("checkpoint"):
            name = "radseg-b"
        return self._spec(name or default_model(quiet=quiet), defaults)

    def specs(self, default: Iterable[str], *, defaults: "Defaults | None" = None) -> "tuple[ModelSpec, ...]":
        """Return the models in their order, each once; what concerns some weights goes to those that use it.

        Raises:
            InputError: no model uses the auxiliary weights, or has the tensors to drop, that are given.
        """
        from radseg.presets.parts import reads_radio
        from radseg.presets.spec import preset_named

        names = tuple(dict.fromkeys(self.names or default))
        used, specs = set(), []
        for name in names:
            preset = preset_named("radseg-b" if "/" in name else name)
            taken = () if "/" in name else preset.auxiliary
            own = {k: v for k, v in self.places.get("auxiliary", {}).items() if k in taken}
            places = {**self.places, "auxiliary": own}
            if not reads_radio(preset):
                places.pop("drop", None)
            used |= {*own, *places}
            specs.append(ModelChoice((name,), places, self.options)._spec(name, defaults))
        if unused := sorted(set(self.places.get("auxiliary", {})) - used):
            raise InputError(f"None of {', '.join(names)} uses {', '.join(unused)}; leave --aux out.")
        if set(self.places) - used:
            raise InputError(f"None of {', '.join(names)} reads a published RADIO file; leave --drop out.")
        return tuple(specs)

    def elsewhere(self) -> "Places":
        """Return the places alone, for a model that a map has recorded."""
        from radseg.presets.spec import Places

        return Places(**self.places)

    def _spec(self, name: str, defaults: "Defaults | None") -> "ModelSpec":
        from radseg.presets.spec import model_spec

        return model_spec(name, defaults=defaults, **self.places, **self.options)


def takes_model(*groups: str, default: str = BEST) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb the options of these groups in place of its parameter of type ModelChoice.

    Args:
        groups: of GROUPS; "model" is one model by name, "models" several.
        default: what the verb takes where nobody names a model, for the help.
    """
    one = Annotated[str | None, _names(", or the path of a checkpoint", default)]
    several = Annotated[list[str] | None, _names("; may be given several times", default)]
    known = {**GROUPS, "model": {"model": one}, "models": {"models": several}}
    added = {name: annotation for group in groups for name, annotation in known[group].items()}

    def decorate(verb: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(verb)
        (slot,) = (name for name, one in signature.parameters.items() if one.annotation is ModelChoice)

        @functools.wraps(verb)
        def with_choice(**given: Any) -> Any:
            typed = {name: given.pop(name) for name in added}
            return verb(**given, **{slot: _choice(typed)})

        parameters: list[inspect.Parameter] = []
        last: list[inspect.Parameter] = []
        for name, parameter in signature.parameters.items():
            if name != slot:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            for extra, annotation in added.items():
                everyday = extra in ("model", "models")
                default = False if extra == "accept_license" else None
                (parameters if everyday else last).append(
                    inspect.Parameter(
                        extra, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                    )
                )
        parameters += last  # the method's numbers come in panels after the verb's own options
        del with_choice.__dict__["__wrapped__"]
        with_choice.__annotations__ = {one.name: one.annotation for one in parameters}
        with_choice.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return with_choice

    return decorate


def default_model(*, quiet: bool) -> str:
    """Return the model to use when nobody named one; where no weights are here, say what is used instead."""
    from radseg.presets.choose import default_model as best
    from radseg.presets.table import PRESETS

    name = best()
    if name == "miniature" and not quiet:
        typer.echo(
            f"No weights are here, so this uses the {PRESETS[name].note}. For photos add -m radseg-b: it is "
            "fetched once and is the default from then on.",
            err=True,
        )
    return name


def _choice(typed: dict[str, Any]) -> ModelChoice:
    """Return what was typed; plugins are run first, so that they can be named.

    Raises:
        InputError: a value that is no number, size or place.
    """
    if files := typed.pop("plugin", None):
        from radseg.presets.plugins import load_plugins

        load_plugins(files)
    names = tuple(filter(None, [typed.pop("model", None), *(typed.pop("models", None) or ())]))
    # 0.0 is a value, False and an empty list are not.
    values = {name: value for name, value in typed.items() if value is not False and value not in (None, [])}
    if (texts := values.pop("option", None)) is not None:
        others = parse_options(texts)
        if elsewhere := sorted(set(others) & {*values, *_PLACES}):
            raise InputError(f"Leave {', '.join(elsewhere)} out of --option: its own option sets that.")
        values |= others
    for name, word in (("short_side", "native"), ("long_side", "native"), ("crop", "whole")):
        if isinstance(values.get(name), str):
            values[name] = parse_or(values[name], word, what=f"--{name.replace('_', '-')}")
    for name in ("scra_temperature", "scga_temperature"):
        if isinstance(values.get(name), str):
            values[name] = parse_temperature(values[name], what=f"--{name.partition('_')[0]}")
    if isinstance(values.get("memory_budget"), str):
        values["memory_budget"] = parse_bytes(values["memory_budget"])
    if "auxiliary" in values:
        values["auxiliary"] = parse_places(values["auxiliary"], what="--aux")
    if "text_tower" in values:
        values["text_tower"] = str(values["text_tower"].resolve())
    if "drop" in values:
        values["drop"] = tuple(values["drop"])
    places = {name: values.pop(name) for name in _PLACES if name in values}
    return ModelChoice(names, places, values)
