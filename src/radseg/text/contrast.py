"""The contrast bank: what competes with the asked-for names in the modes `background` and `independent`.

A softmax over the given names alone gives every pixel to one of them, and a single name gets probability 1
everywhere. So a few phrases that nobody asks for take part, and what they win is "none of these".
"""

from radseg.errors import VocabularyError
from radseg.text.clean import cleaning_of
from radseg.text.templates import IMAGENET_7, TemplateSet
from radseg.text.vocabulary import Vocabulary

# How they were chosen: (1) they describe any surface or object a little and none well, so a fitting name wins
# against them; (2) nobody looks for them; (3) none names a kind that people do ask for ("wall" or "sky" would
# take pixels from "building" or "cloud"); (4) amorphous regions and countable objects are both covered, since
# a bank of nouns for objects alone loses every patch of wall. The first four are the canonical phrases of
# LERF (arXiv 2303.09553). No benchmark number stands behind this list yet; `assign`, as in the papers, does
# not use it.
CONTRAST_PHRASES = (
    "object",
    "objects",
    "stuff",
    "texture",
    "background",
    "something else",
    "surface",
    "material",
)


def contrast_vocabulary(asked: Vocabulary, space: str) -> Vocabulary:
    """Return the contrast phrases that `asked` lacks, compared as the text tower of `space` reads them.

    Raises:
        VocabularyError: every contrast phrase is asked for, so nothing is left to compete with the names.
    """
    clean = cleaning_of(space)
    taken = {clean(phrase).lower() for phrase in asked.rows}
    left = [phrase for phrase in CONTRAST_PHRASES if clean(phrase).lower() not in taken]
    if not left:
        raise VocabularyError(
            "The names contain every phrase of the contrast bank, so nothing is left to mean 'none of "
            "these'. Remove one of them, or use the mode 'assign'."
        )
    return Vocabulary.parse(left)


def contrast_templates(templates: TemplateSet) -> TemplateSet:
    """Return the sentences around a contrast phrase where names have `templates`: the same, but at most 7.

    The mean over CLIP's 7 estimates the one over its 80, of which they are part, at an eleventh of the cost.
    The bank is ours and no paper's, so no published number depends on it (docs/experiments.md has what
    changes).
    """
    return templates if len(templates.templates) <= len(IMAGENET_7.templates) else IMAGENET_7
