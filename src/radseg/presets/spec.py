"""ModelSpec: which model, with which numbers, from where, on what machine. Loads nothing heavy."""

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from radseg.errors import InputError, MissingFileError
from radseg.presets.options import Options
from radseg.presets.plugins import load_installed
from radseg.presets.registry import Preset, require_taken
from radseg.presets.table import METHODS, PRESETS

Dtype = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)
FOR_CHECKPOINTS = "radseg-b"
"""The preset that a checkpoint named by its path is used with."""
SAM_DECODER = "sam-vit-h"
"""Catalogue row of what RADSeg+ needs beside RADIO."""
CHECKPOINT_SUFFIXES = frozenset({".tar", ".pth", ".pt", ".safetensors"})


AFTER_ENCODING = frozenset(
    {
        *("temperature", "denoising", "threshold", "all_denoised", "enlarge", "refine", "templates"),
        *("coarse_threshold", "min_area", "iou_threshold"),
    }
)
"""Options that work on the features of an image, so that changing one leaves the features as they are."""
_NOT_OF_FEATURES = {"text_dtype", "weights of text_tower", "weights of sam"}


def decides_features(parameter: str) -> bool:
    """Return whether the features of an image depend on one of `ModelSpec.parameters`, by its name.

    An option that is not known to work on them does: a method of one's own may have any.
    """
    return parameter.removeprefix("option ") not in AFTER_ENCODING | _NOT_OF_FEATURES


@dataclass(frozen=True)
class Places:
    """Where the parts of a model lie on this machine, and on what it computes; None and () are the defaults.

    Attributes:
        checkpoint: other weights for the backbone: a catalogue name, a file or a folder.
        text_tower: folder of the text tower; by default that of the features' space, from the cache.
        sam: SAM ViT-H's published or converted file, for presets that refine through RADIO's SAM adaptor.
        auxiliary: where the method's further networks lie, by catalogue name.
        drop: prefixes of tensors to leave out of a published file that holds some this version cannot place.
        device: "cpu", "cuda", "cuda:1", "mps".
        dtype: of weights and features. Similarities are float32 always.
        text_dtype: in which the text tower computes; "bfloat16" and "int8" are compared with "float32" first.
        accept_license: the caller accepts licences that restrict use (RADIO v2.5).
    """

    checkpoint: str | None = None
    text_tower: str | None = None
    sam: str | None = None
    auxiliary: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    device: str = "cpu"
    dtype: str = "float32"
    text_dtype: str = "float32"
    accept_license: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelSpec(Places):
    """A model as it is to be loaded; what every request holds. See Places for the other fields.

    Attributes:
        name: of the preset.
        options: every number, of the class that the preset's method declares.
    """

    name: str
    options: Options

    @property
    def preset(self) -> Preset:
        """The row of the table it is made from."""
        return PRESETS[self.name]

    @property
    def weights(self) -> str:
        """Catalogue name or path of the backbone's weights, or the name of a registered backbone."""
        return self.checkpoint or self.preset.checkpoint

    @property
    def title(self) -> str:
        """Its name, and the other weights if it has some: what tells two of one preset apart."""
        return self.name if self.checkpoint is None else f"{self.name} ({stated(self.checkpoint)})"

    def changed(self, **options: Any) -> "ModelSpec":
        """Return this model with other options.

        Raises:
            InputError: an option it does not have, or a bad value.
        """
        return replace(self, options=self.options.changed(options))

    def at(self, **places: Any) -> "ModelSpec":
        """Return this model with other places (see Places)."""
        return replace(self, **places)

    def given(self) -> dict[str, str]:
        """Return what parts come from that are not the preset's own, by their names; see `stated`."""
        return {name: stated(place) for name, place in self._given().items()}

    def _given(self) -> dict[str, str]:
        places = {"checkpoint": self.checkpoint, "text_tower": self.text_tower, "sam": self.sam}
        return {name: place for name, place in {**places, **self.auxiliary}.items() if place}

    def parameters(self) -> dict[str, Any]:
        """Return everything about the model that decides results, as flat JSON values.

        The only identity that a resumed run compares. Files are known by name, bytes and time of change:
        enough to notice that one was exchanged. Where they lie, the device and the memory budget decide
        nothing.
        """
        weights = {f"weights of {name}": _state_of(place) for name, place in self._given().items()}
        options = {f"option {name}": value for name, value in self.options.decisive().items()}
        return {
            "model": self.name,
            "dtype": self.dtype,
            "text_dtype": self.text_dtype,
            "drop": list(self.drop),
            **weights,
            **options,
        }


