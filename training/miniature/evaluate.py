"""Measure the miniature on rooms it has never seen: held-out styles, held-out combinations of words.

    python -m training.miniature.evaluate [--rooms 200] [--json FILE] [--weights FOLDER]

Protocol, fixed beforehand: one view of 352 × 480 per room; the vocabulary is every name that covers at least
0.5 % of the view and four names that are not in the room; pixels of smaller names are left out. IoU per name
and room, mean over the names of a room, mean over rooms, 95 % interval by bootstrap over rooms. Boundary IoU
likewise, over the pixels within two of a name's rim. "Pooled" is the protocol of `radseg eval` and of the
paper's sets: every name of the world asked for in every room, the pixels of all rooms counted together.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseg.evaluation.images.rooms import world_names
from radseg.io import to_rgb
from radseg.methods.radseg import RADSeg
from radseg.metrics.bootstrap import bootstrap_intervals
from radseg.metrics.boundary import boundary_counts
from radseg.metrics.confusion import Counts, confusion_matrix, mean_iou
from radseg.metrics.means import Mean, mean_interval
from radseg.miniature import CROP, IOU_THRESHOLD, STRIDE, load_decoder, load_parts
from radseg.miniature.text_tower import MiniatureTextTower
from radseg.miniature.world import View, free_camera, held_out_names, make_room, render, training_names
from radseg.models.alignment import cls_patch_map, middle_window
from radseg.models.radio import Radio
from radseg.models.sam import SamDecoder
from radseg.nn.vit import standard_block
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.sources import RadioFeatures
from radseg.segment import Segmenter
from radseg.text.encoder import TowerTextEncoder
from radseg.text.templates import NONE

SMALLEST = 0.005  # share of the view from which a name is asked for
ABSENT_NAMES = 4
METHODS = ("plain", "scra", "scga", "radseg", "whole image")
REFINED = "radseg+"
PAIRS = (*((name, "plain") for name in METHODS[1:]), (REFINED, "radseg"))
"""Rows whose difference is reported, room by room."""


@dataclass(frozen=True, eq=False)
class Question:
    """One view and what is asked about it.

    Attributes:
        truth: index into `asked` per pixel, −1 where nothing is asked about.
        asked: names in the view, then names that are not in the room.
        present: how many of `asked` are in the view.
    """

    view: View
    truth: NDArray[np.int64]
    asked: tuple[str, ...]
    present: int


def questions(rooms: Sequence[int], *, height: int = 352, width: int = 480) -> Iterator[Question]:
    """Yield one question per held-out room, from its seed alone."""
    for seed in rooms:
        room = make_room(seed, split="held_out")
        view = render(room, free_camera(room, 0, height=height, width=width), seed=0)
        seen = tuple(name for name, share in view.shares().items() if share >= SMALLEST)
        others = sorted({*training_names(), *held_out_names()} - set(room.names))
        drawn = np.random.default_rng((seed, 77)).choice(len(others), ABSENT_NAMES, replace=False)
        code = np.array([seen.index(name) if name in seen else -1 for name in view.names])
        yield Question(view, code[view.semantic], (*seen, *(others[i] for i in drawn)), len(seen))


def method(radio: Radio, name: str) -> RADSeg:
    """Return one row of the ablation."""
    full = RADSeg(radio, crop=CROP, stride=STRIDE)
    return {
        "plain": replace(full, last_block=standard_block, aggregate=None),
        "scra": replace(full, aggregate=None),
        "scga": replace(full, last_block=standard_block),
        "radseg": full,
        "whole image": replace(full, crop=None),
    }[name]


def segmenter(
    radio: Radio, tower: MiniatureTextTower, name: str = "radseg", sam: SamDecoder | None = None
) -> Segmenter:
    """Return the miniature as an ordinary segmenter, images at their own size; REFINED needs `sam`."""
    built = method(radio, "radseg" if name == REFINED else name)
    plain = Segmenter(built, TowerTextEncoder(tower, NONE), short_side=None)
    if name != REFINED:
        return plain
    assert sam is not None
    features = RadioFeatures(radio, built.last_block)
    return replace(plain, refine=SamRefiner(features, sam, iou_threshold=IOU_THRESHOLD))


def room_ious(question: Question, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the IoU of every present name; `labels` are 0 for none and names from 1."""
    judged = question.truth >= 0
    found = labels.astype(np.int64)[judged] - 1
    truth = question.truth[judged]
    ious = []
    for index in range(question.present):
        both = int(((found == index) & (truth == index)).sum())
        either = int(((found == index) | (truth == index)).sum())
        ious.append(both / either)
    return np.array(ious)


