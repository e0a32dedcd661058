"""How each dataset is evaluated, as data: the rows of RADSeg Table A.1 (arXiv 2511.19704) and their variants.

Per dataset there are `low`, `mid` and `high`. Where the released configuration differs from the table there
is a row `…-released` beside it (spec 6.1). `…-patch` rows replace the size rule of the released
code, which enlarges images beyond the stated size (methods spec 1.2), by the nearest multiples of the patch.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from radseg.datasets.benchmark import class_names
from radseg.errors import InputError
from radseg.presets.options import RadioOptions
from radseg.presets.table import Preset

NameList = Literal["released", "dataset"]


@dataclass(frozen=True)
class Protocol:
    """Everything about an evaluation that does not depend on the model.

    Attributes:
        name: as typed.
        short_side, long_side: limits of mmsegmentation's resizing in pixels (images.mmseg_size); None keeps
            every image at its own size.
        crop, stride: window side and step in pixels; None takes what the preset has.
        size_rule: "stride" rounds the resized image up to the stride as the released code does; "patch" to
            the nearest multiples of the patch; None takes what the preset has.
        names: "released" writes the class names as the released code asks for them (released_names),
            "dataset" as the dataset spells them.
        templates: name of the template set; None takes what the preset has.
        temperature: multiplies the cosine before the softmax.
        denoising: a name that is nowhere at least this probable is dropped.
        all_denoised: what is predicted when every name is dropped; "first" as the released code.
        coarse_threshold: of RADSeg+, per dataset.
        min_area: of RADSeg+, in pixels at full size; 225 at half size in the released code.
        iou_threshold: of RADSeg+.
        source: where the row comes from.
        dataset: whose row it is; methods with constants per data set take those of this one.
    """

    name: str
    short_side: int | None
    long_side: int | None
    crop: int | None
    stride: int | None
    size_rule: Literal["stride", "patch"] | None = "stride"
    names: NameList = "released"
    templates: str | None = "imagenet80"
    temperature: float = 100.0
    denoising: float = 0.5
    all_denoised: Literal["none", "first"] = "first"
    coarse_threshold: float = 0.10
    min_area: int = 900
    iou_threshold: float = 0.9
    source: str = "RADSeg Table A.1"
    dataset: str = ""

    def options(self, preset: Preset) -> dict[str, Any]:
        """Return what stands in place of a preset's options; images keep their size: they are resized before.

        Constants that a method's code has per data set are part of it (`constants`).
        Methods that are not on RADIO keep their own temperature, templates, denoising, size rule and IoU
        threshold: those numbers of a row are RADSeg's. What a method does not take is left out by
        `presets.spec.model_spec`.
        """
        given = ["crop", "stride", "all_denoised", "coarse_threshold", "min_area"]
        if isinstance(preset.options, RadioOptions):
            given += ["size_rule", "templates", "temperature", "denoising", "iou_threshold"]
        values = {name: getattr(self, name) for name in given if getattr(self, name) is not None}
        values |= constants(preset.method, self.dataset)
        return values | {"threshold": None, "short_side": None, "long_side": None}

    def as_dict(self) -> dict[str, Any]:
        """Return every field by name."""
        return asdict(self)


# Dataset: coarse threshold of RADSeg+, then per resolution short side, long side, crop, stride. Table A.1
# gives short side, crop and stride; the long side is the released configuration's.
_TABLE: dict[str, tuple[float, dict[str, tuple[int, int, int, int]]]] = {
    "voc20": (
        0.20,
        {"low": (336, 2048, 224, 112), "mid": (336, 2048, 336, 112), "high": (672, 2016, 336, 336)},
    ),
    "context59": (
        0.15,
        {"low": (336, 2048, 224, 112), "mid": (576, 4096, 336, 224), "high": (672, 2016, 336, 336)},
    ),
    # The released high row limits the long side to 1334 and so does not reach the table's short side of 896;
    # 2688 is three times the short side, the ratio of the other high rows [our choice].
    "cocostuff": (
        0.05,
        {"low": (336, 2048, 224, 112), "mid": (448, 2048, 336, 224), "high": (896, 2688, 336, 336)},
    ),
    "ade20k": (
        0.05,
        {"low": (336, 2048, 224, 112), "mid": (576, 2048, 336, 224), "high": (672, 2016, 336, 336)},
    ),
    "cityscapes": (
        0.10,
        {"low": (560, 2048, 224, 112), "mid": (688, 2048, 336, 224), "high": (1344, 2688, 336, 336)},
    ),
}

# What the released configurations have instead: the high rows inherit the stride 224.
_RELEASED: dict[str, dict[str, dict[str, int]]] = {
    dataset: {"high": {"stride": 224} | ({"long_side": 1334} if dataset == "cocostuff" else {})}
    for dataset in _TABLE
}

# A person's own images and the miniature's rooms: the preset's own numbers, every image at its own size.
_OWN = Protocol(
    "own", None, None, None, None, size_rule=None, names="dataset", templates=None, source="the preset's own"
)


def protocols(dataset: str) -> dict[str, Protocol]:
    """Return the protocols of a dataset by name; datasets without rows of their own have those of ADE20K.

    "own" keeps every image at its size and takes windows and templates from the preset.
    """
    rows = {row.name: row for row in _rows(dataset if dataset in _TABLE else "ade20k")}
    return rows if dataset in _TABLE else {_OWN.name: _OWN, **rows}


def protocol(dataset: str, name: str) -> Protocol:
    """Return one protocol.

    Raises:
        InputError: the dataset has no such protocol; the message lists those it has.
    """
    known = protocols(dataset)
    if name not in known:
        raise InputError(f"There is no protocol {name!r} for {dataset}; choose from {', '.join(known)}.")
    return known[name]


def _rows(dataset: str) -> Iterator[Protocol]:
    coarse, resolutions = _TABLE[dataset]
    for name, (short, long, crop, stride) in resolutions.items():
        row = Protocol(name, short, long, crop, stride, coarse_threshold=coarse, dataset=dataset)
        rows = [row]
        if name in _RELEASED[dataset]:
            changes: dict[str, Any] = dict(_RELEASED[dataset][name])
            source = "released configuration, where it differs from Table A.1"
            rows.append(replace(row, name=f"{name}-released", source=source, **changes))
        yield from rows
        for one in rows:
            yield replace(one, name=f"{one.name}-patch", size_rule="patch")


# What the methods' own codes tune per data set, on the images they are then measured on. ResCLIP: threshold
# of the first segmentation, τ_r, λ_r, τ_s, λ_s (methods spec 3). Trident: factor on SAM's mean cosine, and
# what takes the place of a negative threshold (methods spec 6).
_RESIDUALS: dict[str, tuple[float, ...]] = {
    "voc20": (0.10, 2.0, 0.6, 2.1, 0.6),
    "context59": (0.25, 2.0, 0.4, 1.8, 0.7),
    "cocostuff": (0.11, 2.0, 0.4, 1.8, 0.7),
    "ade20k": (0.25, 2.0, 0.3, 2.1, 0.7),
    "cityscapes": (0.10, 2.0, 0.2, 2.1, 0.6),
}
_RESIDUAL_NAMES = (
    "feedback_threshold",
    "residual_gain",
    "residual_share",
    "feedback_gain",
    "feedback_share",
)
_GUIDANCE: dict[str, tuple[float, float | None]] = {
    "voc20": (0.0, None),
    "context59": (1.2, None),
    "cocostuff": (1.2, None),
    "ade20k": (1.2, 0.6),
    "cityscapes": (3.0, 0.6),
}
_PHRASES = {"sclip", "naclip", "scclip", "resclip"}
"""Methods whose codes share SCLIP's class file of VOC."""
_RENAMED = {"voc20": {"boat": "ship", "diningtable": "table"}}
_PEOPLE = {"voc20": {"person": "people"}, "cityscapes": {"person": "people"}}
"""What is known of CorrCLIP's own class files (methods spec 1.4, 16); the rest of them is not known here."""


