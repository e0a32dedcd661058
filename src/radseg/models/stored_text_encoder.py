"""The text encoder of a model whose tower lies in the store: loaded when the first prompt arrives."""

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from radseg.models.text_towers import lazy_tower
from radseg.models.tower_identity import tower_identity
from radseg.text.cache import TextCache
from radseg.text.encoder import TowerTextEncoder
from radseg.text.pack import VocabularyPack
from radseg.text.templates import TemplateSet
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings
from radseg.weights.home import home
from radseg.weights.resolve import resolve_text_tower

_LOGGER = logging.getLogger("radseg")


@dataclass(frozen=True)
class StoredTextEncoder:
    """TextEncoder whose text tower is looked for when the first prompt arrives, so a pack never needs one.

    Attributes:
        space: the space the embeddings must be in.
        templates: sentences around each name.
        folder: of the tower; None takes it from the cache, downloading it there if need be.
        device: where the tower computes.
    """

    space: str
    templates: TemplateSet
    folder: Path | None
    device: str

    @cached_property
    def _encoder(self) -> TowerTextEncoder:
        folder = self.folder or resolve_text_tower(self.space)
        tower = lazy_tower(self.space, folder=folder, device=self.device)
        rows = TextCache(home() / "text", tower_identity(folder))
        return TowerTextEncoder(tower, self.templates, rows, self._tell)

    def _tell(self, done: int, total: int) -> None:
        """Say that prompts are being embedded: on a CPU one takes up to half a minute, once."""
        if done < total:
            sentences = len(self.templates.templates)
            _LOGGER.warning(
                "Embedding prompts: %d of %d ready, %d sentences each; they are kept for next time.",
                done,
                total,
                sentences,
            )

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym."""
        return self._encoder.embed(vocabulary)

    def contrast(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return the contrast bank without what `vocabulary` asks for itself."""
        return self._encoder.contrast(vocabulary)

    def pack(self, vocabulary: Vocabulary) -> VocabularyPack:
        """Return the names and their contrast bank, ready for `save_pack`."""
        return self._encoder.pack(vocabulary)

    def release(self) -> None:
        """Let go of a loaded tower (2.8 GB for SigLIP 2 so400m); the next new prompt loads it again."""
        self.__dict__.pop("_encoder", None)
