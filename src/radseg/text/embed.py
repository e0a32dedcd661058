"""From a vocabulary to text embeddings: templates, cleaning, tower, mean, with a disk cache in between."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from radseg.errors import InputError
from radseg.ops.inference import inference
from radseg.text.cache import TextCache
from radseg.text.clean import clean_phrases, cleaning_of
from radseg.text.templates import IMAGENET_80, TemplateSet
from radseg.text.tower import TextTower
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings

Prompts = tuple[str, ...]
Progress = Callable[[int, int], None]
"""Called with prompts embedded and prompts to embed, before the first and after each call of the tower."""

AT_ONCE = 64  # prompts per call of the tower; a GPU is filled by 64 x 64 tokens
_UNIT_TOLERANCE = 1e-3  # half precision towers normalise to about 5e-4


def embed_vocabulary(
    vocabulary: Vocabulary, tower: TextTower, templates: TemplateSet = IMAGENET_80, **how: Any
) -> TextEmbeddings:
    """Return one row per phrase of one vocabulary; see `embed_vocabularies`."""
    return embed_vocabularies([(vocabulary, templates)], tower, **how)[0]


def embed_vocabularies(
    asked: Sequence[tuple[Vocabulary, TemplateSet]],
    tower: TextTower,
    *,
    cache: TextCache | None = None,
    at_once: int = AT_ONCE,
    progress: Progress | None = None,
) -> tuple[TextEmbeddings, ...]:
    """Return one row per phrase: the plain mean over the templates of the tower's unit vectors (RADSeg §4.1).

    The mean is not brought back to length 1: the cosine does that. The tower is not touched when every row is
    cached.

    Args:
        asked: vocabularies of names and synonyms, each with the sentences around its phrases; `NONE` takes
            each phrase as the whole prompt. All share the calls of the tower.
        tower: knows the space, hence the cleaning; may be a `LazyTower`.
        cache: rows already computed by this very tower, and where new ones go; None computes all.
        at_once: prompts per call of the tower.
        progress: is told how far it is; not called when nothing is to be embedded.

    Raises:
        VocabularyError: for this tower a phrase is empty or two phrases are the same text.
        InputError: the tower did not return unit rows.
    """
    for vocabulary, _ in asked:
        clean_phrases(vocabulary.rows, tower.space)
    clean = cleaning_of(tower.space)
    prompts = [
        tuple(clean(prompt) for prompt in templates.fill(phrase))
        for vocabulary, templates in asked
        for phrase in vocabulary.rows
    ]
    rows = mean_rows(
        prompts, partial(_unit_rows, tower), tower.space, cache=cache, at_once=at_once, progress=progress
    )
    split = torch.split(torch.stack(rows), [len(vocabulary.rows) for vocabulary, _ in asked])
    return tuple(
        TextEmbeddings(vocabulary.names, values.clone(), vocabulary.row_class, tower.space)
        for (vocabulary, _), values in zip(asked, split, strict=True)
    )


def mean_rows(
    groups: Sequence[Prompts],
    embed: Callable[[Sequence[str]], Float[Tensor, "q e"]],
    kind: str,
    *,
    cache: TextCache | None,
    at_once: int = AT_ONCE,
    progress: Progress | None = None,
) -> list[Float[Tensor, " e"]]:
    """Return the mean vector of each group of prompts.

    Args:
        embed: gives one row per prompt.
        kind: what the rows are, beside the tower they come from: part of their names in the cache.
    """
    keys = [_key(kind, group) for group in groups]
    rows = cache.read(keys) if cache else {}
    missing = {key: group for key, group in zip(keys, groups, strict=True) if key not in rows}
    for new in _embed_missing(missing, embed, at_once, progress):
        rows |= new
        if cache:
            cache.write(new)
    return [rows[key] for key in keys]


def given_embeddings(vocabulary: Vocabulary, values: Float[Tensor, "r e"], space: str) -> TextEmbeddings:
    """Return the embeddings of `vocabulary` from vectors that were made elsewhere, one row per phrase.

    Raises:
        InputError: the number of rows is not the number of phrases, or a row is zero or not finite.
    """
    if values.ndim != 2 or values.shape[0] != len(vocabulary.rows):
        raise InputError(
            f"{len(vocabulary.rows)} phrases need a matrix of as many rows; got shape {tuple(values.shape)}."
        )
    rows = values.detach().to(torch.float32)
    if not bool(torch.isfinite(rows).all()) or not bool((rows.norm(dim=1) > 0).all()):
        raise InputError("A text embedding is zero or not finite; every row must be a direction.")
    return TextEmbeddings(vocabulary.names, rows, vocabulary.row_class, space)


def _embed_missing(
    missing: dict[str, Prompts],
    embed: Callable[[Sequence[str]], Tensor],
    at_once: int,
    progress: Progress | None,
) -> Iterator[dict[str, Float[Tensor, " e"]]]:
    """Yield the mean of each group as soon as its last prompt is embedded; a call may span groups."""
    waiting = list(missing.items())
    flat = [prompt for _, group in waiting for prompt in group]
    ready: list[Tensor] = []
    for start in range(0, len(flat), at_once):
        if progress and start == 0:
            progress(0, len(flat))
        ready += embed(flat[start : start + at_once])
        done = {}
        while waiting and len(waiting[0][1]) <= len(ready):
            key, group = waiting.pop(0)
            done[key] = torch.stack(ready[: len(group)]).mean(dim=0)
            del ready[: len(group)]
        if done:
            yield done
        if progress:
            progress(min(start + at_once, len(flat)), len(flat))


def _unit_rows(tower: TextTower, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
    with inference():
        rows = tower.embed(prompts).to("cpu", torch.float32)
    if rows.ndim != 2 or rows.shape[0] != len(prompts):
        raise InputError(
            f"The text tower of {tower.space!r} returned {tuple(rows.shape)} for {len(prompts)} prompts."
        )
    lengths = rows.norm(dim=1)
    if not bool(((lengths - 1).abs() < _UNIT_TOLERANCE).all()):
        raise InputError(
            f"The text tower of {tower.space!r} must return rows of length 1; lengths are "
            f"{lengths.min():.3g} to {lengths.max():.3g}."
        )
    return rows.clone()  # an ordinary tensor again: inference tensors cannot be saved for a later backward


def _key(kind: str, prompts: Prompts) -> str:
    """Name an entry by all that decides its value, short of the tower itself, which the cache knows."""
    return hashlib.sha256("\0".join((kind, *prompts)).encode()).hexdigest()
