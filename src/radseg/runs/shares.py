"""How much of an image each class has: what a result looks like in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from radseg.jobs.manifest import ClassRecord

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
    from radseg.io.labels import label_counts, label_sums  # noqa: PLC0415

    pixels, count = result.labels.size, label_counts(result.labels, len(result.names))
    if result.mode == "independent":
        found = {one.name: (int(one.mask.sum()), float(one.score)) for one in result.class_masks()}
    else:
        total = label_sums(result.labels, result.confidence, len(result.names))
        found = {
            name: (int(count[label]), float(total[label] / count[label]))
            for label, name in enumerate(result.names, start=1)
            if count[label]
        }
    shares = [
        ClassShare(name, found[name][0] / pixels, found[name][1])
        if name in found
        else ClassShare(name, 0.0, None)
        for name in result.names
    ]
    shares.sort(key=lambda one: -one.share)
    return (*shares, ClassShare(None, float(count[0] / pixels), None))


def class_records(result: "Segmentation") -> tuple[ClassRecord, ...]:
    """Return what the manifest says of the classes of a result, by their label values.

    Four digits tell one pixel of any image from none. A class that is nowhere 0.0005 probable is left out.
    """
    shares = {one.name: one for one in class_shares(result)}
    records = [
        ClassRecord(
            label,
            float(f"{shares[name].share:.4g}"),
            None if (mean := shares[name].confidence) is None else round(min(mean, 1.0), 4),
            round(min(result.presence_of(name), 1.0), 4),
        )
        for label, name in enumerate(result.names, start=1)
    ]
    return tuple(one for one in records if one.share > 0 or one.presence >= 0.0005)


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