def constants(method: str, dataset: str) -> dict[str, Any]:
    """Return the options for which a method's own code has other values on each data set; {} for most."""
    method = method.removesuffix("-paper")
    if method == "resclip" and dataset in _RESIDUALS:
        return dict(zip(_RESIDUAL_NAMES, _RESIDUALS[dataset], strict=True))
    if method == "trident" and dataset in _GUIDANCE:
        return dict(zip(("cosine_factor", "below_zero"), _GUIDANCE[dataset], strict=True))
    return {}


def released_names(dataset: str, names: tuple[str, ...], method: str = "radseg") -> tuple[str, ...]:
    """Return class names as the released code asks for them: without spaces, two of VOC's renamed (6.2).

    SCLIP, NACLIP, SC-CLIP and ResCLIP ask for VOC's person by seven phrases and for its television by five: a
    name, then ", " before each further phrase, as in a class file. The best phrase counts. CorrCLIP asks for
    "people" where VOC and Cityscapes have "person".
    """
    if dataset == "voc20" and method.removesuffix("-paper") in _PHRASES:
        return class_names("voc20-phrases")
    renamed = _RENAMED.get(dataset, {})
    if method.startswith("corrclip"):
        renamed = renamed | _PEOPLE.get(dataset, {})
    return tuple(renamed.get(name, name.replace(" ", "")) for name in names)
