"""From a map folder and prompts to an answer: the map's model, alignment, cache, question."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radseg.errors import InputError
from radseg.files import shown
from radseg.modes import Mode

if TYPE_CHECKING:
    import torch

    from radseg.mapping.aligned import Align
    from radseg.mapping.objects import MapObject
    from radseg.mapping.query import Answer
    from radseg.mapping.semantic_map import SemanticMap
    from radseg.mapping.tracks import Tracks
    from radseg.presets.spec import Places
    from radseg.segment import Segmenter
    from radseg.types import TextEmbeddings
    from radseg.weights.reporters import Reporter


@dataclass(frozen=True)
class MapQuestion:
    """What a person asks.

    Attributes:
        prompts: names, or "a, b, c"; empty with an image.
        image: image of the object that is wanted, instead of prompts.
        mode: how names compete (see query.ask).
        threshold: of mode "independent".
        min_size: objects of which no side is as long are left out, metres; None is two voxels, and 5 cm.
        places: where the parts of the map's model lie here, and on what it computes.
    """

    map: Path
    prompts: Any = ()
    image: Path | None = None
    mode: Mode = "background"
    threshold: float = 0.5
    min_size: float | None = None
    places: "Places | None" = None


@dataclass(frozen=True, eq=False)
class MapFinding:
    """An answer, its objects, and the seconds of each step ("model", "voxels": aligning and scoring)."""

    answer: "Answer"
    objects: "Mapping[str, tuple[MapObject, ...]]"
    seconds: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return names, objects and best scores as JSON values; metres."""
        names = {}
        for name, objects in self.objects.items():
            best, place = self.answer.best_voxel(name)
            names[name] = {
                "found": bool(objects),
                "best": {"probability": round(best, 4), "at": [round(v, 4) for v in place]},
                "objects": [_object(one) for one in objects],
            }
        return {
            "mode": self.answer.mode,
            "voxels": len(self.answer.keys),
            "voxel_size": self.answer.voxel_size,
            "names": names,
            "seconds": {key: round(value, 3) for key, value in self.seconds.items()},
        }


