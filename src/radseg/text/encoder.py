"""The text encoder of a segmenter that has a text tower: embeds names, and the contrast bank beside them."""

from collections.abc import Callable
from dataclasses import dataclass

from radseg.text.cache import TextCache
from radseg.text.contrast import contrast_vocabulary
from radseg.text.embed import embed_vocabulary
from radseg.text.pack import VocabularyPack
from radseg.text.templates import IMAGENET_80, TemplateSet
from radseg.text.tower import TextTower
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings


@dataclass(frozen=True)
class TowerTextEncoder:
    """Embeds prompts with one tower, one template set and, if given, a disk cache of that tower's rows.

    Attributes:
        progress: called with (rows done, rows in all) while prompts are embedded.
    """

    tower: TextTower
    templates: TemplateSet = IMAGENET_80
    cache: TextCache | None = None
    progress: Callable[[int, int], None] | None = None

    @property
    def space(self) -> str:
        """Name of the space of the embeddings."""
        return self.tower.space

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym; see `embed_vocabulary`."""
        return embed_vocabulary(
            vocabulary, self.tower, self.templates, cache=self.cache, progress=self.progress
        )

    def contrast(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return the contrast bank without what `vocabulary` asks for itself."""
        return self.embed(contrast_vocabulary(vocabulary, self.space))

    def pack(self, vocabulary: Vocabulary) -> VocabularyPack:
        """Return the names and their contrast bank, ready for `save_pack`."""
        tower = self.cache.tower if self.cache else ""
        embeddings = self.embed(vocabulary)
        return VocabularyPack(embeddings, self.contrast(vocabulary), self.templates.name, tower)
