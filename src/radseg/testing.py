"""A toy model with meaning, for tests and examples: colours are features, colour words are the vocabulary.

A patch's feature says how close its mean colour is to each point of a colour lattice; a colour word is the
feature of its colour. One constant component stands for "anything", which is where contrast phrases point. No
weights needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import VocabularyError
from radseg.ops.resize import image_size, resize, round_to_patch
from radseg.text.contrast import CONTRAST_PHRASES
from radseg.text.vocabulary import Vocabulary
from radseg.types import LanguageFeatures, Rgb, Size, TextEmbeddings

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (220, 30, 30),
    "green": (30, 160, 50),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 40),
    "orange": (240, 140, 20),
    "purple": (130, 40, 160),
    "brown": (120, 75, 35),
    "pink": (250, 150, 190),
    "cyan": (60, 210, 220),
}
SPACE = "toy-colour"
ANYTHING = 0.8  # cosine of the constant component with everything; "none" wins below a colour cosine of 0.44
BANDWIDTH = 0.18  # of the lattice kernel, in units of the [0, 1] colour cube


@dataclass(frozen=True)
class ColourEncoder:
    """DenseEncoder whose feature is the mean colour of a patch.

    Attributes:
        patch: side of a patch in pixels.
    """

    patch: int = 8
    space: str = SPACE

    def encode(self, images: Sequence[Rgb]) -> list[LanguageFeatures]:
        """Return one feature map per image."""
        return [LanguageFeatures(self._features(image), self.space) for image in images]

    def encoding_bytes(self, size: Size, _: int) -> int:
        """Return the bytes that features of an image of `size` take: a lattice of 125 per patch."""
        legal = round_to_patch(size, self.patch)
        return legal.height * legal.width * (12 + 5 * 4 * 126 // self.patch**2)

    def _features(self, image: Rgb) -> Float[Tensor, "e h w"]:
        legal = resize(image, round_to_patch(image_size(image), self.patch))
        colours = F.avg_pool2d(legal[None], self.patch)[0]
        return colour_features(colours.flatten(1).mT).mT.unflatten(1, colours.shape[1:])


@dataclass(frozen=True)
class ColourTextEncoder:
    """TextEncoder that knows the colours of COLOURS, alone ("red") or as the first word ("red ball")."""

    space: str = SPACE

    def embed(self, vocabulary: Vocabulary) -> TextEmbeddings:
        """Return one row per name and synonym.

        Raises:
            VocabularyError: a word that is no colour; the message lists the colours.
        """
        values = colour_features(torch.tensor([_colour(phrase) for phrase in vocabulary.rows]) / 255)
        return TextEmbeddings(vocabulary.names, values, vocabulary.row_class, self.space)

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, TextEmbeddings]:
        """Return the same and the bank: one row that is equally near to every colour."""
        row = F.pad(torch.zeros(1, len(_lattice())), (0, 1), value=1.0)
        return self.embed(vocabulary), TextEmbeddings(CONTRAST_PHRASES[:1], row, (0,), self.space)


def colour_features(colours: Float[Tensor, "p 3"]) -> Float[Tensor, "p e"]:
    """Return the unit feature of each colour in [0, 1]."""
    near = (-torch.cdist(colours, _lattice()).square() / (2 * BANDWIDTH**2)).exp()
    return F.pad(F.normalize(near, dim=1) * (1 - ANYTHING**2) ** 0.5, (0, 1), value=ANYTHING)


def _lattice() -> Float[Tensor, "k 3"]:
    steps = torch.linspace(0, 1, 5)
    return torch.cartesian_prod(steps, steps, steps)


def _colour(word: str) -> tuple[int, int, int]:
    first = word.lower().split()[0]
    if first not in COLOURS:
        raise VocabularyError(
            f"The toy model knows colours only; {word!r} begins with none of: {', '.join(COLOURS)}."
        )
    return COLOURS[first]


def draw_scene(height: int = 480, width: int = 640) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a drawn landscape with a house, uint8 H×W×3, the same every time."""
    y, x = np.mgrid[0:height, 0:width] / height
    sky = np.stack([70 - 40 * (1 - y), 100 - 40 * (1 - y), 225 - 10 * y], axis=-1)
    hill = y > 0.62 + 0.07 * np.sin(3.1 * x)
    grass = np.stack([45 - 20 * y, 185 - 40 * y, 70 - 30 * y], axis=-1)
    image = Image.fromarray(np.where(hill[..., None], grass, sky).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for left, top, size in ((80, 80, 46), (120, 60, 60), (170, 84, 44)):
        draw.ellipse((left, top, left + 2 * size, top + size), fill=(246, 246, 250))
    draw.ellipse((500, 40, 590, 130), fill=(243, 222, 44))
    draw.rectangle((350, 250, 540, 400), fill=(214, 38, 36))
    draw.polygon([(325, 255), (565, 255), (445, 165)], fill=(122, 76, 38))
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
