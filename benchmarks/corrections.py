"""What each correction of RADSeg+ is worth on the miniature: `python -m benchmarks.corrections [--rooms 60]`.

RADSeg+ as it is, then with one rule at a time as in the published code, then with all
of them. Held-out rooms as in `training.miniature.evaluate`, from seed 7000 on, in images of 341 × 471 pixels,
because some corrections are about sizes that patches do not tile; mIoU and boundary IoU (2 pixels) of the
corrected form, and what each published rule changes, room by room, with 95 % intervals. The miniature's
decoder learnt on corrected prompts.
"""

import argparse
from dataclasses import replace

import numpy as np
from training.miniature.evaluate import (
    REFINED,
    Question,
    questions,
    room_boundary_ious,
    room_ious,
    segmenter,
)

from radseg.metrics.means import mean_interval
from radseg.miniature import load_decoder, load_parts
from radseg.refine.corrected import Corrected
from radseg.refine.radio_sam import SamRefiner
from radseg.refine.reference import Reference
from radseg.refine.rules import Rules
from radseg.segment import Segmenter

CORRECTIONS = ("sam_image", "propose", "to_frame", "mask_prompts", "embed_masks", "settle")


def without(*corrections: str) -> Rules:
    """Return the corrected rules with some of them as published."""
    methods = {name: getattr(Reference, name) for name in corrections}
    return type("Without", (Corrected, Reference), methods)()  # Reference for what its own methods call


def scores(segment: Segmenter, asked: list[Question]) -> tuple[np.ndarray, np.ndarray]:
    """Return mIoU and boundary IoU of every room."""
    labels = [segment.segment(q.view.rgb, q.asked, mode="assign").labels for q in asked]
    pairs = list(zip(asked, labels, strict=True))
    ious = np.array([room_ious(q, found).mean() for q, found in pairs])
    return ious, np.array([room_boundary_ious(q, found).mean() for q, found in pairs])


def line(name: str, values: tuple[np.ndarray, np.ndarray]) -> str:
    """Return one row, per cent with intervals."""
    cells = []
    for part in values:
        mean, low, high = (100 * number for number in mean_interval(part))
        cells.append(f"{mean:6.2f} [{low:5.2f}, {high:5.2f}]")
    return f"{name:26} mIoU {cells[0]}  boundary {cells[1]}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=60)
    chosen = parser.parse_args()
    radio, tower = load_parts()
    asked = list(questions(range(7000, 7000 + chosen.rooms), height=341, width=471))
    coarse = segmenter(radio, tower)
    refined = segmenter(radio, tower, REFINED, load_decoder())
    assert isinstance(refined.refine, SamRefiner)
    print(line("not refined", scores(coarse, asked)))
    corrected = scores(refined, asked)
    print(line("refined, corrected", corrected), flush=True)
    for taken in (*((name,) for name in CORRECTIONS), CORRECTIONS):
        rules = without(*taken)
        other = scores(replace(refined, refine=replace(refined.refine, rules=rules)), asked)
        name = "all as published" if taken == CORRECTIONS else f"{taken[0]} as published"
        print(line(name, (other[0] - corrected[0], other[1] - corrected[1])), flush=True)


if __name__ == "__main__":
    main()
