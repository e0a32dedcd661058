"""Every number and choice of a preset, checked before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from radseg.errors import InputError
from radseg.methods.base import DEFAULT_MEMORY_BUDGET, SizeRule
from radseg.modes import Refine
from radseg.text.templates import template_set

AllDenoised = Literal["none", "first"]


@dataclass(frozen=True)
class Options:
    """Every parameter of a preset; see RADSeg and Segmenter for their meaning.

    Without windows (`crop` None) `stride` and `size_rule` have no effect: sides go to the nearest patch. A
    temperature of None means that the part is absent: no SCRA, no SCGA. `scra_recursions` is how often SCRA
    is applied (Table A.5 of the paper). `refine` is "pamr"; or "regions", for CorrCLIP; or chooses the rules
    of RADSeg+: "corrected", or "reference" as in the released code; the three options after it belong to
    RADSeg+ (see SamRefiner).
    `language` names the language adaptor, such as "clip"; None takes the best of the checkpoint.
    """

    crop: int | None = 336
    stride: int = 224
    size_rule: SizeRule = "patch"
    scra_temperature: float | None = 10.0
    scga_temperature: float | None = 10.0
    scra_recursions: int = 1
    short_side: int | None = 576
    long_side: int | None = 2048
    temperature: float = 100.0
    denoising: float = 0.5
    threshold: float | None = None
    all_denoised: AllDenoised = "none"
    refine: Refine = "none"
    coarse_threshold: float = 0.10
    min_area: int = 900
    iou_threshold: float = 0.9
    templates: str = "imagenet80"
    language: str | None = None
    memory_budget: int = DEFAULT_MEMORY_BUDGET

    def __post_init__(self) -> None:
        for name, choices in (("size_rule", SizeRule), ("all_denoised", AllDenoised), ("refine", Refine)):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise InputError(
                    f"{name} is {value!r}; choose from {', '.join(map(repr, get_args(choices)))}."
                )
        for name in ("denoising", "threshold", "coarse_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} is {value}; it is a probability, from 0 to 1.")
        for name in (
            "crop",
            "stride",
            "short_side",
            "long_side",
            "min_area",
            "memory_budget",
            "scra_recursions",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1.")
        for name in ("scra_temperature", "scga_temperature", "temperature"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1000:
                raise InputError(f"{name} is {value}; it must be above 0, at most 1000.")
        if self.scra_temperature is None and self.scra_recursions != 1:
            raise InputError(
                f"scra_recursions is {self.scra_recursions}, but without scra_temperature there is no SCRA "
                "to repeat; give both, or neither."
            )
        template_set(self.templates)

    def changed(self, changes: Mapping[str, Any]) -> "Options":
        """Return these options with some replaced.

        Raises:
            InputError: an option that does not exist (the message lists those that do), or a bad value.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise InputError(f"There is no option {name!r}; the options are {', '.join(known)}.")
        return replace(self, **changes)
