"""What a mean of neighbours and the removal of small regions do in both protocols of the miniature.

    python -m benchmarks.specks [--rooms 40] [--first 7000]

Held-out rooms, from seed 7000 on for choosing, by room and pooled over every name of the world, as in
`training.miniature.evaluate`. Every row with its difference from RADSeg, on the same rooms.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from training.miniature.ablate import interval_text
from training.miniature.evaluate import (
    Question,
    pooled_counts,
    pooled_interval,
    questions,
    room_ious,
    segmenter,
)

from radseg.evaluation.images.rooms import world_names
from radseg.io import to_rgb
from radseg.methods.base import align_map
from radseg.metrics.means import mean_interval
from radseg.miniature import load_parts
from radseg.ops.inference import inference
from radseg.refine.despeckle import Despeckle
from radseg.segment import Segmenter
from radseg.types import FeatureMap, LanguageFeatures, Size, TextEmbeddings

AREAS = (100, 400, 900, 1600)
"""Pixels, of 352 × 480 (a patch has 256); 900 is where RADSeg+ begins to refine a region."""
DENOISING = (0.0, 0.7, 0.9, 0.99)
BASE = "RADSeg"
Labels = np.ndarray[Any, np.dtype[np.integer[Any]]]


class Features(NamedTuple):
    """One image in three forms: aligned, aligned and averaged, averaged and aligned."""

    own: LanguageFeatures
    averaged: LanguageFeatures
    averaged_before: LanguageFeatures


def neighbour_mean(features: FeatureMap) -> FeatureMap:
    """Return every patch as the mean of the 3 × 3 around it; fewer at the rim."""
    mean = torch.nn.functional.avg_pool2d(features[None], 3, stride=1, padding=1, count_include_pad=False)
    return mean[0]


@inference()
def features_of(segment: Segmenter, question: Question) -> Features:
    """Return the features of one room."""
    encoder: Any = segment.encoder
    (before,) = encoder.encode_backbone([to_rgb(question.view.rgb)])
    align = partial(align_map, encoder.align)
    own = align(before)
    forms = (own, neighbour_mean(own), align(neighbour_mean(before)))
    return Features(*(LanguageFeatures(values, encoder.space) for values in forms))


def small_names(labels: Labels, area: int) -> set[int]:
    """Return the names that have some pixels, but fewer than `area` in all."""
    counts = np.bincount(labels.ravel())
    return {int(name) for name in np.flatnonzero((counts > 0) & (counts < area)) if name > 0}


def decode(segment: Segmenter, seen: LanguageFeatures, text: TextEmbeddings, question: Question) -> Labels:
    """Return the labels of a room."""
    size, image = Size(*question.truth.shape), to_rgb(question.view.rgb)
    return segment.decode(seen, size, text, None, mode="assign", image=image).labels


def without_small_names(
    segment: Segmenter, seen: LanguageFeatures, text: TextEmbeddings, question: Question, area: int
) -> Labels:
    """Return the labels decided again without the names that cover less than `area` pixels of the image."""
    labels = decode(segment, seen, text, question)
    kept = [i for i in range(len(text.names)) if i + 1 not in small_names(labels, area)]
    if len(kept) < 2:
        return labels
    names = tuple(text.names[i] for i in kept)
    fewer = TextEmbeddings(names, text.values[kept], tuple(range(len(kept))), text.space)
    code = np.array([0, *(i + 1 for i in kept)])
    return code[decode(segment, seen, fewer, question)]


def answers(
    plain: Segmenter, radseg: Segmenter, question: Question
) -> Iterator[tuple[str, Callable[[TextEmbeddings], Labels]]]:
    """Yield every row and what labels it gives to names."""
    own = features_of(radseg, question)
    for title, segment, seen in (("RADSeg", radseg, own), ("plain", plain, features_of(plain, question))):
        for what, form in zip(("", ", mean in language space", ", mean before alignment"), seen, strict=True):
            yield f"{title}{what}", lambda text, s=segment, f=form: decode(s, f, text, question)
    for least in DENOISING:
        strict = replace(radseg, denoising=least)
        yield f"RADSeg, denoising {least:g}", lambda text, s=strict: decode(s, own.own, text, question)
    for area in AREAS:
        despeckled = replace(radseg, refine=Despeckle(area))
        yield (
            f"RADSeg, no region below {area} pixels",
            lambda text, s=despeckled: decode(s, own.own, text, question),
        )
        yield (
            f"RADSeg, no name below {area} pixels",
            lambda text, a=area: without_small_names(radseg, own.own, text, question, a),
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=40)
    parser.add_argument("--first", type=int, default=7000, help="seed of the first room")
    chosen = parser.parse_args()
    radio, tower = load_parts()
    plain, radseg = (segmenter(radio, tower, name) for name in ("plain", "radseg"))
    every, _ = radseg.embed(world_names(), mode="assign")
    by_room: dict[str, list[float]] = {}
    pooled: dict[str, list[np.ndarray]] = {}
    for question in questions(range(chosen.first, chosen.first + chosen.rooms)):
        asked, _ = radseg.embed(question.asked, mode="assign")
        for name, answer in answers(plain, radseg, question):
            by_room.setdefault(name, []).append(float(room_ious(question, answer(asked)).mean()))
            pooled.setdefault(name, []).append(pooled_counts(question, answer(every)))
    print("| | mIoU by room | over RADSeg | pooled mIoU | over RADSeg | names found | of them true |")
    print("|---|---|---|---|---|---|---|")
    base, base_counts = np.array(by_room[BASE]), np.stack(pooled[BASE])
    for name, values in by_room.items():
        ious, counts = np.array(values), np.stack(pooled[name])
        cells = {
            "miou": mean_interval(ious),
            "over": mean_interval(ious - base),
            "pooled": pooled_interval(counts),
            "pooled over": pooled_interval(counts, base_counts),
        }
        _, true, found = np.split(counts.sum(0), 3)
        told = f"{(found > 0).sum()} | {((found > 0) & (true > 0)).sum()}"
        print(f"| {name} | {' | '.join(interval_text(key, v) for key, v in cells.items())} | {told} |")


if __name__ == "__main__":
    main()
