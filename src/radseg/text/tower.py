"""What a text tower is to the rest of the library, and a way to need it only when it is really called."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from radseg.errors import SpaceMismatchError


@runtime_checkable
class TextTower(Protocol):
    """Turns prompts into unit vectors of one embedding space."""

    @property
    def space(self) -> str:
        """Name of the embedding space."""

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Return one row of length 1 per prompt, in order. Each row depends on its own prompt only."""


@dataclass(frozen=True)
class LazyTower:
    """A text tower that is loaded at the first `embed` and kept: importing and reading one costs seconds.

    Attributes:
        space: the embedding space it will have.
        load: makes the tower; called at most once.
    """

    space: str
    load: Callable[[], TextTower]

    @cached_property
    def _tower(self) -> TextTower:
        tower = self.load()
        if tower.space != self.space:
            raise SpaceMismatchError(
                f"A text tower of {self.space!r} was asked for; {tower.space!r} was loaded."
            )
        return tower

    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Load the tower if this is the first call, and return its rows.

        Raises:
            SpaceMismatchError: what `load` returned lives in another space.
        """
        return self._tower.embed(prompts)

    def ready(self) -> TextTower:
        """Load the tower if that was not done, and return it; raises as `embed`."""
        return self._tower