def room_boundary_ious(question: Question, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the boundary IoU of every present name, in a band of two pixels."""
    counts = boundary_counts(question.truth, labels, classes=len(question.asked), ignore=-1)
    return counts.iou()[: question.present]


def pooled_counts(question: Question, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return true positives, true and found pixels of every name of the world, one after the other.

    `labels` answer `world_names()`: 0 for none and names from 1.
    """
    names = world_names()
    code = np.array([names.index(name) for name in question.view.names])
    confusion = confusion_matrix(code[question.view.semantic], labels, classes=len(names), ignore=-1)
    one = Counts.of(confusion)
    return np.concatenate([one.both, one.truth, one.predicted])


def pooled_miou(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mIoU of each row of sums of `pooled_counts`, in [0, 1]."""
    return mean_iou(Counts(*np.split(rows, 3, axis=1)))


def pooled_interval(rows: NDArray[np.int64], base: NDArray[np.int64] | None = None) -> Mean:
    """Return the pooled mIoU of rooms, or what it exceeds that of `base` by, with its 95 % interval."""

    def scores(sums: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        own, *other = np.split(sums, sums.shape[1] // rows.shape[1], axis=1)
        return {"miou": pooled_miou(own) - sum(pooled_miou(one) for one in other)}

    counts = rows if base is None else np.concatenate([rows, base], axis=1)
    value = float(scores(counts.sum(0)[None])["miou"][0])
    interval = bootstrap_intervals(counts, scores)["miou"] if len(counts) > 1 else (value, value)
    return Mean(value, *interval)


def auroc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Return the probability that a positive scores above a negative; ties count half."""
    higher = (positive[:, None] > negative[None]).mean()
    return float(higher + 0.5 * (positive[:, None] == negative[None]).mean())


def segmentation_scores(
    radio: Radio, tower: MiniatureTextTower, asked: Sequence[Question], sam: SamDecoder | None = None
) -> dict[str, Any]:
    """Return mIoU, pooled mIoU and boundary IoU per method with intervals, paired gains, and held-out names.

    RADSeg+ is among the methods where `sam` is given.
    """
    scores: dict[str, Any] = {}
    rooms: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, NDArray[np.int64]] = {}
    rims: dict[str, NDArray[np.float64]] = {}
    for name in (*METHODS, *([] if sam is None else [REFINED])):
        segment = segmenter(radio, tower, name, sam)
        labels = [segment.segment(q.view.rgb, q.asked, mode="assign").labels for q in asked]
        per_name = [room_ious(q, found) for q, found in zip(asked, labels, strict=True)]
        rooms[name] = np.array([ious.mean() for ious in per_name])
        rims[name] = np.array(
            [room_boundary_ious(q, found).mean() for q, found in zip(asked, labels, strict=True)]
        )
        pooled = [segment.segment(q.view.rgb, world_names(), mode="assign").labels for q in asked]
        counts[name] = np.stack([pooled_counts(q, found) for q, found in zip(asked, pooled, strict=True)])
        scores[name] = mean_interval(rooms[name])
        scores[f"{name}, pooled"] = pooled_interval(counts[name])
        scores[f"{name}, boundary"] = mean_interval(rims[name])
        scores |= {f"{name}, {key} names": value for key, value in _by_novelty(asked, per_name).items()}
    for name, base in PAIRS:  # paired: the same rooms
        if name in rooms:
            scores[f"{name} − {base}"] = mean_interval(rooms[name] - rooms[base])
            scores[f"{name} − {base}, pooled"] = pooled_interval(counts[name], counts[base])
            scores[f"{name} − {base}, boundary"] = mean_interval(rims[name] - rims[base])
    return scores


def _by_novelty(
    asked: Sequence[Question], per_name: Sequence[NDArray[np.float64]]
) -> dict[str, tuple[float, float, float] | None]:
    unseen = set(held_out_names())
    chosen: dict[str, list[float]] = {"held out": [], "seen": []}
    for q, ious in zip(asked, per_name, strict=True):
        for name, iou in zip(q.asked[: q.present], ious, strict=True):
            chosen["held out" if name in unseen else "seen"].append(float(iou))
    return {key: mean_interval(np.array(values)) if values else None for key, values in chosen.items()}


def presence_scores(radio: Radio, tower: MiniatureTextTower, asked: Sequence[Question]) -> dict[str, float]:
    """Return the AUROC of presence, the false area of absent names, and the CLS–patch cosine."""
    segment = segmenter(radio, tower)
    there: list[float] = []
    absent: list[float] = []
    false_area: list[float] = []
    right_area: list[float] = []
    cosine: list[float] = []
    for q in asked:
        presence = segment.segment(q.view.rgb, q.asked, mode="independent").presence or ()
        there += presence[: q.present]
        absent += presence[q.present :]
        found = segment.segment(q.view.rgb, q.asked, mode="background").labels.astype(np.int64) - 1
        right_area.append(float((found == q.truth)[q.truth >= 0].mean()))
        wrong = segment.segment(q.view.rgb, q.asked[q.present :], mode="background").labels
        false_area.append(float((wrong > 0).mean()))
        cosine.append(float(cls_patch_map(radio, middle_window(to_rgb(q.view.rgb), CROP)).mean()))
    return {
        "presence AUROC": auroc(np.array(there), np.array(absent)),
        "right area, mode background": float(np.mean(right_area)),
        "false area of absent names": float(np.mean(false_area)),
        "CLS-patch cosine": float(np.mean(cosine)),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first room")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    radio, tower = load_parts(chosen.weights)
    asked = list(questions(range(chosen.first, chosen.first + chosen.rooms)))
    scores = segmentation_scores(radio, tower, asked, load_decoder(chosen.weights))
    scores |= presence_scores(radio, tower, asked)
    for name, value in scores.items():
        if isinstance(value, tuple):
            line = f"{name:32} {100 * value[0]:5.1f} [{100 * value[1]:.1f}, {100 * value[2]:.1f}] %"
        else:
            line = f"{name:32} {value if value is None else format(value, '.3f')}"
        sys.stdout.write(line + "\n")
    if chosen.json:
        chosen.json.write_text(
            json.dumps({"rooms": chosen.rooms, "first": chosen.first} | scores, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
