"""Compare the methods on RADIO like with like on the miniature's held-out rooms.

    python -m training.miniature.ablate [--rooms 24] [--methods plain,naradio] [--json FILE] [--weights DIR]

Each method with and without SCGA and with both size rules, because the paper's Table 5 gives SCGA to RADSeg
alone. Protocol of evaluate.py; intervals of differences are paired: the same rooms.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from training.miniature.evaluate import Question, questions, room_ious

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
    """Return per cell its mIoU and its difference from plain RADIO, each with a 95 % interval, in [0, 1]."""
    base = _rooms(build(radio, "plain", scga=False, size_rule="patch"), tower, asked)
    cells: dict[str, dict[str, Any]] = {}
    for name in names:
        for rule in RULES if name != "rayfronts" else RULES[:1]:
            for scga in (False, True):
                rooms = _rooms(build(radio, name, scga=scga, size_rule=rule), tower, asked)
                title = f"{name}{' + SCGA' if scga else ''}, {rule}"
                cells[title] = {"miou": mean_interval(rooms), "over plain": mean_interval(rooms - base)}
    return cells


def _rooms(method: Method, tower: MiniatureTextTower, asked: Sequence[Question]) -> NDArray[np.float64]:
    segmenter = Segmenter(method, TowerTextEncoder(tower, NONE), short_side=None)
    found = (segmenter.segment(q.view.rgb, q.asked, mode="assign").labels for q in asked)
    return np.array([room_ious(q, labels).mean() for q, labels in zip(asked, found, strict=True)])


def lines(cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the cells as rows of a Markdown table, in percent."""
    rows = ["| method, size rule | mIoU [95 %] | over plain, patch [95 %] |", "|---|---|---|"]
    for title, cell in cells.items():
        miou, gain = ([100 * number for number in cell[key]] for key in ("miou", "over plain"))
        rows.append(
            f"| {title} | {miou[0]:.1f} [{miou[1]:.1f}, {miou[2]:.1f}] | "
            f"{gain[0]:+.1f} [{gain[1]:+.1f}, {gain[2]:+.1f}] |"
        )
    return rows


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
