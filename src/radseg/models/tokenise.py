"""Prompts to token ids, as each family of text towers was trained; from a local tokenizer.json, nothing else.

What the file says about padding, truncation and special tokens is overruled: see `TokenRules`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Int
from torch import Tensor

from radseg.errors import CheckpointError, MissingFileError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class TokenRules:
    """How a prompt becomes exactly `length` ids: [start] words end pad pad …, cut so that `end` stays.

    Padding is on the right. The pooled vector of SigLIP 1 and 2 is read at the last position, so padding on
    the left, which transformers' current SigLIP2 tokeniser class declares, would read it at `end` and shift
    every word to positions it was not trained at. So we pad ourselves, whatever a tokenizer file declares.
    """

    end: str
    pad: str
    length: int
    start: str | None = None


# SigLIP2: big_vision's Gemma tokeniser with length 64, an end token that survives the cut, no start.
# SigLIP 1: the C4 vocabulary, whose end token is also the padding. CLIP: the padding stands behind the end in
# a causal tower, so it changes nothing.
SIGLIP2 = TokenRules(end="<eos>", pad="<pad>", length=64)
SIGLIP = TokenRules(end="</s>", pad="</s>", length=64)
CLIP = TokenRules(start="<|startoftext|>", end="<|endoftext|>", pad="<|endoftext|>", length=77)


@dataclass(frozen=True, eq=False)
class PromptTokeniser:
    """Turns prompts into ids; made by `load_tokeniser`."""

    tokenizer: "Tokenizer"
    rules: TokenRules

    @property
    def special_ids(self) -> dict[str, int | None]:
        """The ids a transformers config calls bos, eos and pad."""
        end, pad = (_token_id(self.tokenizer, token) for token in (self.rules.end, self.rules.pad))
        return {"bos_token_id": None, "eos_token_id": end, "pad_token_id": pad}

    def __call__(self, prompts: Sequence[str]) -> Int[Tensor, "q t"]:
        """Return `rules.length` ids per prompt; a prompt that does not fit is cut, with a warning."""
        encodings = self.tokenizer.encode_batch(list(prompts))
        cut = sum(bool(encoding.overflowing) for encoding in encodings)
        if cut:
            warnings.warn(
                f"Prompts longer than {self.rules.length} tokens were cut: the text tower reads no more. "
                "Shorten them.",
                stacklevel=2,
            )
        return torch.tensor([encoding.ids for encoding in encodings], dtype=torch.long)


def load_tokeniser(file: Path, rules: TokenRules) -> PromptTokeniser:
    """Return the tokeniser in a tokenizer.json, with the special tokens, cut and padding of `rules`.

    Raises:
        MissingFileError: there is no such file.
        CheckpointError: the file is not a tokeniser, or lacks a special token of `rules`.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - not needed when every row is cached
    from tokenizers.processors import TemplateProcessing  # noqa: PLC0415

    if not file.is_file():
        raise MissingFileError(
            f"The tokeniser {file} does not exist. A text tower's folder holds tokenizer.json."
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception on anything it cannot read
        raise CheckpointError(f"{file} is not a tokeniser: {error}.") from error
    special = [token for token in (rules.start, rules.end) if token is not None]
    single = " ".join([*special[:-1], "$A", rules.end])
    tokenizer.post_processor = TemplateProcessing(
        single=single, special_tokens=[(token, _token_id(tokenizer, token)) for token in special]
    )
    tokenizer.enable_truncation(rules.length, direction="right")
    tokenizer.enable_padding(
        direction="right", pad_id=_token_id(tokenizer, rules.pad), pad_token=rules.pad, length=rules.length
    )
    return PromptTokeniser(tokenizer, rules)


def _token_id(tokenizer: "Tokenizer", token: str) -> int:
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise CheckpointError(
            f"The tokeniser has no token {token!r}; it is not the one its text tower was trained with."
        )
    return found
