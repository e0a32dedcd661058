"""Rows of which a part is kept: text towers, SAM's decoder, a text map that lies in a whole model."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radseg.errors import CheckpointError
from radseg.weights.catalog import SAM_PTH, Kind, Row
from radseg.weights.config import SAM_FORMAT
from radseg.weights.convert import sam, towers

if TYPE_CHECKING:
    from torch import Tensor

MAP_PREFIX = "proj."  # of Talk2DINO's map inside its authors' whole model


class Reduction(NamedTuple):
    """What is kept of a published whole.

    Attributes:
        names: from all published names, what is kept by its published name and the one it gets.
        check: raises CheckpointError unless all that is needed is among the names; takes the file's, too.
        format: noted in the file that is made.
        library: brings the tensors of a file, whoever published it, under the transformers library's names.
    """

    names: Callable[[Iterable[str]], dict[str, str]]
    check: Callable[[Collection[str], str], None]
    format: str
    library: "Callable[[Mapping[str, Tensor], str], Mapping[str, Tensor]]"

    def wants(self, key: str) -> bool:
        """Return whether a published tensor may be kept."""
        return bool(self.names([key]))

    @property
    def metadata(self) -> dict[str, str]:
        """Return what stands in the header of the file that is made."""
        return {"format": self.format}


def _map_names(keys: Iterable[str]) -> dict[str, str]:
    return {key: key.removeprefix(MAP_PREFIX) for key in keys if key.startswith(MAP_PREFIX)}


def _require_map(names: Collection[str], file: str) -> None:
    if not names:
        raise CheckpointError(f"{file} holds no trained map: no name begins with {MAP_PREFIX}.")


def _tower(published: "Mapping[str, Tensor]", file: str) -> "Mapping[str, Tensor]":
    from radseg.weights.convert.open_clip import is_open_clip, library_tensors  # noqa: PLC0415 - seldom needed

    return library_tensors(published, file) if is_open_clip(published) else published


def _sam(published: "Mapping[str, Tensor]", file: str) -> "Mapping[str, Tensor]":
    if file != SAM_PTH[0]:
        return published
    ours = sam.convert_pth(published, file)
    return {f"vision_encoder.{k}" if k.startswith("neck.") else k: t for k, t in ours.items()}


REDUCTIONS: dict[Kind, Reduction] = {
    "text": Reduction(towers.text_names, towers.require_tower, "pt", _tower),
    "sam_decoder": Reduction(sam.library_names, sam.require_complete, SAM_FORMAT, _sam),
    "text_map": Reduction(_map_names, _require_map, "pt", lambda published, _: published),
}
"""By kind; all other kinds are used, or converted, whole."""


def reduced_name(row: Row) -> str:
    """Return what the file is called that holds the kept part of a row."""
    return row.stored or "model.safetensors"


def reduced_tensors(row: Row, files: Sequence[Path]) -> "dict[str, Tensor]":
    """Return what is kept of a published whole that is on this machine: one file, or its shards.

    Raises:
        CheckpointError: it is not there, or the file is damaged.
    """
    from radseg.weights.tensors import published_tensors  # noqa: PLC0415 - loads torch

    reduction, file = REDUCTIONS[row.kind], files[0].name
    tensors = reduction.library(published_tensors(*files), file)
    names = reduction.names(tensors)
    reduction.check(names.values(), file)
    return {ours: tensors[key] for key, ours in names.items()}
