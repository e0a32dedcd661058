"""Attacks radseg with seeded cases of every kind and prints what became of them; exit code 1 if any failed.

PYTHONPATH=src:tests:tests/builders python -m campaign [--only KIND] [--case N] [--count N] [--seed N]
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from campaign.cases import Campaign, Outcome, numbers
from campaign.workers import run

SHOWN = 20
"""Failures of a kind that are printed in full."""


@dataclass
class Row:
    """A line of the table."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    outcomes: list[tuple[int, Outcome]] = field(default_factory=list)
    seconds: float = 0.0

    def text(self) -> str:
        """Return the row as Markdown."""
        kinds = [self.counts[kind] for kind in ("refused", "accepted", "failed")]
        cells = [self.name, *(f"{n:,}" for n in (sum(kinds), *kinds)), f"{self.seconds:.0f}"]
        return f"| {' | '.join(cells)} |"


HEAD = "| campaign | tried | refused in one line | accepted | failed | seconds |\n|---|---|---|---|---|---|"


def conducted(campaign: Campaign, cases: list[int], seed: int, folder: Path) -> Row:
    """Run some cases of a campaign and return its row; inputs that failed stay in `folder`."""
    row, start = Row(campaign.name), time.monotonic()
    for number, outcome in run(campaign, cases, seed=seed, folder=folder):
        row.counts[outcome.kind] += 1
        row.outcomes.append((number, outcome))
    row.seconds = time.monotonic() - start
    return row


def main(arguments: list[str]) -> int:
    """Run what the arguments say and return the exit code."""
    from campaign.kinds import CAMPAIGNS  # noqa: PLC0415 - torch loads here, after the environment is set

    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--only", choices=list(CAMPAIGNS), help="one kind")
    parser.add_argument("--count", type=int, help="cases of each kind; default: the whole campaign")
    parser.add_argument("--case", type=int, help="one case, which is printed and whose input is kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where inputs of failed cases stay; default: a new one")
    given = parser.parse_args(arguments)
    if given.case is not None and given.only is None:
        parser.error("--case needs --only KIND")
    folder = given.folder or Path(tempfile.mkdtemp(prefix="radseg-campaign-"))
    rows = []
    for name, campaign in CAMPAIGNS.items():
        if given.only in (None, name):
            count = campaign.count if given.count is None else given.count
            cases = list(numbers(count, campaign.most)) if given.case is None else [given.case]
            place = folder / name
            place.mkdir(parents=True, exist_ok=True)
            rows.append(conducted(campaign, cases, given.seed, place))
            report(rows[-1], place, every=given.case is not None)
    print(HEAD, *(row.text() for row in rows), sep="\n")
    return 1 if any(row.counts["failed"] for row in rows) else 0


def report(row: Row, place: Path, *, every: bool) -> None:
    """Print the cases that failed, or every one."""
    shown = row.outcomes if every else [one for one in row.outcomes if one[1].kind == "failed"]
    for number, outcome in shown[:SHOWN]:
        print(f"{row.name} {number}: {outcome.kind}: {outcome.change}: {outcome.said}")
        if outcome.kind == "failed":
            print(f"    its input: {place / f'case-{number}'}", flush=True)
    if len(shown) > SHOWN:
        print(f"... and {len(shown) - SHOWN} more of {row.name}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {"RADSEG_HOME": home, "TORCH_HOME": home, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        sys.exit(main(sys.argv[1:]))