def model_spec(
    model: str | Path = "radseg-b",
    *,
    defaults: Callable[[Preset], Mapping[str, Any]] | None = None,
    **choices: Any,
) -> ModelSpec:
    """Return the model of that name, with choices.

    Args:
        model: a preset, or the path of a checkpoint to be used as "radseg-b" is.
        defaults: gives options in place of the preset's, as a protocol does; those it lacks are left out.
        **choices: fields of Places, and options that differ; see the class of the preset's options.

    Raises:
        InputError: unknown preset or option, or a value out of range; the message names the nearest.
        MissingFileError: a checkpoint that is not there.
    """
    name, path = _named(str(model))
    places: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for key, value in choices.items():
        (places if key in Places.__dataclass_fields__ else options)[key] = value
    if path is not None:
        places.setdefault("checkpoint", str(path))
    for key in ("checkpoint", "text_tower", "sam"):
        if places.get(key) is not None:
            places[key] = str(places[key])
    if places.get("sam") == SAM_DECODER:
        del places["sam"]
    places["auxiliary"] = {key: str(place) for key, place in (places.get("auxiliary") or {}).items()}
    places["drop"] = tuple(places.get("drop") or ())
    own = PRESETS[name].options
    if defaults is not None:
        own = own.changed(own.taken(defaults(PRESETS[name])))
    if unknown := set(options) - set(own.taken(options)):
        require_taken(name, METHODS[PRESETS[name].method], dict.fromkeys(unknown))
    return ModelSpec(name=name, options=own.changed(options), **places)


def stated(place: str) -> str:
    """Return how results call the source of weights: a catalogue name, or the last part of a path.

    No result says where on a disk a file lies; its SHA-256 stands beside its name. A file that is called as a
    row of the catalogue gets `./` in front: it is not that row.
    """
    from radseg.weights import catalog  # noqa: PLC0415

    path = Path(place).expanduser()
    rows = {row.name for row in catalog.ROWS}
    if not path.is_absolute() and not path.exists():
        return place
    name = Path(os.path.abspath(path)).name  # noqa: PTH100 - the link's own name, not that of a blob it leads to
    return f"./{name}" if name in rows else name


def titles_of(models: "Sequence[ModelSpec]") -> tuple[str, ...]:
    """Return a title for each model, none twice: of equally named weights with the folders above them."""
    titles = [model.title for model in models]
    for index, model in enumerate(models):
        alike = [other for other in models if other.title == model.title]
        if len(alike) > 1 and model.checkpoint is not None:
            places = [Path(os.path.abspath(str(other.checkpoint))) for other in alike]  # noqa: PTH100
            common = os.path.commonpath([place.parent for place in places])
            below = Path(os.path.abspath(model.checkpoint)).relative_to(common)  # noqa: PTH100
            titles[index] = f"{model.name} ({below.as_posix()})"
    return tuple(titles)


def preset_named(name: str) -> Preset:
    """Return the preset of that name.

    Raises:
        InputError: there is none; the message names the nearest.
    """
    load_installed()
    if name not in PRESETS:
        near = difflib.get_close_matches(name, PRESETS, n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"The models are {', '.join(PRESETS)}."
        raise InputError(
            f"There is no model {name!r} and no such file. {hint} `radseg models list` shows all."
        )
    return PRESETS[name]


def _named(model: str) -> tuple[str, Path | None]:
    """Return the preset's name, and the path of the checkpoint where `model` is one."""
    path = Path(model).expanduser()
    written_as_path = "/" in model or os.sep in model or path.suffix in CHECKPOINT_SUFFIXES
    if written_as_path and not path.exists():
        raise MissingFileError(
            f"There is no checkpoint {model}. `radseg models list` shows the models by name."
        )
    load_installed()
    if written_as_path or path.is_file() or (path.exists() and model not in PRESETS):
        return FOR_CHECKPOINTS, path
    return preset_named(model).name, None


def _state_of(place: str) -> list[list[str | int]] | str:
    """Return name, bytes and time of change of each file at a place; a catalogue name as it is."""
    path = Path(place).expanduser()
    if not path.exists():
        return stated(place)
    files: Sequence[Path] = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return [[name, status.st_size, status.st_mtime_ns] for name, status in stats]
