"""The table at the end of a method's page: what was compared with which published code, and how near."""

import re
from collections.abc import Sequence
from pathlib import Path

from parity.methods_golden_set import MethodsGoldenSet
from parity.report import Row

HEADING = "## Compared with the published code"
PAGES = {
    "clearclip": (r"clip_last_block/clearclip_.*",),
    "corrclip": (r"corrclip.*/.*",),
    "maskclip": (r"clip_last_block/maskclip_.*",),
    "naclip": (r"clip_last_block/naclip_.*", r"naclip_slide.*/.*"),
    "pamr": (r"resclip_parts.*/pamr.*", r"naclip_slide.*/labels_pamr_.*"),
    "proxyclip": (r"proxyclip.*/.*",),
    "rayfronts": (r"rayfronts.*/.*",),
    "resclip": (r"resclip.*/.*",),
    "scclip": (r"scclip.*/.*",),
    "sclip": (r"clip_last_block/sclip_.*",),
    "talk2dino": (r"talk2dino.*/.*",),
    "textregion": (r"textregion.*/.*",),
    "trident": (r"trident.*/.*",),
}
"""Per page of docs/methods which case/stage it is about."""

Source = tuple[str, str, str]
"""Repository, commit, function."""


def sources_of(goldens: MethodsGoldenSet, page: str) -> dict[Source, list[tuple[str, str]]]:
    """Return the published functions a page is compared with, each with its (case, stage)."""
    found: dict[Source, list[tuple[str, str]]] = {}
    for name in goldens.names:
        case = goldens.case(name)
        for stage in case.outputs:
            if any(re.fullmatch(pattern, f"{name}/{stage}") for pattern in PAGES[page]):
                source = case.source_of(stage)
                key = source["repository"], source["commit"], source["function"]
                found.setdefault(key, []).append((name, stage))
    return found


def table_of(goldens: MethodsGoldenSet, rows: Sequence[Row], page: str) -> str:
    """Return the section of a page."""
    by_place = {(row.case, row.stage): row for row in rows}
    lines = [
        HEADING,
        "",
        "With random weights, every stage; `python -m parity FOLDER --table docs/methods` writes this.",
        "Worst: relative to the array's largest value. Differ: entries of labels and masks.",
        "What differs on purpose stands above.",
        "",
        "| published code | commit | function | stages | worst | differ |",
        "|---|---|---|---|---|---|",
    ]
    for (repository, commit, function), places in sources_of(goldens, page).items():
        own = [by_place[place] for place in places]
        floats = [row.worst for row in own if not row.integer]
        counts = [row.worst for row in own if row.integer]
        worst = f"{max(floats):.0e}" if floats else "–"
        differ = f"{sum(counts):.0f}" if counts else "–"
        lines.append(f"| {repository} | {commit[:7]} | {function} | {len(own)} | {worst} | {differ} |")
    return "\n".join(lines) + "\n"


def write_tables(goldens: MethodsGoldenSet, rows: Sequence[Row], pages: Path) -> None:
    """Put the section at the end of every page, in place of the one that is there."""
    for page in PAGES:
        path = pages / f"{page}.md"
        before = path.read_text().partition(HEADING)[0].rstrip()
        path.write_text(f"{before}\n\n{table_of(goldens, rows, page)}")
