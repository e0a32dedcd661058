"""The numbers and choices of a model, each kind of method with those it takes, checked when they are made.

A method of one's own declares its own: a frozen, keyword-only dataclass derived from one of these.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from operator import index
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from radseg.errors import InputError
from radseg.modes import (
    DEFAULT_MEMORY_BUDGET,
    AllDenoised,
    Enlarge,
    InputValues,
    LanguageHead,
    Refine,
    SizeRule,
)
from radseg.text.templates import template_set


@dataclass(frozen=True)
class Limit:
    """What the value of an option must be.

    Attributes:
        accepts: whether a value is inside.
        says: what would be right, for the message.
    """

    accepts: Callable[[Any], bool]
    says: str


PROBABILITY = {"limit": Limit(lambda value: 0 <= value <= 1, "it is a probability, from 0 to 1")}
COUNT = {"limit": Limit(lambda value: index(value) >= 1, "it must be at least 1, a whole number")}
TEMPERATURE = {"limit": Limit(lambda value: 0 < value <= 1000, "it must be above 0, at most 1000")}
"""For `field(default=…, metadata=…)`. None, where the type allows it, is always inside: "absent"."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What every model takes; see Segmenter for the meaning.

    `refine` is "pamr"; or "pamr-cosines", with cosines that are enlarged; or "despeckle", where the method
    has `min_area`; or "regions", for CorrCLIP; or chooses the rules of RADSeg+: "corrected", or "reference"
    as in the released code.

    Raises:
        InputError: a value out of range, or not among the choices.
    """

    short_side: int | None = field(default=576, metadata=COUNT)
    long_side: int | None = field(default=2048, metadata=COUNT)
    temperature: float = field(default=100.0, metadata=TEMPERATURE)
    denoising: float = field(default=0.5, metadata=PROBABILITY)
    threshold: float | None = field(default=None, metadata=PROBABILITY)
    all_denoised: AllDenoised = "none"
    enlarge: Enlarge = "probabilities"
    refine: Refine = "none"
    memory_budget: int = field(default=DEFAULT_MEMORY_BUDGET, metadata=COUNT)

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        if self.refine == "pamr-cosines" and self.enlarge != "cosines":
            raise InputError(
                "refine is 'pamr-cosines', but cosines are not enlarged to the image's size: add "
                "enlarge='cosines' (-O enlarge=cosines), or take refine='pamr'."
            )
        for one in fields(self):
            value, limit = getattr(self, one.name), one.metadata.get("limit")
            choices = choices_of(types[one.name])
            if choices and value not in choices:
                raise InputError(f"{one.name} is {value!r}; choose from {', '.join(map(repr, choices))}.")
            if value is not None and limit is not None:
                _require_inside(one.name, value, limit)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return these options with some replaced.

        Raises:
            InputError: an option that these do not have, or a bad value.
        """
        known = [one.name for one in fields(self)]
        for name in changes:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(known)}."
                raise InputError(f"There is no option {name!r}; {hint}")
        return replace(self, **changes)

    def taken(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of `values` that these options have."""
        known = {one.name for one in fields(self)}
        return {name: value for name, value in values.items() if name in known}

    def decisive(self) -> dict[str, Any]:
        """Return what decides results, as JSON values: all but the memory a call may use."""
        return {name: value for name, value in asdict(self).items() if name != "memory_budget"}


@dataclass(frozen=True, kw_only=True)
class TextOptions(Options):
    """A model with a text tower: `templates` names the sentences around each name."""

    templates: str = "imagenet80"

    def __post_init__(self) -> None:
        super().__post_init__()
        template_set(self.templates)


@dataclass(frozen=True, kw_only=True)
class StrideOptions(TextOptions):
    """A method that slides: window side and step in pixels. Without windows (`crop` None) the stride has no
    effect.
    """

    crop: int | None = field(default=336, metadata=COUNT)
    stride: int = field(default=224, metadata=COUNT)


@dataclass(frozen=True, kw_only=True)
class WindowOptions(StrideOptions):
    """A method that slides over an image with legal sides; see SizeRule, and `Method.size_rules`."""

    size_rule: SizeRule = "patch"


@dataclass(frozen=True, kw_only=True)
class RadioOptions(WindowOptions):
    """A method on RADIO. `scga_temperature` None leaves SCGA out. `language` names the language adaptor, such
    as "clip"; None takes the best of the checkpoint. `language_head` is "cls", or "patch" for Table 3's
    comparison.
    """

    scga_temperature: float | None = field(default=10.0, metadata=TEMPERATURE)
    language: str | None = None
    language_head: LanguageHead = "cls"


@dataclass(frozen=True, kw_only=True)
class RayfrontsOptions(RadioOptions):
    """RayFronts. `input_values` "raw" leaves out the normalisation of the image; see RayFronts."""

    input_values: InputValues = "normalised"


LANGUAGE = {"language": None, "language_head": "cls"}
"""The options that choose an adaptor's head, as they are where there is one to choose."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions(TextOptions):
    """A method whose masks can be refined through SAM's decoder; see SamRefiner."""

    coarse_threshold: float = field(default=0.10, metadata=PROBABILITY)
    min_area: int = field(default=900, metadata=COUNT)
    iou_threshold: float = 0.9  # of the predicted IoU, which a network may give beyond 0 … 1


@dataclass(frozen=True, kw_only=True)
class RadsegOptions(RadioOptions, MaskOptions):
    """RADSeg. `scra_temperature` None leaves SCRA out; `scra_recursions` is how often it is applied (Table
    A.5 of the paper).
    """

    scra_temperature: float | None = field(default=10.0, metadata=TEMPERATURE)
    scra_recursions: int = field(default=1, metadata=COUNT)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scra_temperature is None and self.scra_recursions != 1:
            raise InputError(
                f"scra_recursions is {self.scra_recursions}, but without scra_temperature there is no SCRA "
                "to repeat; give both, or neither."
            )


@dataclass(frozen=True, kw_only=True)
class TridentOptions(WindowOptions, MaskOptions):
    """Trident: windows, and masks through its own SAM. Its code has other constants per data set; see Trident
    and `evaluation.paper.protocols`. `input_values` "raw" is as in RayFronts; see Trident.
    """

    cosine_factor: float = 1.2
    below_zero: float | None = None
    input_values: InputValues = "normalised"


@dataclass(frozen=True, kw_only=True)
class ResclipOptions(WindowOptions):
    """ResCLIP: the numbers of `ops.feedback.Residuals`. Its code has others per data set."""

    feedback_threshold: float = field(default=0.25, metadata=PROBABILITY)
    residual_gain: float = 2.0
    residual_share: float = field(default=0.3, metadata=PROBABILITY)
    feedback_gain: float = 2.1
    feedback_share: float = field(default=0.7, metadata=PROBABILITY)


def _require_inside(name: str, value: Any, limit: Limit) -> None:
    try:
        inside = not isinstance(value, bool) and limit.accepts(value)
    except TypeError:
        raise InputError(f"{name} is {value!r}; {limit.says}.") from None
    if not inside:
        raise InputError(f"{name} is {value}; {limit.says}.")


def choices_of(annotation: Any) -> tuple[Any, ...]:
    """Return the values of a Literal, None among them where it may be absent; () for other types."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        inner = [choices_of(one) for one in get_args(annotation) if one is not type(None)]
        if len(inner) == 1 and inner[0]:
            return (*inner[0], None)
    return ()
