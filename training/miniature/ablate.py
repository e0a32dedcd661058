"""Compare the methods on RADIO like with like on the miniature's held-out rooms.

    python -m training.miniature.ablate [--rooms 24] [--methods plain,naradio] [--json FILE] [--weights DIR]

Each method with and without SCGA and with both size rules, because the paper's Table 5 gives SCGA to RADSeg
alone. Both protocols of evaluate.py; intervals of differences are paired: the same rooms.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseg.evaluation.images.rooms import world_names
from radseg.methods.base import DenseEncoder, Scorer
from radseg.methods.naradio import NARADIO
from radseg.methods.proxyradio import ProxyRADIO
from radseg.methods.radseg import RADSeg, SelfCorrelatingAggregation
from radseg.methods.rayfronts import RayFronts
from radseg.methods.resradio import ResRADIO
from radseg.methods.shared.on_radio import RadioMethod
from radseg.metrics.means import mean_interval
from radseg.miniature import CROP, STRIDE, load_parts
from radseg.miniature.text_tower import MiniatureTextTower
from radseg.models.radio import Radio
from radseg.modes import SizeRule
from radseg.segment import Segmenter
from radseg.text.encoder import TowerTextEncoder
from radseg.text.templates import NONE
from training.miniature.evaluate import Question, pooled_counts, pooled_interval, questions, room_ious

Method = DenseEncoder | Scorer
RULES: tuple[SizeRule, ...] = ("patch", "stride")


def methods_of(radio: Radio) -> dict[str, Callable[..., Method]]:
    """Return how each method that this checkpoint can carry out is built; "plain" is first.

    ProxyRADIO is there once for every adaptor with a feature head.
    """
    able: dict[str, Callable[..., Method]] = {
        "plain": RadioMethod,
        "naradio": NARADIO,
        "rayfronts": RayFronts,
        "resradio": ResRADIO,
        "scra": RADSeg,
    }
    for adaptor in radio.config.adaptors:
        if adaptor.features is not None:
            able[f"proxyradio ({adaptor.name})"] = _proxy(adaptor.name)
    return able


def _proxy(teacher: str) -> Callable[..., Method]:
    return lambda radio, **frame: ProxyRADIO(radio, **frame, teacher=teacher)


def build(radio: Radio, name: str, *, scga: bool, size_rule: SizeRule) -> Method:
    """Return one cell of the comparison; "scra" with SCGA is RADSeg. RayFronts sees the whole image."""
    crop = None if name == "rayfronts" else CROP
    aggregate = SelfCorrelatingAggregation() if scga else None
    frame = {"crop": crop, "stride": STRIDE, "size_rule": size_rule, "aggregate": aggregate}
    return methods_of(radio)[name](radio, **frame)


def compare(
    radio: Radio, tower: MiniatureTextTower, asked: Sequence[Question], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return per cell its mIoU and its difference from plain RADIO, each with a 95 % interval, in [0, 1].

    Both by room and, "pooled", over all rooms with every name of the world asked for.
    """
    base, base_counts = _scores(build(radio, "plain", scga=False, size_rule="patch"), tower, asked)
    cells: dict[str, dict[str, Any]] = {}
    for name in names:
        for rule in RULES if name != "rayfronts" else RULES[:1]:
            for scga in (False, True):
                rooms, counts = _scores(build(radio, name, scga=scga, size_rule=rule), tower, asked)
                title = f"{name}{' + SCGA' if scga else ''}, {rule}"
                cells[title] = {
                    "miou": mean_interval(rooms),
                    "over plain": mean_interval(rooms - base),
                    "pooled": pooled_interval(counts),
                    "pooled over plain": pooled_interval(counts, base_counts),
                }
    return cells


def _scores(
    method: Method, tower: MiniatureTextTower, asked: Sequence[Question]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mIoU of every room, and its pooled counts."""
    segmenter = Segmenter(method, TowerTextEncoder(tower, NONE), short_side=None)

    def labels(question: Question, names: Sequence[str]) -> NDArray[np.integer]:
        return segmenter.segment(question.view.rgb, names, mode="assign").labels

    rooms = np.array([room_ious(q, labels(q, q.asked)).mean() for q in asked])
    return rooms, np.stack([pooled_counts(q, labels(q, world_names())) for q in asked])


def lines(cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the cells as rows of a Markdown table, in percent."""
    head = "| method, size rule | mIoU by room [95 %] | over plain, patch | pooled mIoU | over plain, patch |"
    rows = [head, "|---|---|---|---|---|"]
    for title, cell in cells.items():
        rows.append(f"| {title} | {' | '.join(interval_text(key, value) for key, value in cell.items())} |")
    return rows


def interval_text(name: str, interval: Sequence[float]) -> str:
    """Return a value and its interval in percent; what says "over" something carries its sign."""
    value, low, high = (100 * number for number in interval)
    sign = "+" if "over" in name else ""
    return f"{value:{sign}.1f} [{low:{sign}.1f}, {high:{sign}.1f}]"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=24)
    parser.add_argument("--first", type=int, default=0, help="seed of the first room")
    parser.add_argument("--methods", help="some of plain, naradio, …; all by default")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--weights", type=Path)
    chosen = parser.parse_args()
    radio, tower = load_parts(chosen.weights)
    able = tuple(methods_of(radio))
    names = tuple(chosen.methods.split(",")) if chosen.methods else able
    if unknown := [name for name in names if name not in able]:
        parser.error(f"no method {', '.join(unknown)}; this checkpoint can do: {', '.join(able)}")
    asked = list(questions(range(chosen.first, chosen.first + chosen.rooms)))
    cells = compare(radio, tower, asked, names)
    sys.stdout.write("\n".join(lines(cells)) + "\n")
    if chosen.json:
        record = {"rooms": chosen.rooms, "first": chosen.first, "cells": cells}
        chosen.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
