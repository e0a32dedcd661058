"""The text encoder of a model whose tower lies in the store: loaded when the first prompt arrives."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from radseg.models.text_towers import TextDtype, lazy_tower
from radseg.models.tower_identity import tower_identity
from radseg.text.cache import TextCache
from radseg.text.encoder import TowerTextEncoder
from radseg.text.pack import VocabularyPack
from radseg.text.templates import TemplateSet
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings
from radseg.weights.home import home
from radseg.weights.options import DownloadOptions
from radseg.weights.reporters import Reporter, duration_text
from radseg.weights.resolve import resolve_text_tower

_ON_CPU = 4  # prompts per call: a call is to take less than five seconds on two old cores, so a bar moves


@dataclass(frozen=True)
class StoredTextEncoder:
    """TextEncoder whose text tower is looked for when the first prompt arrives, so a pack never needs one.

    Attributes:
        space: the space the embeddings must be in.
        templates: sentences around each name.
        folder: of the tower; None takes it from the cache, downloading it there if need be.
        device: where the tower computes.
        dtype: in which it computes; rows of another are never taken from the cache.
        options: how it is fetched, and who is told of that and of the prompts.
    """

    space: str
    templates: TemplateSet
    folder: Path | None
    device: str
    dtype: TextDtype = "float32"
    options: DownloadOptions = field(default_factory=DownloadOptions)

    @cached_property
    def _encoder(self) -> TowerTextEncoder:
        folder = self.folder or resolve_text_tower(self.space, self.options)
        tower = lazy_tower(
            self.space,
            folder=folder,
            device=self.device,
            dtype=self.dtype,
            tell=self.options.reporter.announce,
        )
        identity = tower_identity(folder) + ("" if self.dtype == "float32" else f" in {self.dtype}")
        wait = PromptWait(self.options.reporter, self.space, self.templates, tower.ready)
        return TowerTextEncoder(
            tower, self.templates, TextCache(home() / "text", identity), at_once(self.device), wait
        )

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym."""
        with self.options.reporter.named("prompts", "prompts"):
            return self._encoder.embed(vocabulary)

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for itself."""
        with self.options.reporter.named("prompts", "prompts"):
            return self._encoder.embed_with_contrast(vocabulary)

    def embed_bank(self) -> TextEmbeddings:
        """Return the contrast bank, which is then ready for every later run."""
        with self.options.reporter.named("prompts", "prompts"):
            return self._encoder.embed_bank()

    def pack(self, vocabulary: Vocabulary) -> VocabularyPack:
        """Return the names and their contrast bank, ready for `save_pack`."""
        with self.options.reporter.named("prompts", "prompts"):
            return self._encoder.pack(vocabulary)

    def release(self) -> None:
        """Let go of a loaded tower (2.8 GB for SigLIP 2 so400m); the next new prompt loads it again."""
        self.__dict__.pop("_encoder", None)


def at_once(device: str) -> int:
    """Return how many prompts one call of a text tower gets on a device."""
    return _ON_CPU if device == "cpu" else 64


class PromptWait:
    """Says that prompts are being embedded: how many, for how long (measured on the first call), how far.

    Args:
        ready: loads the tower, so that the measured call does not include that.
    """

    def __init__(
        self, reporter: Reporter, space: str, templates: TemplateSet, ready: Callable[[], Any]
    ) -> None:
        self.reporter, self.space, self.ready = reporter, space, ready
        self.sentences = len(templates.templates)
        self._begin = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Tell the reporter; `done` is 0 before the first call of the tower."""
        if done == 0:
            fewer = " (--templates imagenet7: 7)" if self.sentences > 7 else ""
            self.reporter.announce(
                f"Embedding {total:,} prompts with {self.space}; they are kept for next time. A new name "
                f"takes {self.sentences}{fewer}."
            )
            self.ready()
            self._begin = time.perf_counter()
            self._estimated = False
        elif not self._estimated:
            self._estimated = True
            seconds = (time.perf_counter() - self._begin) / done * (total - done)
            if seconds >= 10:
                self.reporter.announce(f"That takes about {duration_text(seconds)} here.")
        self.reporter.progress(done, total)
