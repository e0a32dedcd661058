"""What a person asked to be evaluated, and the parameters that must stay equal when a run goes on."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import radseg
from radseg.datasets.base import ImageSet
from radseg.errors import InputError
from radseg.evaluation.images.shards import Shard
from radseg.evaluation.paper.protocols import Protocol, released_names
from radseg.jobs.folder import OnExisting
from radseg.options import Options
from radseg.presets import PRESETS, check
from radseg.runs.models import FOR_CHECKPOINTS, checkpoint_path
from radseg.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class EvalRequest:
    """One evaluation.

    Attributes:
        images: the set.
        protocol: how it is evaluated.
        preset: name of a preset, or the path of a checkpoint to be used as "radseg-b" is.
        output: folder for the result.
        existing: what to do with an earlier evaluation there.
        settings: options of the preset that differ from preset and protocol, as ablations do.
        source: arguments of `presets.load` that say where weights come from (checkpoint, sam, …).
        device, dtype: as `presets.load` takes them.
        accept_license: as `presets.load` takes it.
        shard: the part this process does.
        limit: only the first images of the set; None takes all.
        vocabulary: the names asked for instead of the protocol's, one per class of the set.
        merge_only: evaluate nothing, only sum up what the shards have done.
    """

    images: ImageSet
    protocol: Protocol
    preset: str
    output: Path
    existing: OnExisting = "refuse"
    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    dtype: str = "float32"
    accept_license: bool = False
    shard: Shard = field(default_factory=Shard)
    limit: int | None = None
    vocabulary: Vocabulary | None = None
    merge_only: bool = False

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
            asked = (
                released_names(self.images.name, classes) if self.protocol.names == "released" else classes
            )
            return Vocabulary.parse(list(asked))
        if len(self.vocabulary.phrases) != len(classes):
            raise InputError(
                f"{len(self.vocabulary.phrases)} names are given for the {len(classes)} classes of "
                f"{self.images.name}; there must be one per class, in the order of the classes."
            )
        return self.vocabulary

    @property
    def base(self) -> str:
        """The preset that is loaded."""
        return FOR_CHECKPOINTS if checkpoint_path(self.preset) is not None else self.preset

    @property
    def changes(self) -> dict[str, Any]:
        """What differs from the preset: the protocol's choices for its method, then the person's."""
        preset = PRESETS.get(self.base)
        method = "radseg" if preset is None else preset.method
        return {**self.protocol.options(method), **self.settings}

    def options(self) -> Options:
        """Return every option as it will run.

        Raises:
            InputError: unknown preset, option, device or dtype, or a value out of range.
        """
        return check(self.base, device=self.device, dtype=self.dtype, changes=self.changes)[1]

    def parameters(self) -> dict[str, Any]:
        """Return everything that decides the confusion matrix, as JSON values."""
        path = checkpoint_path(self.preset)
        weights = [path] if path else [Path(place) for place in places(self.source).values()]
        return {
            "radseg": radseg.__version__,
            "dataset": self.images.name,
            "split": self.images.split,
            "images": len(self.ids),
            "image ids": hashlib.sha256("\n".join(self.ids).encode()).hexdigest()[:16],
            "preset": self.preset if path is None else str(path.resolve()),
            # Flat, so that a difference can be named.
            **{f"protocol {name}": value for name, value in self.protocol.as_dict().items()},
            **{f"option {name}": value for name, value in asdict(self.options()).items()},
            "names": [list(group) for group in self.prompts.phrases],
            "weights": places(self.source),
            "weight files": [
                [p.name, p.stat().st_size, p.stat().st_mtime_ns]
                for given in weights
                for p in (sorted(given.iterdir()) if given.is_dir() else [given])
                if p.is_file()
            ],
            "dtype": self.dtype,
        }


def places(source: Mapping[str, Any]) -> dict[str, str]:
    """Return where each part of a model was to come from, a method's further networks by their own names."""
    auxiliary: Mapping[str, Any] = source.get("auxiliary") or {}
    own = {name: place for name, place in source.items() if name != "auxiliary"}
    return {name: str(place) for name, place in {**own, **auxiliary}.items()}
