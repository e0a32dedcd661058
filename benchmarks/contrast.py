"""What fewer sentences for the contrast bank change: `python -m benchmarks.contrast [--rooms 60]`.

On the miniature's unseen rooms, names in CLIP's 80 sentences and the bank in 80, 7, 1 or none of them. Its
text tower adds up the words it knows and passes over others, so this says what sentences do to a bank, not
what SigLIP makes of them.
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np
from training.miniature.evaluate import questions, segmenter

from radseg.metrics.means import mean_interval
from radseg.miniature import load_parts
from radseg.text.contrast import contrast_vocabulary
from radseg.text.embed import embed_vocabularies
from radseg.text.templates import IMAGENET_7, IMAGENET_80, NONE, SIMPLE, TemplateSet
from radseg.text.vocabulary import Vocabulary
from radseg.types import TextEmbeddings


@dataclass(frozen=True)
class Banked:
    """A text encoder whose bank has sentences of its own."""

    tower: object
    bank: TemplateSet
    space: str = "miniature"

    def embed_with_contrast(self, vocabulary: Vocabulary) -> tuple[TextEmbeddings, ...]:
        """Return names in 80 sentences and the bank in its own."""
        contrast = contrast_vocabulary(vocabulary, self.space)
        return embed_vocabularies([(vocabulary, IMAGENET_80), (contrast, self.bank)], self.tower)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=60)
    rooms = list(questions(range(7000, 7000 + parser.parse_args().rooms)))
    radio, tower = load_parts()
    plain = segmenter(radio, tower)
    encoded = [plain.encode(room.view.rgb) for room in rooms]
    shares = {}
    for bank in (IMAGENET_80, IMAGENET_7, SIMPLE, NONE):
        one = replace(plain, text_encoder=Banked(tower, bank))
        right, false = [], []
        for room, features in zip(rooms, encoded, strict=True):
            size = room.truth.shape
            for names, into in ((room.asked, right), (room.asked[room.present :], false)):
                text, contrast = one.embed(list(names), mode="background")
                found = one.decode(features, size, text, contrast, mode="background").labels.astype(int) - 1
                wanted = found == room.truth
                into.append(wanted[room.truth >= 0].mean() if into is right else (found >= 0).mean())
        shares[bank.name] = np.array(right), np.array(false)
    whole = shares[IMAGENET_80.name]
    for name, both in shares.items():
        pairs = zip(both, whole, strict=True)
        cells = [f"{values.mean():.3f} {_change(values - base)}" for values, base in pairs]
        print(f"bank in {name}: right area {cells[0]}, false area of absent names {cells[1]}")


def _change(difference: np.ndarray) -> str:
    mean, low, high = mean_interval(difference)
    return f"({mean:+.4f} [{low:+.4f}, {high:+.4f}])"


if __name__ == "__main__":
    main()
