"""Text that passes through a trained map into another model's space: Talk2DINO (arXiv 2411.19331 §3)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.errors import CheckpointError, MissingFileError
from radseg.files import listed
from radseg.models.strict import filled
from radseg.ops.inference import inference
from radseg.text.clean import clean_phrases
from radseg.text.contrast import contrast_templates, contrast_vocabulary
from radseg.text.embed import AT_ONCE, Progress, mean_rows
from radseg.text.templates import TemplateSet
from radseg.text.vocabulary import Vocabulary
from radseg.types import ShortRepr, TextEmbeddings
from radseg.weights.catalog import TALK2DINO
from radseg.weights.reduced import MAP_PREFIX
from radseg.weights.tensors import published_tensors

__all__ = ["TALK2DINO", "MappedTextEncoder", "RawTower", "TextMap", "load_text_map"]


class RawTower(Protocol):
    """A text tower that also gives its vectors at their own length."""

    @property
    def space(self) -> str:
        """Name of the embedding space."""

    def embed_raw(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Return the pooled vector of each prompt as the network gives it."""


class TextMap(ShortRepr, nn.Module):
    """Two linear layers with tanh between them, from a text tower's width to an image model's."""

    def __init__(self, *, width_in: int, hidden: int, width_out: int) -> None:
        super().__init__()
        self.first = nn.Linear(width_in, hidden)
        self.second = nn.Linear(hidden, width_out)

    def forward(self, rows: Float[Tensor, "r e"]) -> Float[Tensor, "r d"]:
        """Return the rows in the image model's space."""
        return self.second(torch.tanh(self.first(rows)))


@dataclass(frozen=True)
class MappedTextEncoder:
    """TextEncoder through a map that was trained on raw text vectors: their length counts.

    So the mean over the templates is of vectors as the tower gives them, mapped afterwards (methods spec 8).

    Attributes:
        space: the space the map lands in.
        templates: sentences around each name.
        text_map: the trained map.
        load: makes the tower, when the first prompt arrives; called at most once.
        at_once: prompts per call of the tower.
        progress: is told how many prompts are embedded, of how many.
    """

    space: str
    templates: TemplateSet
    text_map: TextMap
    load: Callable[[], RawTower]
    at_once: int = AT_ONCE
    progress: Progress | None = None

    @cached_property
    def _tower(self) -> RawTower:
        return self.load()

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym, of length 1."""
        return self._embedded([(vocabulary, self.templates)])[0]

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for itself."""
        bank = contrast_vocabulary(vocabulary, self._tower.space)
        names, contrast = self._embedded(
            [(vocabulary, self.templates), (bank, contrast_templates(self.templates))]
        )
        return names, contrast

    @inference()
    def _embedded(self, asked: Sequence[tuple[Vocabulary, TemplateSet]]) -> list[TextEmbeddings]:
        for vocabulary, _ in asked:
            clean_phrases(vocabulary.rows, self._tower.space)
        prompts = [templates.fill(row) for vocabulary, templates in asked for row in vocabulary.rows]
        embed = self._tower.embed_raw
        means = mean_rows(prompts, embed, "raw", cache=None, at_once=self.at_once, progress=self.progress)
        mapped = self.text_map(torch.stack(means).to(self.text_map.first.weight))
        rows = F.normalize(mapped.to("cpu", torch.float32), dim=1)
        split = torch.split(rows, [len(vocabulary.rows) for vocabulary, _ in asked])
        return [
            TextEmbeddings(vocabulary.names, part.clone(), vocabulary.row_class, self.space)
            for (vocabulary, _), part in zip(asked, split, strict=True)
        ]


def load_text_map(path: str | Path) -> TextMap:
    """Return the trained map in a file: a `.pth` of tensors, read restrictedly, or safetensors.

    The names inside are the training script's; shapes decide which of the two layers is which, in the file's
    order. Of its authors' whole model (src/hf_model.py of github.com/lorebianchi98/Talk2DINO) only the map
    under proj.* is read.

    Raises:
        MissingFileError: no such file.
        CheckpointError: not two linear layers that follow each other.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no {path}; Talk2DINO's map is vitb_mlp_infonce.pth of its authors.")
    tensors = published_tensors(path)
    inside = {k.removeprefix(MAP_PREFIX): t for k, t in tensors.items() if k.startswith(MAP_PREFIX)}
    tensors = inside or tensors
    weights = [key for key, tensor in tensors.items() if len(tensor.shape) == 2]
    layers = {key.removesuffix("weight") for key in weights}
    if len(weights) != 2 or tensors.keys() != {f"{a}{b}" for a in layers for b in ("weight", "bias")}:
        raise CheckpointError(f"{path.name} holds {listed(tensors)}; a map is two linear layers.")
    first, second = (key.removesuffix("weight") for key in weights)
    (hidden, width_in), (width_out, between) = (tensors[key].shape for key in weights)
    if between != hidden:
        raise CheckpointError(
            f"{path.name}: {hidden} channels after the first layer, {between} before the second."
        )
    network = TextMap(width_in=width_in, hidden=hidden, width_out=width_out)
    state = {}
    for ours, theirs in (("first.", first), ("second.", second)):
        for part in ("weight", "bias"):
            state[ours + part] = tensors[theirs + part]
    return filled(network, state, lambda _: torch.float32, device="cpu", file=path.name, what="a map")
