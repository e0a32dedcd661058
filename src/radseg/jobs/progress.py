"""What a run reports to the person who waits for it: the class shares of one result, and the reporter."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from radseg.jobs.manifest import Record
from radseg.runs.folder import Report


class SegmentationLike(Protocol):
    """The part of a Segmentation that a summary needs."""

    @property
    def names(self) -> Sequence[str]:
        """Class names; label i + 1 is `names[i]`."""
        ...

    @property
    def labels(self) -> Any:
        """H×W integers, 0 = none."""
        ...

    @property
    def confidence(self) -> Any:
        """H×W probabilities of the label of each pixel."""
        ...

    @property
    def mode(self) -> str:
        """How the names competed."""
        ...

    @property
    def presence(self) -> Sequence[float] | None:
        """Highest probability of every name anywhere; None where not judged."""
        ...

    @property
    def meta(self) -> Mapping[str, Any]:
        """How it was made; `parameters` has the segmenter's numbers."""
        ...

    @property
    def areas(self) -> Mapping[str, float]:
        """Share of the image per name; names overlap in mode "independent"."""
        ...

    def class_masks(self) -> Iterable[Any]:
        """Yield `name` and mean probability `score` of every name that is present."""
        ...


@dataclass(frozen=True)
class ClassShare:
    """How much of an image one class has.

    Attributes:
        name: the class; None for the pixels that are none of them.
        share: part of the pixels, 0 to 1.
        confidence: mean over those pixels, 0 to 1; None where it has no meaning (no pixel, or no class).
    """

    name: str | None
    share: float
    confidence: float | None


def class_shares(result: SegmentationLike) -> tuple[ClassShare, ...]:
    """Return the classes of a result, the largest first, then what belongs to none.

    They sum to 1, but in mode "independent", where names overlap.
    """
    import numpy as np  # noqa: PLC0415

    labels = np.asarray(result.labels).ravel()
    if result.mode == "independent":
        scores = {one.name: float(one.score) for one in result.class_masks()}
        claimed = [ClassShare(name, share, scores.get(name)) for name, share in result.areas.items()]
        claimed.sort(key=lambda one: -one.share)
        return (*claimed, ClassShare(None, float((labels == 0).mean()), None))
    count = np.bincount(labels, minlength=len(result.names) + 1)
    total = np.bincount(labels, weights=np.asarray(result.confidence).ravel(), minlength=len(count))
    shares = [
        ClassShare(
            name,
            float(count[index] / labels.size),
            float(total[index] / count[index]) if count[index] else None,
        )
        for index, name in enumerate(result.names, start=1)
    ]
    shares.sort(key=lambda one: -one.share)
    return (*shares, ClassShare(None, float(count[0] / labels.size), None))


def all_dropped(result: SegmentationLike) -> str:
    """Return, in a sentence, that denoising dropped every name of mode "assign", and the way out; else ""."""
    limit = float(result.meta.get("parameters", {}).get("denoising", 0.0))
    presence = result.presence
    if result.mode != "assign" or presence is None or max(presence) >= limit:
        return ""
    if any(result.areas.values()):  # by the published rule all pixels get the first name
        return ""
    best = max(range(len(result.names)), key=lambda index: presence[index])
    return (
        f"every name was dropped: none is anywhere {limit:g} probable ({result.names[best]} comes nearest, "
        f"{presence[best]:.2f}); --denoise 0 keeps them all"
    )


class RunReporter(Protocol):
    """Receives the progress of a run over images, in this order."""

    def found(self, images: int, notes: Sequence[str]) -> None:
        """Say how many images there are, and in plain sentences what was left out."""

    def loading(self, model: str) -> None:
        """Say that the weights are being read or downloaded: it can take a while."""

    def started(self, todo: int, earlier: int, folder: Path) -> None:
        """Begin `todo` images, after `earlier` ones that an interrupted run finished."""

    def finished(self, record: Record, result: SegmentationLike | None) -> None:
        """Report one image, done or failed."""

    def stopped(self, folder: Path) -> None:
        """Say that the run broke off and how it goes on; the reason follows from elsewhere."""

    def ended(self, report: Report, folder: Path, extra: Sequence[str]) -> None:
        """Sum up; `extra` are the files of the whole run, such as classes.json."""
