"""How much of an image each class has: what a result looks like in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radseg.result import Segmentation


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


def class_shares(result: "Segmentation") -> tuple[ClassShare, ...]:
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


def all_dropped(result: "Segmentation") -> str:
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
