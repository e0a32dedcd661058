"""Sentence frames around a class name: the published sets and the value that carries one.

What lives here: data and filling in. What does not: cleaning of text (clean.py), embedding (embed.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from radseg.errors import InputError

_SLOT = "{}"


@dataclass(frozen=True)
class TemplateSet:
    """Named sentence frames; each holds "{}" once, where the class name goes.

    Raises:
        InputError: there is no template, or one has no slot or more than one.
    """

    name: str
    templates: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.templates:
            raise InputError(f"The template set {self.name!r} is empty. Use NONE to embed names as they are.")
        for template in self.templates:
            if template.count(_SLOT) != 1:
                raise InputError(
                    f"The template {template!r} must hold {_SLOT} exactly once, where the name goes."
                )

    def fill(self, phrase: str) -> tuple[str, ...]:
        """Return one prompt per template, in order, with `phrase` inserted verbatim, braces included."""
        return tuple(template.replace(_SLOT, phrase) for template in self.templates)

    @property
    def sha256(self) -> str:
        """Hash of the templates in order, independent of the set's name."""
        return hashlib.sha256("\n".join(self.templates).encode()).hexdigest()


# The prompt ensemble published with CLIP for zero-shot ImageNet (arXiv 2103.00020 §3.1.4), in the published
# order, each ending with a full stop. RADSeg and all it is compared with use these 80. "a origami" is theirs.
IMAGENET_80 = TemplateSet(
    "imagenet80",
    (
        "a bad photo of a {}.",
        "a photo of many {}.",
        "a sculpture of a {}.",
        "a photo of the hard to see {}.",
        "a low resolution photo of the {}.",
        "a rendering of a {}.",
        "graffiti of a {}.",
        "a bad photo of the {}.",
        "a cropped photo of the {}.",
        "a tattoo of a {}.",
        "the embroidered {}.",
        "a photo of a hard to see {}.",
        "a bright photo of a {}.",
        "a photo of a clean {}.",
        "a photo of a dirty {}.",
        "a dark photo of the {}.",
        "a drawing of a {}.",
        "a photo of my {}.",
        "the plastic {}.",
        "a photo of the cool {}.",
        "a close-up photo of a {}.",
        "a black and white photo of the {}.",
        "a painting of the {}.",
        "a painting of a {}.",
        "a pixelated photo of the {}.",
        "a sculpture of the {}.",
        "a bright photo of the {}.",
        "a cropped photo of a {}.",
        "a plastic {}.",
        "a photo of the dirty {}.",
        "a jpeg corrupted photo of a {}.",
        "a blurry photo of the {}.",
        "a photo of the {}.",
        "a good photo of the {}.",
        "a rendering of the {}.",
        "a {} in a video game.",
        "a photo of one {}.",
        "a doodle of a {}.",
        "a close-up photo of the {}.",
        "a photo of a {}.",
        "the origami {}.",
        "the {} in a video game.",
        "a sketch of a {}.",
        "a doodle of the {}.",
        "a origami {}.",
        "a low resolution photo of a {}.",
        "the toy {}.",
        "a rendition of the {}.",
        "a photo of the clean {}.",
        "a photo of a large {}.",
        "a rendition of a {}.",
        "a photo of a nice {}.",
        "a photo of a weird {}.",
        "a blurry photo of a {}.",
        "a cartoon {}.",
        "art of a {}.",
        "a sketch of the {}.",
        "a embroidered {}.",
        "a pixelated photo of a {}.",
        "itap of the {}.",
        "a jpeg corrupted photo of the {}.",
        "a good photo of a {}.",
        "a plushie {}.",
        "a photo of the nice {}.",
        "a photo of the small {}.",
        "a photo of the weird {}.",
        "the cartoon {}.",
        "art of the {}.",
        "a drawing of the {}.",
        "a photo of the large {}.",
        "a black and white photo of a {}.",
        "the plushie {}.",
        "a dark photo of a {}.",
        "itap of a {}.",
        "graffiti of the {}.",
        "a toy {}.",
        "itap of my {}.",
        "a photo of a cool {}.",
        "a photo of a small {}.",
        "a tattoo of the {}.",
    ),
)

# The seven of them that CLIP's authors found by forward selection to carry most of the gain: eleven times
# cheaper to embed, for many names on a CPU.
IMAGENET_7 = TemplateSet(
    "imagenet7",
    (
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
)

SIMPLE = TemplateSet("simple", ("a photo of a {}.",))

# Each string is the whole prompt (the reference's mode "prompts").
NONE = TemplateSet("none", ("{}",))

TEMPLATE_SETS = (IMAGENET_80, IMAGENET_7, SIMPLE, NONE)


def template_set(name: str, among: Sequence[TemplateSet] = TEMPLATE_SETS) -> TemplateSet:
    """Return the set called `name`.

    Raises:
        InputError: no set has this name; the message lists those there are.
    """
    for candidate in among:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in among)
    raise InputError(f"There is no template set {name!r}; there are: {names}.")
