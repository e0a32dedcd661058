"""Attacks on the page of `radseg map view`; see page_attacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from campaign.cases import Attempt, Campaign, Case, Outcome
from campaign.page_attacks import attacks
from campaign.page_under_attack import PageUnderAttack


@contextmanager
def opened(_: Path) -> Iterator[Attempt]:
    """Yield what runs one attack against a page of this process and judges what it gained."""
    made = attacks()
    with PageUnderAttack() as page:

        def attempt(case: Case) -> Outcome:
            attack = made[case.number]
            gained = page.attempt(attack)
            return Outcome("failed", attack.name, gained) if gained else Outcome("refused", attack.name)

        yield attempt


PAGE = Campaign("page", len(attacks()), 5, 30, opened, most=len(attacks()))
