"""The miniature's text tower: word vectors that are added up. Knows the words of its world and nothing else.

Adding is what lets "green ball" mean something to a model that has seen green objects and balls, but never
both at once. Words the tower does not know are passed over; a prompt of unknown words only gets one vector
for "unknown".
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.errors import CheckpointError
from radseg.files import json_of
from radseg.ops.inference import inference

SPACE = "miniature"
"""Text space of the miniature."""

_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class MiniatureTokenizer:
    """Splits a prompt into known words.

    Attributes:
        words: word number i has index i + 1; 0 stands for a prompt without a known word.
        synonyms: further words and what they are read as.
    """

    words: tuple[str, ...]
    synonyms: dict[str, str]

    def encode(self, prompt: str) -> tuple[int, ...]:
        """Return the indices of the known words of `prompt`, or (0,); case and plural endings do not
        matter.
        """
        index = {word: i + 1 for i, word in enumerate(self.words)}
        found = []
        for raw in _WORD.findall(prompt.lower()):
            for form in (raw, raw.removesuffix("s"), raw.removesuffix("es")):
                known = index.get(self.synonyms.get(form, form))
                if known is not None:
                    found.append(known)
                    break
        return tuple(found) or (0,)

    def save(self, path: Path) -> None:
        """Write the tokenizer as JSON."""
        content = {"format": "radseg-words/1", "words": list(self.words), "synonyms": self.synonyms}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the tokenizer written by `save`.

        Raises:
            CheckpointError: the file is not one.
        """
        try:
            content = json_of(path.read_text(encoding="utf-8"))
            return cls(tuple(content["words"]), dict(content["synonyms"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path.name} is not a word list: {error}.") from error


class MiniatureTextTower(nn.Module):
    """Prompts to unit vectors: the normalised mean of word vectors."""

    def __init__(self, tokenizer: MiniatureTokenizer, *, width: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.vectors = nn.Parameter(torch.zeros(len(tokenizer.words) + 1, width))

    @property
    def space(self) -> str:
        """Name of the embedding space."""
        return SPACE

    def counts(self, prompts: Sequence[str]) -> Float[Tensor, "q v"]:
        """Return how often each word occurs in each prompt, rows summing to 1."""
        table = torch.zeros(len(prompts), len(self.vectors))
        for row, prompt in enumerate(prompts):
            for word in self.tokenizer.encode(prompt):
                table[row, word] += 1
        return table / table.sum(1, keepdim=True)

    def forward(self, counts: Float[Tensor, "q v"]) -> Float[Tensor, "q e"]:
        """Return the unit vectors of rows of `counts`."""
        return F.normalize(counts.to(self.vectors) @ self.vectors, dim=-1)

    @inference()
    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Return one row of length 1 per prompt, in order; each depends on its own prompt only."""
        return self(self.counts(prompts))