@dataclass(frozen=True, eq=False)
class MapQuery:
    """A map that answers, with its model loaded: the first question pays for it, the others do not.

    Attributes:
        segmenter: None for maps of probabilities, which need none.
        folder: of the map; None for a map in memory, of which no aligned features are kept.
    """

    map: "SemanticMap"
    folder: Path | None = None
    segmenter: "Segmenter | None" = None

    @classmethod
    def open(
        cls,
        folder: Path,
        places: "Places | None" = None,
        downloads: "Reporter | None" = None,
    ) -> "MapQuery":
        """Return the map in a folder with the model it was built with.

        Args:
            places: where the parts of its model lie here; see MapQuestion.
            downloads: receives what is fetched of it.

        Raises:
            MissingFileError: no map there.
            InputError: a map of colours only, or the model differs from the one the map was built with.
            WeightsUnavailableError: the model's weights are not here.
        """
        from radseg.mapping.semantic_map import SemanticMap  # noqa: PLC0415

        opened = SemanticMap.open(folder)
        if opened.space == "none":
            raise InputError(f"{folder} holds colours only, no features; build it with a model: -m radseg-b.")
        if opened.names:
            return cls(opened, folder)
        return cls(opened, folder, model_of(opened, places, downloads))

    def ask(
        self,
        prompts: Any,
        *,
        mode: Mode = "background",
        threshold: float = 0.5,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Answer":
        """Return the map's answer to prompts; `progress` is called with the voxels done and in all.

        Raises:
            VocabularyError: no usable prompts, or a name a map of probabilities does not have.
        """
        from radseg.mapping.query import ask_probabilities  # noqa: PLC0415
        from radseg.text.vocabulary import Vocabulary  # noqa: PLC0415

        vocabulary = prompts if isinstance(prompts, Vocabulary) else Vocabulary.parse(prompts)
        if self.segmenter is None:
            answer = ask_probabilities(self.map, vocabulary.names, mode=mode, threshold=threshold)
            return self._placed(answer)
        text, contrast = self.segmenter.embed(vocabulary, mode=mode)
        return self._scored(text, contrast, mode, threshold, progress)

    def ask_image(
        self,
        path: Path,
        *,
        mode: Mode = "background",
        threshold: float = 0.5,
        progress: Callable[[int, int], None] | None = None,
    ) -> "Answer":
        """Return where the map looks like an image of an object, cut out closely.

        The object's features inside the image are averaged as those of a voxel are, and compete with
        what else the map is made of (`runs/image_query.py`).

        Raises:
            ImageError: not an image.
            InputError: the map has no features, or mode "assign", where one object would get every voxel.
        """
        from radseg.runs.image_query import image_prompts  # noqa: PLC0415

        if self.segmenter is None:
            raise InputError("A map of probabilities answers its own names only, not images.")
        if mode == "assign":
            raise InputError("An image is one object; use mode 'background' or 'independent'.")
        align = alignment(self.map, self.segmenter)
        text, contrast = image_prompts(
            path, self.segmenter, self.map, align, lambda width: self._parts(width, progress)
        )
        return self._scored(text, contrast, mode, threshold, None)

    def _scored(
        self,
        text: "TextEmbeddings",
        contrast: "TextEmbeddings | None",
        mode: Mode,
        threshold: float,
        progress: Callable[[int, int], None] | None,
    ) -> "Answer":
        from radseg.mapping.query import ask  # noqa: PLC0415

        assert self.segmenter is not None
        answer = ask(
            self._parts(text.values.shape[1], progress),
            text,
            contrast,
            mode=mode,
            voxel_size=self.map.voxel_size,
            temperature=self.segmenter.temperature,
            threshold=threshold,
        )
        return self._placed(answer)

    def _placed(self, answer: "Answer") -> "Answer":
        """Return the answer with what the map knows besides its voxels."""
        from radseg.mapping.up import up_axis  # noqa: PLC0415

        return replace(answer, up=up_axis(self.map), tracks=self._tracks)

    @cached_property
    def _tracks(self) -> "Tracks | None":
        from radseg.mapping.tracks import Tracks  # noqa: PLC0415

        return Tracks.of(self.map.load_sightings())

    @cached_property
    def _identity(self) -> str:
        """What names the map, its basis, and the encoder as it was loaded, not as the map describes it."""
        from radseg.runs.lifting import encoder_of  # noqa: PLC0415

        assert self.segmenter is not None
        named = self.map.build.get("identity") or self.map.digest
        encoder = [self.segmenter.encoder.space, encoder_of(self.segmenter)]
        return json.dumps([named, self.map.description.basis, encoder], sort_keys=True, default=str)

    def _parts(self, width: int, progress: Callable[[int, int], None] | None) -> Any:
        from radseg.mapping.aligned import AlignedCache, aligned_parts  # noqa: PLC0415
        from radseg.weights.home import home  # noqa: PLC0415

        assert self.segmenter is not None
        align = alignment(self.map, self.segmenter)
        if self.folder is None:
            return aligned_parts(self.map, align)
        return AlignedCache.of(home() / "aligned", align, self._identity, width).parts(self.map, progress)


def find_in_map(
    question: MapQuestion,
    progress: Callable[[int, int], None] | None = None,
    downloads: "Reporter | None" = None,
) -> MapFinding:
    """Return where the named or shown objects are in a map.

    Raises:
        InputError, MissingFileError, WeightsUnavailableError: as MapQuery.
    """
    from radseg.mapping.identity import identified  # noqa: PLC0415

    start = time.perf_counter()
    query = MapQuery.open(question.map, question.places, downloads)
    loaded = time.perf_counter()
    choices: dict[str, Any] = {"mode": question.mode, "threshold": question.threshold, "progress": progress}
    if question.image is None:
        answer = query.ask(question.prompts, **choices)
    else:
        answer = query.ask_image(question.image, **choices)
    asked = time.perf_counter()
    found = answer.objects(min_size=question.min_size)
    objects = identified(found, answer.keys, query.map.load_sightings(), answer.tracks)
    seconds = {"model": loaded - start, "voxels": asked - loaded, "objects": time.perf_counter() - asked}
    return MapFinding(answer, objects, seconds)


def alignment(semantic_map: "SemanticMap", segmenter: "Segmenter") -> "Align | None":
    """Return what brings a map's values into the text space; None where they are in it.

    Raises:
        InputError: the model's features are others than the map's.
    """
    from radseg.methods.base import BackboneEncoder  # noqa: PLC0415
    from radseg.ops.inference import inference  # noqa: PLC0415

    encoder = segmenter.encoder
    if semantic_map.space == encoder.space:
        return None
    backbone = encoder if isinstance(encoder, BackboneEncoder) else None
    ours = encoder.space if backbone is None else backbone.backbone_space
    if backbone is None or semantic_map.space != ours:
        raise InputError(
            f"The map's features are of {semantic_map.space!r}, the model's of {ours!r}; load the model the "
            "map was built with."
        )

    @inference()
    def align(values: "torch.Tensor") -> "torch.Tensor":
        return backbone.align(values).float().cpu()

    return align


def model_of(
    semantic_map: "SemanticMap", places: "Places | None" = None, downloads: "Reporter | None" = None
) -> "Segmenter":
    """Return the model a map was built with, as the map's description of its encoder says.

    Args:
        places: where its parts lie here, and on what it computes.
        downloads: receives what is fetched.

    Raises:
        InputError: the map does not name its model, names a file that `places` does not, or its weights
            or channels differ from those it was built with.
    """
    import torch  # noqa: PLC0415

    from radseg.presets.load import fetch_and_load  # noqa: PLC0415
    from radseg.presets.spec import Places, model_spec, preset_named  # noqa: PLC0415
    from radseg.runs.lifting import FeatureLift, encoder_of  # noqa: PLC0415
    from radseg.weights.reporters import LOGGED  # noqa: PLC0415

    encoder = semantic_map.description.encoder
    preset = preset_named(str(encoder.get("preset")))
    options = preset.options.taken(dict(encoder.get("options", {})))
    options["refine"] = "none"  # a question is put to voxels, not to an image
    here = places or Places()
    built_with = encoder.get("checkpoint")
    if here.checkpoint is None and built_with not in (None, preset.checkpoint):
        here = replace(here, checkpoint=_catalogue_name(str(built_with)))
    segmenter = fetch_and_load(model_spec(preset.name, **vars(here), **options), downloads or LOGGED)
    _require_same_weights(encoder, encoder_of(segmenter))
    channels = len(FeatureLift(segmenter)(torch.zeros(3, 32, 32)))
    if channels != semantic_map.channels:
        raise InputError(
            f"The map's values have {semantic_map.channels} channels, the features of the model that it "
            f"names have {channels}: it is not of this model. Build it again."
        )
    return segmenter


def _catalogue_name(built_with: str) -> str:
    """Return the catalogue name that a map gives for its weights; raise InputError where it is none.

    A map may come from anywhere: a file that only the map names is not looked for, read or hashed.
    """
    from radseg.weights import catalog  # noqa: PLC0415

    if any(row.name == built_with for row in catalog.ROWS) and not os.path.lexists(built_with):
        return built_with
    raise InputError(
        f"The map was built with weights of its own, {shown(built_with)}. A map may come from anywhere, so a "
        "file that only the map names is not opened, nor does it say where it lay. Say where they are: "
        f"--checkpoint {shown(Path(built_with).name)}"
    )


def _require_same_weights(map_encoder: Mapping[str, Any], encoder: Mapping[str, Any]) -> None:
    """Raise InputError if the weights of a map's encoder and those of another differ; see `encoder_of`."""
    theirs, ours = (
        {"the backbone": one.get("sha256"), **one.get("auxiliary", {})} for one in (map_encoder, encoder)
    )
    for name in theirs:
        if ours.get(name) != theirs[name]:
            built, loaded = (str(one.get(name) or "unknown")[:16] for one in (theirs, ours))
            raise InputError(
                f"The map was built with other weights of {name} (SHA-256 {built}…) than those loaded "
                f"({loaded}…); load those it was built with, with --checkpoint where it is the backbone."
            )


def _object(one: "MapObject") -> dict[str, Any]:
    def rounded(values: Sequence[float]) -> list[float]:
        return [round(value, 4) for value in values]

    return {
        "id": one.id,
        "score": round(one.score, 4),
        "probability": round(one.probability, 4),
        "peak": round(one.peak, 4),
        "voxels": one.voxels,
        "centroid": rounded(one.centroid),
        "box": {"low": rounded(one.low), "high": rounded(one.high)},
        "oriented_box": {
            "centre": rounded(one.box.centre),
            "size": rounded(one.box.size),
            "axes": [rounded(axis) for axis in one.box.axes],
        },
        "frames": list(one.frames),
    }
