"""EvalResult: what one evaluation measured and everything that decided it; format "radseg-eval/1".

Beside `result.json` lie `confusion.npz` (the pooled int64 matrix) and `images.jsonl` (per image
`id`, `miou`, `seconds` in the model, and `message` where it failed).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from radseg.errors import InputError, MissingFileError
from radseg.evaluation.images.checks import (
    refuse_constant,
    require_amount,
    require_share,
    require_table,
    require_text,
)
from radseg.files import given_bytes

FORMAT = "radseg-eval/1"
RESULT_NAME = "result.json"
CONFUSION_NAME = "confusion.npz"
IMAGES_NAME = "images.jsonl"


@dataclass(frozen=True)
class Score:
    """A measured share from 0 to 1 (not per cent) with its 95 % bootstrap interval over images.

    `low` and `high` are None where there is no interval: fewer than two images.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ClassScore:
    """One class over the whole set.

    Attributes:
        iou: intersection over union, 0 to 1; None where neither truth nor prediction has the class.
        accuracy: share of its true pixels that were found, 0 to 1; None where the truth has none.
        pixels: true pixels, ignored ones left out.
    """

    name: str
    iou: float | None
    accuracy: float | None
    pixels: int


@dataclass(frozen=True)
class ObjectScore:
    """The objects of one class over the whole set.

    Attributes:
        stuff: no objects: one segment per image.
        objects: true ones, those not judged left out; 0 for stuff, which is counted in `pq` only.
        ap, ap50, ap25: average precision, 0 to 1; None without true objects.
        pq: panoptic quality, 0 to 1; None where neither truth nor prediction has a segment.
    """

    name: str
    stuff: bool
    objects: int
    ap: float | None
    ap50: float | None
    ap25: float | None
    pq: float | None


@dataclass(frozen=True)
class Images:
    """How many images there are, were evaluated, and could not be: `failed` maps their id to the reason."""

    total: int
    done: int
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seconds:
    """Where the time went, in seconds summed over all processes that took part.

    Attributes:
        model: inside the model, from the resized image to labels at full size.
        loop: from the first image to the last record, reading and writing included. After a kill, of the
            finished images only.
        per_image: `model` divided by the evaluated images.
    """

    model: float
    loop: float
    per_image: float


@dataclass(frozen=True)
class EvalResult:
    """The result of one evaluation.

    Attributes:
        dataset: name as typed, such as "ade20k".
        split: such as "validation".
        protocol: every field of the protocol, `name` among them (see protocols.Protocol).
        preset: name of the preset.
        options: every option of the method as it ran (see options.Options).
        model: checkpoint, sha256, version, space; None where a model has none. `given` holds what was to be
            used instead of the preset's own: checkpoint, text_tower, sam, each by its name.
        names: class names as they were asked for, in the order of the classes, ", " before each synonym.
        per_class: one entry per class, in order, named as the dataset does.
        scores: "miou", "fmiou", "pixel_accuracy", "mean_accuracy", "boundary_iou", each from 0 to 1; where
            objects were judged also "ap", "ap50", "ap75", "ap25", "pq", "sq", "rq", "pq_objects" and
            "pq_stuff", those that exist.
        objects: the classes that have objects or stuff, where those were judged.
        environment: radseg, commit, torch, python, device, dtype, threads of the first process; `processes`
            counts all, and `others` holds those that differ from the first, where some do.
        data: absolute path of the set's folder where --keep-paths asked for it, else None.
    """

    dataset: str
    split: str
    protocol: Mapping[str, Any]
    preset: str
    options: Mapping[str, Any]
    model: Mapping[str, Any]
    names: tuple[str, ...]
    per_class: tuple[ClassScore, ...]
    scores: Mapping[str, Score]
    images: Images
    seconds: Seconds
    environment: Mapping[str, Any]
    data: str | None = None
    objects: tuple[ObjectScore, ...] = ()

    def to_json(self) -> str:
        """Return the result as JSON text, with its format as the first entry."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, *, source: str = "The text") -> "EvalResult":
        """Return the result that `to_json` wrote; `source` names it in messages.

        Raises:
            InputError: not JSON, another format, fields missing, or values that no evaluation has.
        """
        try:
            raw = json.loads(text, parse_constant=refuse_constant)
            if not isinstance(raw, dict) or raw.get("format") != FORMAT:
                found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
                raise InputError(
                    f"{source} is not a result of radseg eval: format {found!r}, not {FORMAT!r}."
                )
            values = {key: value for key, value in raw.items() if key != "format"}
            values["names"] = tuple(raw["names"])
            values["per_class"] = tuple(ClassScore(**one) for one in raw["per_class"])
            values["objects"] = tuple(ObjectScore(**one) for one in raw["objects"])
            values["scores"] = {name: Score(**score) for name, score in raw["scores"].items()}
            values["images"] = Images(**raw["images"])
            values["seconds"] = Seconds(**raw["seconds"])
            return _checked(cls(**values))
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{source} is not a whole result of radseg eval: {error}.") from error

    @classmethod
    def read(cls, path: str | Path) -> "EvalResult":
        """Return the result in a file, or in the `result.json` of an output folder.

        Raises:
            MissingFileError: there is none.
            InputError: not a result.
        """
        file = Path(path)
        file = file / RESULT_NAME if file.is_dir() else file
        try:
            text = given_bytes(file, "result").decode()
        except MissingFileError as error:
            raise MissingFileError(
                f"There is no result {file}. A run writes it when all its images are done: "
                "continue with radseg eval … --resume."
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(f"{file} cannot be read as a result: {error}.") from error
        return cls.from_json(text, source=str(file))


def _checked(result: EvalResult) -> EvalResult:
    """Return the result; raise ValueError for what no evaluation writes."""
    for field_name in ("dataset", "split", "preset"):
        require_text(field_name, getattr(result, field_name))
    for field_name in ("protocol", "options", "model", "environment"):
        require_table(field_name, getattr(result, field_name))
    require_table("images.failed", result.images.failed)
    if result.data is not None:
        require_text("the folder of the data", result.data)
    if (checkpoint := result.model.get("checkpoint")) is not None:
        require_text("the checkpoint", checkpoint)
    if (given := result.model.get("given")) is not None:
        require_table("what was given", given)
        for source in given.values():
            require_text("what was given", source)
    for name in (*result.names, *(one.name for one in result.per_class), *result.images.failed.values()):
        require_text("a name or message", name)
    if len(result.names) != len(result.per_class):
        raise ValueError(f"{len(result.names)} names for {len(result.per_class)} classes")
    require_share("the score miou", result.scores["miou"].value)
    _check_numbers(result)
    return result


def _check_numbers(result: EvalResult) -> None:
    for name, score in result.scores.items():
        for value in (score.value, *(end for end in (score.low, score.high) if end is not None)):
            require_share(f"the score {name}", value)
    for judged in result.objects:
        require_text("the class of objects", judged.name)
        for share in (judged.ap, judged.ap50, judged.ap25, judged.pq):
            require_share(f"the objects of {judged.name}", 0.0 if share is None else share)
        require_amount(f"the objects of {judged.name}", judged.objects)
    for one in result.per_class:
        for share in (one.iou, one.accuracy):
            require_share(f"the class {one.name}", 0.0 if share is None else share)
        require_amount(f"the class {one.name}", one.pixels)
    for name, value in (asdict(result.seconds) | {"total": result.images.total}).items():
        require_amount(name, value)
    require_amount("done", result.images.done)
