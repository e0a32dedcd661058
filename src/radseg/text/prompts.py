"""What a person hands over as prompts becomes embeddings, and the contrast bank where the mode needs it."""

from collections.abc import Sequence
from typing import Protocol

from radseg.errors import VocabularyError
from radseg.modes import Mode
from radseg.text.pack import VocabularyPack
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings

Prompts = str | Sequence[str] | Vocabulary | TextEmbeddings | VocabularyPack


class TextEncoder(Protocol):
    """Where text embeddings come from: a text tower behind its cache, or a toy."""

    @property
    def space(self) -> str:
        """Name of the space of the embeddings."""

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym."""

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the contrast bank without what `vocabulary` asks for itself."""


def embed_prompts(
    prompts: Prompts, encoder: TextEncoder, space: str, mode: Mode
) -> tuple[TextEmbeddings, TextEmbeddings | None]:
    """Return the embeddings of the names and, unless the mode is `assign`, of the contrast bank.

    Args:
        space: of the image features.

    Raises:
        VocabularyError: `assign` with a single name, or embeddings that bring no contrast bank.
        SpaceMismatchError: embeddings of another space.
    """
    contrast: TextEmbeddings | None
    if isinstance(prompts, VocabularyPack):
        text, contrast = prompts.embeddings, prompts.contrast
    elif isinstance(prompts, TextEmbeddings):
        text, contrast = prompts, None
    else:
        vocabulary = prompts if isinstance(prompts, Vocabulary) else Vocabulary.parse(prompts)
        if mode == "assign":
            text, contrast = encoder.embed(vocabulary), None
        else:
            text, contrast = encoder.embed_with_contrast(vocabulary)
    text.require_space(space)
    if mode == "assign":
        if len(text.names) == 1:
            raise VocabularyError(
                f"With {text.names[0]!r} alone, mode 'assign' gives it every pixel. Add more names, "
                "or use mode 'background' or 'independent'."
            )
        return text, None
    if contrast is None:
        raise VocabularyError(
            f"Mode {mode!r} needs the contrast bank, and these embeddings bring none. "
            "Make a pack with `radseg text` (it includes the bank), or use mode 'assign'."
        )
    return text, contrast
