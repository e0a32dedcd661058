"""A reporter of downloads that keeps what it is told."""

from contextlib import AbstractContextManager, nullcontext

from radseg.weights.options import FetchPlan


class Listener:
    """Keeps what a download tells."""

    def __init__(self) -> None:
        self.plans: list[FetchPlan] = []
        self.lines: list[str] = []
        self.bytes: list[tuple[int, int]] = []

    def plan(self, plan: FetchPlan) -> None:
        self.plans.append(plan)

    def announce(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, done: int, total: int) -> None:
        self.bytes.append((done, total))

    def named(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()
