"""What a run keeps so that it can be changed: which features it stores, and what leaves them as they are."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.files import counted
from radseg.jobs.manifest import MANIFEST_NAME, History, Record, read_manifest
from radseg.jobs.naming import inside
from radseg.jobs.plan import SAVE
from radseg.modes import Keep
from radseg.presets.spec import decides_features
from radseg.runs.outputs import FEATURES, place_of

if TYPE_CHECKING:
    from radseg.runs.segmentation import SegmentRequest

OF_PROMPTS = {"prompts", "vocabulary", "mode", "stuff", SAVE}
"""Parameters of a run that its features do not depend on."""


def with_features(request: "SegmentRequest") -> "SegmentRequest":
    """Return the request with features among its kinds where it keeps them, or the run that goes on does."""
    keep: Keep = request.keep or "none"
    if request.keep is None and request.existing in ("resume", "change"):
        earlier = saved(read_manifest(request.output / MANIFEST_NAME))
        keep = next((one for one in FEATURES if one in earlier), "none")
    return request if keep == "none" else replace(request, kinds=(*request.kinds, keep))


def saved(history: History | None) -> list[Any]:
    """Return the kinds that an earlier run stored; its manifest may be anybody's."""
    kinds = history.parameters.get(SAVE) if history else None
    return kinds if isinstance(kinds, list) else []


def may_change(parameter: str) -> bool:
    """Return whether `--change` may change one of `parameters_of`: no features depend on it."""
    return parameter in OF_PROMPTS or not decides_features(parameter)


def features_of(record: Record) -> str | None:
    """Return the file of an image's features, relative to the run's folder; None where none are kept."""
    return next((one for kind in FEATURES if (one := place_of(kind, record.name)) in record.outputs), None)


def size_of_features(folder: Path, records: Sequence[Record]) -> str:
    """Return in a sentence what the features of these images take."""
    files = [inside(folder, str(features_of(record))) for record in records]
    total = sum(file.stat().st_size for file in files) / 1e6
    return (
        f"Kept features of {counted(len(files), 'image')}: {total:,.1f} MB, "
        f"{total / len(files):,.2f} MB each. "
        "With --change, other prompts only compare them again."
    )
