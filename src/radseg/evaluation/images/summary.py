"""From the counts of a whole set to its scores and the files of the result."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts, pooled_confusion
from radseg.evaluation.images.result import (
    CONFUSION_NAME,
    IMAGES_NAME,
    RESULT_NAME,
    ClassScore,
    EvalResult,
    Score,
    Seconds,
)
from radseg.files import write_bytes
from radseg.io import arrays_bytes
from radseg.metrics.bootstrap import Interval, bootstrap_intervals
from radseg.metrics.confusion import (
    Counts,
    frequency_weighted_iou,
    mean_accuracy,
    mean_iou,
    pixel_accuracy,
)


def scores_of(counts: Sequence[ImageCounts], classes: int) -> dict[str, Score]:
    """Return every score of the set with its interval; `counts` are of evaluated images.

    Raises:
        InputError: no image, or no judged pixel in all of them.
    """
    rows = np.stack([_additive(one, classes) for one in counts]) if counts else np.zeros((0, 6 * classes))
    values = {name: float(value[0]) for name, value in _scores(rows.sum(0)[None]).items()}
    if np.isnan(values["miou"]):
        raise InputError("No pixel of the evaluated images is judged: there is nothing to score.")
    intervals: Mapping[str, Interval] = bootstrap_intervals(rows, _scores) if len(rows) > 1 else {}
    return {name: Score(value, *intervals.get(name, ())) for name, value in values.items()}


def class_scores(counts: Sequence[ImageCounts], names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Return IoU, accuracy and true pixels of every class."""
    pooled = Counts.of(pooled_confusion(counts, len(names)))
    columns = zip(names, pooled.iou(), pooled.accuracy(), pooled.truth, strict=True)
    return tuple(ClassScore(name, _or_none(i), _or_none(a), int(pixels)) for name, i, a, pixels in columns)


def seconds_of(counts: Sequence[ImageCounts]) -> Seconds:
    """Return where the time went."""
    done = [one for one in counts if not one.message]
    model = sum(one.model_seconds for one in done)
    return Seconds(model, sum(one.seconds for one in counts), model / max(len(done), 1))


def write_result(folder: Path, result: EvalResult, counts: Sequence[ImageCounts]) -> None:
    """Write `confusion.npz`, `images.jsonl` and, last, `result.json` into the output folder."""
    names = [one.name for one in result.per_class]
    done = [one for one in counts if not one.message]
    confusion = pooled_confusion(done, len(names))
    boundary = np.stack([_boundary(one, len(names)) for one in done]).sum(0)

    lines = "".join(json.dumps(_image_line(one, len(names))) + "\n" for one in counts)
    matrices = arrays_bytes(confusion=confusion, boundary=boundary, names=np.array(names))
    write_bytes(folder / CONFUSION_NAME, matrices)
    write_bytes(folder / IMAGES_NAME, lines.encode())
    write_bytes(folder / RESULT_NAME, result.to_json().encode())


def _image_line(counts: ImageCounts, classes: int) -> dict[str, Any]:
    if counts.message:
        return {"id": counts.id, "miou": None, "seconds": counts.model_seconds, "message": counts.message}
    miou = _or_none(float(mean_iou(Counts.of(counts.confusion(classes)))))
    return {"id": counts.id, "miou": miou, "seconds": counts.model_seconds}


def _additive(counts: ImageCounts, classes: int) -> Int64[np.ndarray, " k"]:
    """Return one image's counts in a row: regions, then rims; each both, truth, predicted."""
    regions = Counts.of(counts.confusion(classes))
    return np.concatenate([regions.both, regions.truth, regions.predicted, *_boundary(counts, classes)])


def _boundary(counts: ImageCounts, classes: int) -> Int64[np.ndarray, "3 c"]:
    edge = counts.boundary(classes)
    return np.stack([edge.both, edge.truth, edge.predicted])


def _scores(sums: Int64[np.ndarray, "b k"] | Float64[np.ndarray, "b k"]) -> dict[str, np.ndarray]:
    parts = np.split(sums, 6, axis=1)
    regions, rims = Counts(*parts[:3]), Counts(*parts[3:])
    return {
        "miou": mean_iou(regions),
        "fmiou": frequency_weighted_iou(regions),
        "pixel_accuracy": pixel_accuracy(regions),
        "mean_accuracy": mean_accuracy(regions),
        "boundary_iou": mean_iou(rims),
    }


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
