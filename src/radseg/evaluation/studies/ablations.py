"""The paper's ablations as data: which options a sweep changes, and what the paper printed for them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from radseg.errors import InputError
from radseg.evaluation.paper import published as paper
from radseg.files import json_of

_A4: Mapping[tuple[str, str], float] = {(row.method, row.size): row.average for row in paper.TABLE_A4}
_A7 = {(row.method, row.size): row.average for row in paper.TABLE_A7}

BASE = "c-radio_v3-b"
"""The weights with which the paper's ablations are made that do not name others."""


@dataclass(frozen=True)
class Variant:
    """One row of a sweep.

    Attributes:
        name: as tables, plots and folders show it.
        options: that differ from preset and protocol (see presets.options).
        checkpoint: catalogue name of other weights.
        position: on the axis of a sweep over numbers.
        paper: average mIoU over the five data sets at mid resolution, percent, with BASE unless it has
            another checkpoint; None where the paper prints none.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    position: float | None = None
    paper: float | None = None

    @property
    def folder(self) -> str:
        """Its name as a folder."""
        return "-".join("".join(c if c.isalnum() or c == "." else " " for c in self.name.lower()).split())


@dataclass(frozen=True)
class Sweep:
    """One ablation; every row is compared with the first.

    Attributes:
        shows: what it is about, one line.
        origin: table or figure of the paper.
        axis: what `position` counts, where the rows lie on an axis.
        published_only: whether every row needs published weights: no row has them in the embedded models.
    """

    name: str
    shows: str
    origin: str
    variants: tuple[Variant, ...]
    axis: str | None = None
    published_only: bool = False


def _parts(scra: float | None, scga: float | None) -> dict[str, Any]:
    """Both temperatures in so many words, whatever the preset has; None leaves the part out."""
    return {"scra_temperature": scra, "scga_temperature": scga}


_TEMPERATURES = (10.0, 1.0, 2.0, 5.0, 20.0, 50.0, 100.0)
"""RADSeg's own 10 first. The paper's figure prints neither its values nor the places on its axis."""


def _versions() -> tuple[Variant, ...]:
    rows = []
    for checkpoint, family, size in (
        ("c-radio_v3-b", "Rv3", "base"),
        ("c-radio_v3-h", "Rv3", "huge"),
        ("radio_v2.5-b", "Rv2.5", "base"),
        ("radio_v2.5-l", "Rv2.5", "large"),
        ("radio_v2.5-h", "Rv2.5", "huge"),
        ("c-radio_v3-l", "", ""),
        ("c-radio_v4-so400m", "", ""),
        ("c-radio_v4-h", "", ""),
    ):
        for name, method, settings in (
            ("plain", "plain", _parts(None, None)),
            ("SCRA and SCGA", "+ SCRA + SCGA", _parts(10.0, 10.0)),
        ):
            printed = _A4.get((f"{family}, {method}", size))
            rows.append(Variant(f"{checkpoint} {name}", settings, checkpoint, paper=printed))
    return tuple(rows)


_HEADS = {"cls": "CLS head", "patch": "patch head"}
_TEACHERS = {"siglip2": "SigLIP2", "siglip": "SigLIP", "clip": "CLIP"}


def _adaptors() -> tuple[Variant, ...]:
    families = (
        ("c-radio_v3", "Rv3", (("siglip2", "cls"), ("clip", "cls"), ("siglip2", "patch"))),
        ("radio_v2.5", "Rv2.5", (("siglip", "cls"), ("clip", "cls"), ("siglip", "patch"))),
    )
    sizes: tuple[paper.ModelSize, ...] = ("base", "large", "huge")
    return tuple(
        Variant(
            f"{family}-{size[0]} {adaptor}, {_HEADS[head]}",
            {**_parts(None, None), "language": adaptor, "language_head": head},
            f"{family}-{size[0]}",
            paper=_A7[f"{short}-{_TEACHERS[adaptor]}, {_HEADS[head]}", size],
        )
        for size in sizes
        for family, short, rows in families
        for adaptor, head in rows
    )


_COMPONENTS = {row.method: row.average for row in paper.TABLE_4}
_PASSES = {row.method: row.average for row in paper.TABLE_A6}

SWEEPS: dict[str, Sweep] = {
    sweep.name: sweep
    for sweep in (
        Sweep(
            "components",
            "what SCRA and SCGA add to plain RADIO patches",
            "Table 4",
            (
                Variant("plain", _parts(None, None), paper=_COMPONENTS["plain"]),
                Variant("SCRA", _parts(10.0, None), paper=_COMPONENTS["+ SCRA"]),
                Variant("SCGA", _parts(None, 10.0)),
                Variant("SCRA and SCGA", _parts(10.0, 10.0), paper=_COMPONENTS["+ SCRA + SCGA"]),
            ),
        ),
        Sweep(
            "refinement",
            "what RADIO-SAM refinement adds to RADSeg, and the removal of small regions",
            "Table 4",
            (
                Variant(
                    "RADSeg", {"refine": "none", **_parts(10.0, 10.0)}, paper=_COMPONENTS["+ SCRA + SCGA"]
                ),
                Variant(
                    "as released",
                    {"refine": "reference", **_parts(10.0, 10.0)},
                    paper=_COMPONENTS["+ SCRA + SCGA + RADIO-SAM"],
                ),
                Variant("corrected", {"refine": "corrected", **_parts(10.0, 10.0)}),
                Variant("despeckle", {"refine": "despeckle", **_parts(10.0, 10.0)}),
            ),
        ),
        Sweep(
            "scra-temperature",
            "SCRA's temperature, without SCGA",
            "Figure A.1, left",
            tuple(Variant(f"{t:g}", _parts(t, None), position=t) for t in _TEMPERATURES),
            axis="SCRA temperature",
        ),
        Sweep(
            "scga-temperature",
            "SCGA's temperature, SCRA's being 10",
            "Figure A.1, right",
            tuple(Variant(f"{t:g}", _parts(10.0, t), position=t) for t in _TEMPERATURES),
            axis="SCGA temperature",
        ),
        Sweep(
            "recursion",
            "how often SCRA is applied, with SCGA",
            "Table A.5",
            tuple(
                Variant(
                    str(n), {**_parts(10.0, 10.0), "scra_recursions": n}, position=float(n), paper=average
                )
                for n, average in paper.TABLE_A5.items()
            ),
            axis="SCRA recursions",
        ),
        Sweep(
            "windows",
            "one pass over the whole image against windows",
            "Table A.6",
            (
                Variant("windows", _parts(10.0, 10.0), paper=_PASSES["windows"]),
                Variant("single pass", {"crop": None, **_parts(10.0, 10.0)}, paper=_PASSES["single pass"]),
                Variant(
                    "single pass, no SCGA",
                    {"crop": None, **_parts(10.0, None)},
                    paper=_PASSES["single pass, no SCGA"],
                ),
            ),
        ),
        Sweep(
            "versions",
            "SCRA and SCGA on other RADIO versions and sizes",
            "Table A.4",
            _versions(),
            published_only=True,
        ),
        Sweep(
            "adaptors",
            "language adaptors of RADIO and their heads, plain patches",
            "Tables 3 and A.7",
            _adaptors(),
            published_only=True,
        ),
    )
}
"""Every sweep by name."""


def sweep(name: str, *, embedded: bool, given: Collection[str] = ()) -> Sweep:
    """Return a sweep by name, or over the values of one option: "stride=112,224".

    Args:
        embedded: whether the model is one that is part of the package, the miniature or the toy.
        given: options that a person set: the rows must not set them too.

    Raises:
        InputError: no such sweep, one that the embedded model cannot run, or one that sets what is given.
    """
    found = _over_values(name) if "=" in name else _named(name, embedded=embedded)
    clash = sorted({option for variant in found.variants for option in variant.options} & set(given))
    if clash:
        raise InputError(f"The ablation sets {', '.join(clash)} itself; leave that out.")
    return found


def _named(name: str, *, embedded: bool) -> Sweep:
    if name not in SWEEPS:
        raise InputError(
            f"There is no ablation {name!r}; choose from {', '.join(SWEEPS)}, or vary an option, such as "
            "stride=112,224."
        )
    found = SWEEPS[name]
    if embedded and found.published_only:
        raise InputError(
            f"The ablation {name!r} needs published weights: {found.shows}. The embedded models have no "
            "other version or language adaptor; use a preset such as radseg-b-paper."
        )
    return found


def _over_values(text: str) -> Sweep:
    """Return the sweep over the values of an option, written as JSON or plain text with commas between."""
    option, _, listed = (part.strip() for part in text.partition("="))
    values = [_value(part.strip()) for part in listed.split(",") if part.strip()]
    if not option or len(values) < 2:
        raise InputError(f"{text!r} varies nothing; write an option and its values, such as stride=112,224.")
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)
    variants = tuple(
        Variant(str(one), {option: one}, position=float(one) if numbers else None) for one in values
    )
    return Sweep(
        option, f"the option {option}", "none: an option of the method", variants, option if numbers else None
    )


def _value(text: str) -> Any:
    try:
        return json_of(text)
    except ValueError:
        return text
