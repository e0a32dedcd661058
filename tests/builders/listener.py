"""A reporter of downloads that keeps what it is told."""

from contextlib import AbstractContextManager, nullcontext

from radseg.weights.reporters import FetchPlan, Unit


class Listener:
    """Keeps what a download tells."""

    def __init__(self) -> None:
        self.plans: list[FetchPlan] = []
        self.lines: list[str] = []
        self.counts: list[tuple[int, int]] = []
        self.names: list[tuple[str, Unit]] = []

    def plan(self, plan: FetchPlan) -> None:
        self.plans.append(plan)

    def announce(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, done: int, total: int) -> None:
        self.counts.append((done, total))

    def named(self, name: str, unit: Unit = "bytes") -> AbstractContextManager[None]:
        self.names.append((name, unit))
        return nullcontext()
