"""From a vocabulary to text embeddings: templates, cleaning, tower, mean, with a disk cache in between."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

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

# Prompts per call of the tower: enough to fill its own batches, few enough that an interrupted run loses
# little, because the cache is written after every call.
_PROMPTS_PER_CALL = 512
_UNIT_TOLERANCE = 1e-3  # half precision towers normalise to about 5e-4


def embed_vocabulary(
    vocabulary: Vocabulary,
    tower: TextTower,
    templates: TemplateSet = IMAGENET_80,
    *,
    cache: TextCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TextEmbeddings:
    """Return one row per phrase: the plain mean over the templates of the tower's unit vectors (RADSeg §4.1).

    The mean is not brought back to length 1: the cosine does that. The tower is not touched when every row is
    cached.

    Args:
        vocabulary: names and synonyms.
        tower: knows the space, hence the cleaning; may be a `LazyTower`.
        templates: sentences around each phrase; `NONE` takes each phrase as the whole prompt.
        cache: rows already computed by this very tower, and where new ones go; None computes all.
        progress: called with (rows done, rows in all) after each step.

    Raises:
        VocabularyError: for this tower a phrase is empty or two phrases are the same text.
        InputError: the tower did not return unit rows.
    """
    clean_phrases(vocabulary.rows, tower.space)
    clean = cleaning_of(tower.space)
    prompts = [tuple(clean(prompt) for prompt in templates.fill(phrase)) for phrase in vocabulary.rows]
    keys = [_key(tower.space, group) for group in prompts]
    rows = cache.read(keys) if cache else {}
    missing = {key: group for key, group in zip(keys, prompts, strict=True) if key not in rows}
    _report(progress, len(rows), len(keys))
    for new in _embed_missing(missing, tower):
        rows |= new
        if cache:
            cache.write(new)
        _report(progress, len(rows), len(keys))
    values = torch.stack([rows[key] for key in keys])
    return TextEmbeddings(vocabulary.names, values, vocabulary.row_class, tower.space)


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


def _embed_missing(missing: dict[str, Prompts], tower: TextTower) -> Iterator[dict[str, Float[Tensor, " e"]]]:
    for keys in _calls(missing):
        flat = [prompt for key in keys for prompt in missing[key]]
        per_prompt = _unit_rows(tower, flat)
        groups = torch.split(per_prompt, [len(missing[key]) for key in keys])
        yield {key: group.mean(dim=0) for key, group in zip(keys, groups, strict=True)}


def _calls(missing: dict[str, Prompts]) -> Iterator[Sequence[str]]:
    """Cut the keys into runs of at most _PROMPTS_PER_CALL prompts, at least one key each."""
    run: list[str] = []
    prompts = 0
    for key, group in missing.items():
        if run and prompts + len(group) > _PROMPTS_PER_CALL:
            yield run
            run, prompts = [], 0
        run.append(key)
        prompts += len(group)
    if run:
        yield run


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


def _key(space: str, prompts: Prompts) -> str:
    """Name an entry by all that decides its value, short of the tower itself, which the cache knows."""
    return hashlib.sha256("\0".join((space, *prompts)).encode()).hexdigest()


def _report(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)
