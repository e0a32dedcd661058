"""The small typed values that cross module borders. No computation beyond what a value knows about itself.

Axis letters (docs/conventions.md): n windows, p patches, t all tokens, d backbone width, e language width,
c classes, r text rows, h w patch grid, H W pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError, SpaceMismatchError

Rgb = Float[Tensor, "3 H W"]
"""One image: sRGB in [0, 1], channel first. The only image type inside the library."""

FeatureMap = Float[Tensor, "d h w"]
"""Features of one image on the patch grid, in the backbone's own space."""


class Size(NamedTuple):
    """Height and width, in pixels or in patches as the name that holds it says."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"


class Window(NamedTuple):
    """A rectangle on the patch grid, in patches."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class PatchTokens:
    """What a backbone returns for a batch of equal-size windows, in backbone space."""

    patches: Float[Tensor, "n p d"]
    summary: Float[Tensor, "n s d"]
    grid: Size

    def __post_init__(self) -> None:
        if self.patches.shape[1] != self.grid.height * self.grid.width:
            raise InputError(f"{self.patches.shape[1]} patches do not fill a grid of {self.grid}.")


@dataclass(frozen=True, eq=False)
class LanguageFeatures:
    """Language-aligned features of one image on the patch grid, and the space they live in."""

    values: Float[Tensor, "e h w"]
    space: str


@dataclass(frozen=True, eq=False)
class TextEmbeddings:
    """Embeddings of a vocabulary: one or more rows per name (its synonyms), all in one space.

    Rows need not have unit length: the mean over templates is kept as it is, the cosine normalises (RADSeg
    §4.1).

    Attributes:
        names: the c class names, in the caller's order.
        values: one row per name or synonym.
        row_class: for each row the index of its name in `names`; non-decreasing, every name at least once.
        space: name of the embedding space, e.g. "siglip2-so400m-patch16-naflex".
    """

    names: tuple[str, ...]
    values: Float[Tensor, "r e"]
    row_class: tuple[int, ...]
    space: str

    def __post_init__(self) -> None:
        if len(self.row_class) != self.values.shape[0]:
            raise InputError(f"{self.values.shape[0]} text rows but {len(self.row_class)} row classes.")
        if tuple(sorted(set(self.row_class))) != tuple(range(len(self.names))):
            raise InputError("Every name needs at least one text row, and every row a name.")
        if tuple(sorted(self.row_class)) != self.row_class:
            raise InputError("Text rows must be in the order of their names.")

    def require_space(self, space: str) -> None:
        """Raise SpaceMismatchError unless these embeddings live in `space`."""
        if self.space != space:
            raise SpaceMismatchError(
                f"The text embeddings are in space {self.space!r}, the image features in {space!r}. "
                f"Embed the words with the text tower of {space!r} (radseg text --model …)."
            )
