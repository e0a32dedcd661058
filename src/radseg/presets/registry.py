"""What can be chosen: methods, presets and backbones by name, those of this package and other people's own.

Everything enters by the same door: the rows of this package call these functions too. Loads nothing heavy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_args

from radseg.errors import InputError
from radseg.modes import AT_PIXELS, Refine, SizeRule
from radseg.presets.options import Options, RadsegOptions, WindowOptions
from radseg.weights import catalog

if TYPE_CHECKING:
    from radseg.methods.base import DenseEncoder, Scorer
    from radseg.models.sam import SamDecoder
    from radseg.refine.base import Refiner
    from radseg.segment import TextEncoder

    Build = Callable[[Any, Sequence[Any], Any], DenseEncoder | Scorer]


@dataclass(frozen=True)
class Method:
    """How a method is put together.

    Attributes:
        build: from backbone, auxiliary networks in the preset's order, and options.
        options: the class of the options it takes.
        refines: the values of the option `refine` it can carry out.
        adaptors: of RADIO, that it uses beside the language one.
        size_rules: the values of the option `size_rule` it can carry out, where it has one.
        text_dependent: whether it is a Scorer whatever the options; see `needs_prompts`.
        refiner: builds its own refiner, for a method that brings a SAM or regions; None takes RADSeg+'s.
    """

    build: "Build"
    options: type[Options] = WindowOptions
    refines: tuple[Refine, ...] = ("none", "pamr", "pamr-cosines")
    size_rules: tuple[SizeRule, ...] = ("patch", "stride")
    adaptors: tuple[str, ...] = ()
    text_dependent: bool = False
    refiner: "Callable[[Any, Sequence[Any], Any], Refiner] | None" = None

    def needs_prompts(self, options: Options) -> bool:
        """Return whether the method with these options is a Scorer: it has no features without prompts."""
        return self.text_dependent or getattr(options, "size_rule", None) in AT_PIXELS


@dataclass(frozen=True)
class Preset:
    """A name for a backbone, a method and its numbers.

    Attributes:
        checkpoint: the backbone: catalogue name of its weights, or of a backbone that brings its own.
        options: those of the method, of the class it declares.
        note: what it is for, one line.
        method: name of the method.
        auxiliary: catalogue names of the weights of further networks the method uses, in its order.
        text_map: catalogue name of a trained map that its text embeddings pass through, where it has one.
        paper: the table of RADSeg (arXiv 2511.19704, as numbered in its supplement) that has a row for this
            backbone and method; None where it measured no such thing, which `note` says of published weights.
    """

    name: str
    checkpoint: str
    options: Options
    note: str
    method: str = "radseg"
    auxiliary: tuple[str, ...] = ()
    text_map: str | None = None
    paper: str | None = None

    @property
    def published(self) -> bool:
        """Whether its weights come from the catalogue; embedded and registered backbones bring their own."""
        return any(row.name == self.checkpoint for row in catalog.ROWS)


@dataclass(frozen=True)
class Backbone:
    """A backbone that brings its own weights.

    Attributes:
        load: from torch device and dtype to the network: what the method's `build` is given first.
        text_encoder: from the method's options to what embeds prompts into the features' space.
        sam_decoder: makes the decoder of RADSeg+, where the backbone has a SAM adaptor.
        dtypes: that it can compute in.
    """

    load: Callable[[Any, Any], Any]
    text_encoder: "Callable[[Any], TextEncoder]"
    sam_decoder: "Callable[[], SamDecoder] | None" = None
    dtypes: tuple[str, ...] = ("float32",)


METHODS: dict[str, Method] = {}
PRESETS: dict[str, Preset] = {}
BACKBONES: dict[str, Backbone] = {}


def register_method(name: str, build: "Build", **facts: Any) -> None:
    """Add a method, for presets to name.

    Args:
        build: from backbone, auxiliary networks and options to a DenseEncoder, or a Scorer if text-dependent.
        **facts: further fields of Method; `options` is the class of its options, the windows' by default.

    Raises:
        InputError: the name is taken.
    """
    _require_free(name, METHODS, "method")
    METHODS[name] = Method(build, **facts)


def register_preset(preset: Preset) -> None:
    """Add a preset: from then on it is chosen by its name.

    Raises:
        InputError: the name is taken, or its method is not registered or takes other options.
    """
    _require_free(preset.name, PRESETS, "preset")
    if preset.method not in METHODS:
        raise InputError(
            f"The preset {preset.name!r} names the method {preset.method!r}, which is not registered; call "
            "register_method first."
        )
    wanted = METHODS[preset.method].options
    if not isinstance(preset.options, wanted):
        raise InputError(
            f"The preset {preset.name!r} has {type(preset.options).__name__}; its method {preset.method!r} "
            f"takes {wanted.__name__}."
        )
    PRESETS[preset.name] = preset


def register_backbone(
    name: str,
    load: Callable[[Any, Any], Any],
    text_encoder: "Callable[[Any], TextEncoder]",
    **facts: Any,
) -> None:
    """Add a backbone that brings its own weights, for presets to name as their checkpoint.

    Args:
        load: from torch device and dtype to the network; `models.base.Backbone` says what the methods of this
            package need of it. A method of one's own may take any object.
        text_encoder: from the method's options to what embeds prompts into the features' space.
        **facts: further fields of Backbone.

    Raises:
        InputError: the name is taken.
    """
    _require_free(name, BACKBONES, "backbone")
    BACKBONES[name] = Backbone(load, text_encoder, **facts)


def require_taken(name: str, method: Method, changes: Mapping[str, Any]) -> None:
    """Raise InputError if a changed option has no effect on the preset `name`, or it cannot do as it says."""
    own = {one.name for one in fields(method.options)}
    elsewhere = {one.name for other in METHODS.values() for one in fields(other.options)}
    if absent := sorted((set(changes) & elsewhere) - own):
        theirs = {one.name for one in fields(RadsegOptions)}
        other = f", or use {_radseg_beside(name)}" if theirs.issuperset(absent) else ""
        raise InputError(f"{name} has no {', '.join(absent)}; leave it out{other}.")
    refine = changes.get("refine", "none")
    if refine in get_args(Refine) and refine not in method.refines:
        able = ", ".join(method.refines)
        raise InputError(
            f"{name} cannot refine as {refine!r} (it can: {able}); {_radseg_beside(name)}+ does."
        )
    rule = changes.get("size_rule")
    if rule in get_args(SizeRule) and rule not in method.size_rules:
        raise InputError(f"{name} has no size_rule {rule!r}; choose from {', '.join(method.size_rules)}.")


def _radseg_beside(name: str) -> str:
    """Return the RADSeg preset that needs no other download than `name`: the miniature's for a miniature."""
    return "miniature" if name.startswith(("miniature", "toy")) else "radseg-b"


def _require_free(name: str, taken: Mapping[str, Any], what: str) -> None:
    import radseg.presets.table  # this package's own rows come first  # noqa: F401, PLC0415

    if name in taken:
        raise InputError(f"There is a {what} {name!r} already; choose another name.")
