"""Query a map: probabilities of names per voxel, streamed part by part, and the objects they form."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor

from radseg.errors import InputError, VocabularyError
from radseg.mapping.objects import MapObject, objects_of
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.tracks import Tracks
from radseg.modes import Mode
from radseg.ops.cosine import point_cosine
from radseg.ops.inference import inference
from radseg.scoring import INDEPENDENT_THRESHOLD, TEMPERATURE, Cosines, decide
from radseg.types import TextEmbeddings, Up


class AlignedPart(NamedTuple):
    """Some voxels with features in a text space."""

    keys: Int[Tensor, "m 3"]
    features: Float[Tensor, "m e"]
    """Unit length (zero where a voxel has no direction), float16 or float32."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a map says to some names; voxels in the order of the map.

    Attributes:
        scores: probability of every name in every voxel.
        labels: the voxel's name counted from 1, 0 for none of them.
        mode: how the names competed ("probabilities" maps: "assign", among the names of the map).
        threshold: probability from which a voxel has a name in mode `independent`.
        up: world axis that points up, for the boxes of objects.
        tracks: what the frames say of objects; None where they noted nothing of them.
    """

    names: tuple[str, ...]
    keys: Int64[np.ndarray, "m 3"]
    scores: Float32[np.ndarray, "c m"]
    labels: Int64[np.ndarray, "m"]
    mode: Mode
    threshold: float
    voxel_size: float
    up: Up = "+z"
    tracks: Tracks | None = None

    def objects(self, *, min_size: float | None = None) -> dict[str, tuple[MapObject, ...]]:
        """Return the objects found under every name, best first; an empty tuple where there is none.

        In mode `independent` a voxel may have several names; otherwise it has one. `objects_of` tells more.

        Args:
            min_size: of the longest side of an object, metres.
        """
        return {
            name: objects_of(
                name,
                self.keys,
                self.scores[i],
                self.scores[i] >= self.threshold if self.mode == "independent" else self.labels == i + 1,
                voxel_size=self.voxel_size,
                min_size=min_size,
                up=self.up,
                tracks=self.tracks,
            )
            for i, name in enumerate(self.names)
        }

    def best_voxel(self, name: str) -> tuple[float, tuple[float, float, float]]:
        """Return the highest probability of `name` and the centre of its voxel in metres."""
        scores = self.scores[self.names.index(name)]
        best = int(scores.argmax())
        x, y, z = (float(i) * self.voxel_size for i in self.keys[best])
        return float(scores[best]), (x, y, z)


@inference()
def ask(
    parts: Iterable[AlignedPart],
    text: TextEmbeddings,
    contrast: TextEmbeddings | None,
    *,
    mode: Mode,
    voxel_size: float,
    temperature: float = TEMPERATURE,
    threshold: float = INDEPENDENT_THRESHOLD,
) -> Answer:
    """Return the probabilities of the names of `text` in every voxel.

    The modes are those of images: "background" lets the contrast bank win voxels that no name fits,
    "independent" judges every name alone against it, "assign" gives every voxel a name. So an object that is
    not there is not found, rather than invented.

    Args:
        parts: all voxels, aligned to the space of `text`.
        contrast: the bank; None in mode "assign".
        threshold: of mode "independent".

    Raises:
        VocabularyError: "assign" with one name, or another mode without a bank.
        InputError: the map is empty.
    """
    if mode == "assign" and len(text.names) == 1:
        raise VocabularyError(
            f"With {text.names[0]!r} alone, mode 'assign' gives it every voxel. Add more names, or use "
            "mode 'background' or 'independent'."
        )
    if mode != "assign" and contrast is None:
        raise VocabularyError(f"Mode {mode!r} needs the contrast bank; embed it, or use mode 'assign'.")
    bank = None if mode == "assign" else contrast
    rows = (text if bank is None else text.followed_by(bank)).values
    keys, scores, labels = [], [], []
    for part in parts:
        cosines = Cosines.of_rows(point_cosine(part.features, rows), text, bank)
        probabilities, none = cosines.probabilities(mode, temperature=temperature)
        least = threshold if mode == "independent" else 0.0
        keys.append(part.keys)
        scores.append(probabilities)
        labels.append(decide(probabilities, none=none, threshold=least).labels.long())
    if not keys:
        raise InputError("The map has no voxels to ask.")
    return Answer(
        text.names,
        torch.cat(keys).numpy(),
        torch.cat(scores, dim=1).numpy(),
        torch.cat(labels).numpy(),
        mode,
        threshold,
        voxel_size,
    )


@inference()
def ask_probabilities(
    semantic_map: SemanticMap, names: tuple[str, ...], *, mode: Mode, threshold: float = INDEPENDENT_THRESHOLD
) -> Answer:
    """Return what a map of probabilities says to some of its own names; no text is embedded.

    A voxel has the name that is its best among all names of the map; in mode "independent" every name that is
    at least `threshold` probable there. No contrast bank took part when the map was built, so the answer to
    "background" is that to "assign", and says so in its mode.

    Raises:
        VocabularyError: a name the map was not built with.
        InputError: the map is empty.
    """
    unknown = [name for name in names if name not in semantic_map.names]
    if unknown:
        raise VocabularyError(
            f"This map holds probabilities of fixed names and knows no {', '.join(map(repr, unknown))}; it "
            f"knows {', '.join(semantic_map.names)}. Build a map in feature space to ask for any prompt."
        )
    columns = [semantic_map.names.index(name) for name in names]
    number = torch.zeros(len(semantic_map.names) + 1, dtype=torch.int64)
    number[torch.tensor(columns) + 1] = torch.arange(1, len(names) + 1)
    keys, scores, labels = [], [], []
    for chunk in semantic_map.chunks():
        probabilities = chunk.values.T
        keys.append(chunk.keys)
        scores.append(probabilities[columns])
        nothing = torch.zeros_like(probabilities[:1])  # wins where no name is probable at all
        labels.append(number[decide(probabilities, none=nothing).labels.long()])
    if not keys:
        raise InputError("The map has no voxels to ask.")
    return Answer(
        names,
        torch.cat(keys).numpy(),
        torch.cat(scores, dim=1).contiguous().numpy(),
        torch.cat(labels).numpy(),
        "assign" if mode == "background" else mode,
        threshold,
        semantic_map.voxel_size,
    )
