"""The text encoder of a segmenter that has a text tower: embeds names, and the contrast bank beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

from radseg.text.cache import TextCache
from radseg.text.contrast import CONTRAST_PHRASES, contrast_templates, contrast_vocabulary
from radseg.text.embed import AT_ONCE, Progress, embed_vocabularies
from radseg.text.pack import VocabularyPack
from radseg.text.templates import IMAGENET_80, TemplateSet
from radseg.text.tower import TextTower
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings


@dataclass(frozen=True)
class TowerTextEncoder:
    """Embeds prompts with one tower, one template set and, if given, a disk cache of that tower's rows.

    Attributes:
        at_once: prompts per call of the tower.
        progress: is told how many prompts are embedded, of how many.
    """

    tower: TextTower
    templates: TemplateSet = IMAGENET_80
    cache: TextCache | None = None
    at_once: int = AT_ONCE
    progress: Progress | None = None

    @property
    def space(self) -> str:
        """Name of the space of the embeddings."""
        return self.tower.space

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym; see `embed_vocabularies`."""
        return self._embedded([(vocabulary, self.templates)])[0]

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for, in the same calls."""
        bank = contrast_vocabulary(vocabulary, self.space)
        names, contrast = self._embedded(
            [(vocabulary, self.templates), (bank, contrast_templates(self.templates))]
        )
        return names, contrast

    def embed_bank(self) -> TextEmbeddings:
        """Return the whole contrast bank: with a cache it is ready from then on."""
        return self._embedded([(Vocabulary.parse(CONTRAST_PHRASES), contrast_templates(self.templates))])[0]

    def pack(self, vocabulary: Vocabulary) -> VocabularyPack:
        """Return the names and their contrast bank, ready for `save_pack`."""
        tower = self.cache.tower if self.cache else ""
        return VocabularyPack(*self.embed_with_contrast(vocabulary), self.templates.name, tower)

    def _embedded(self, asked: Sequence[tuple[Vocabulary, TemplateSet]]) -> tuple[TextEmbeddings, ...]:
        return embed_vocabularies(
            asked, self.tower, cache=self.cache, at_once=self.at_once, progress=self.progress
        )
