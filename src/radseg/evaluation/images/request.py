"""What a person asked to be evaluated, and the parameters that must stay equal when a run goes on."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

import radseg
from radseg.datasets.base import ImageSet
from radseg.errors import InputError
from radseg.evaluation.images.shards import Shard
from radseg.evaluation.paper.protocols import Protocol, released_names
from radseg.jobs.folder import OnExisting
from radseg.presets.spec import ModelSpec
from radseg.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class EvalRequest:
    """One evaluation.

    Attributes:
        images: the set.
        protocol: how it is evaluated.
        model: with the protocol's options among its own: `model_spec(…, defaults=protocol.options)`.
        output: folder for the result.
        existing: what to do with an earlier evaluation there.
        shard: the part this process does.
        limit: only the first images of the set; None takes all.
        vocabulary: the names asked for instead of the protocol's, one per class of the set.
        merge_only: evaluate nothing, only sum up what the shards have done.
        data: folder of the set, which no file that is written names; None where it has none.
        keep_paths: whether the result names that folder all the same.
        objects: whether objects are judged too, beside the classes of the pixels.

    Raises:
        InputError: objects are to be judged, and the set has none.
    """

    images: ImageSet
    protocol: Protocol
    model: ModelSpec
    output: Path
    existing: OnExisting = "refuse"
    shard: Shard = field(default_factory=Shard)
    limit: int | None = None
    vocabulary: Vocabulary | None = None
    merge_only: bool = False
    data: Path | None = None
    keep_paths: bool = False
    objects: bool = False

    def __post_init__(self) -> None:
        if self.objects and not hasattr(self.images, "stuff"):
            raise InputError(
                f"{self.images.name} has classes of pixels but no objects; --objects goes with miniature and "
                "cocopanoptic, or with a registered set that has `stuff` and gives `segments`."
            )

    @property
    def stuff(self) -> Bool[np.ndarray, " c"]:
        """Which classes are stuff; of a set without objects all."""
        return np.array(getattr(self.images, "stuff", (True,) * len(self.images.names)), np.bool_)

    @property
    def ids(self) -> tuple[str, ...]:
        """The images of all shards together."""
        return self.images.ids[: self.limit]

    @property
    def prompts(self) -> Vocabulary:
        """The names asked for.

        Raises:
            InputError: not one per class.
        """
        classes = self.images.names
        if self.vocabulary is None:
            if self.protocol.names == "dataset":
                return Vocabulary.parse(list(classes))
            asked = released_names(self.images.name, classes, self.model.preset.method)
            return Vocabulary.parse([name.split(", ") for name in asked])
        if len(self.vocabulary.phrases) != len(classes):
            raise InputError(
                f"{len(self.vocabulary.phrases)} names are given for the {len(classes)} classes of "
                f"{self.images.name}; there must be one per class, in the order of the classes."
            )
        return self.vocabulary

    def parameters(self) -> dict[str, Any]:
        """Return everything that decides the confusion matrix, as flat JSON values."""
        return {
            "radseg": radseg.__version__,
            "dataset": self.images.name,
            "split": self.images.split,
            "images": len(self.ids),
            "image ids": hashlib.sha256("\n".join(self.ids).encode()).hexdigest()[:16],
            **{f"protocol {name}": value for name, value in self.protocol.as_dict().items()},
            **self.model.parameters(),
            "objects": self.objects,
            "names": [list(group) for group in self.prompts.phrases],
        }
