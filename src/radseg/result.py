"""Segmentation: what one image was found to hold, and every form it can be looked at, saved and passed on."""

import difflib
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Integer, UInt8
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from radseg.errors import InputError, MissingFileError
from radseg.files import ending_of, json_of, name_of, opened, write_bytes, write_to
from radseg.io import image_bytes, label_dtype, label_png_bytes
from radseg.io.formats.classes import classes_json, json_bytes
from radseg.io.formats.coco import coco
from radseg.io.formats.masks import ClassMask
from radseg.io.formats.npz import NPZ_FORMAT, npz_bytes
from radseg.io.formats.supervision import supervision_detections
from radseg.io.formats.transformers import pipeline_entries, segments_info
from radseg.io.labels import LabelMap, label_counts, label_sums
from radseg.modes import Mode
from radseg.objects import ImageObject, connected_objects, objects_json, panoptic, restored_objects
from radseg.visual import heat_map, legend, overlay, stacked

SAVED_OF_OBJECT = ("name", "label", "score", "box", "stuff", "how")
SUFFIXES = (".png", ".npz", ".json")
NOTEBOOK_SIDE = 1000
"""Pixels: what a notebook shows of a result; an overlay of 12 megapixels makes a cell of 20 MB."""


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """The segmentation of one image.

    Attributes:
        names: the c names, in the caller's order; name i is label i + 1.
        labels: one label per pixel; 0 = none. uint8 up to 254 names, uint16 above.
        confidence: probability of the winning name at every pixel, 0 to 1.
        scores: probabilities of the names on the patch grid, which covers the whole image; 0 where a name was
            denoised away.
        mode: how the names competed: "assign", "background" or "independent".
        presence: highest probability of every name anywhere in the image, 0 to 1; None where not judged.
        threshold: probability below which a pixel is none; in `independent` mode, from which it belongs to a
            name.
        meta: preset, checkpoint sha256, parameters, seconds per stage.
        image: the image the labels belong to, or None where it was not kept.
        source: path of the file it came from, as it was given; "" for an image that was in memory. Not saved.
        found: its objects, best first, no pixel in two; None where nobody looked for them.
    """

    names: tuple[str, ...]
    labels: LabelMap
    confidence: Float32[np.ndarray, "H W"]
    scores: Float[Tensor, "c h w"]
    mode: Mode
    presence: tuple[float, ...] | None = None
    threshold: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)
    image: UInt8[np.ndarray, "H W 3"] | None = None
    source: str = ""
    found: Sequence[ImageObject] | None = None

    def __post_init__(self) -> None:
        wanted = np.dtype(label_dtype(len(self.names)))
        if self.labels.dtype != wanted:
            raise InputError(f"Labels of {self.labels.dtype} for {len(self.names)} names; must be {wanted}.")
        shape = self.labels.shape
        if self.confidence.shape != shape or (self.image is not None and self.image.shape[:2] != shape):
            raise InputError(f"Confidence and image must have the size of the labels, {shape}.")
        if self.scores.shape[0] != len(self.names):
            raise InputError(f"{self.scores.shape[0]} score maps for {len(self.names)} names.")
        if self.presence is not None and len(self.presence) != len(self.names):
            raise InputError(f"{len(self.presence)} presence values for {len(self.names)} names.")

    def __repr__(self) -> str:
        height, width = self.labels.shape
        found = sorted(((share, name) for name, share in self.areas.items() if share > 0), reverse=True)
        parts = [f"{_short(name)} {_percent(share)}" for share, name in found[:12]]
        if len(found) > 12:
            parts.append(f"… {len(found) - 12} more")
        none = float(np.mean(self.labels == 0)) if self.labels.size else 0.0
        if none > 0:
            parts.append(f"(none) {_percent(none)}")
        return f"Segmentation({width}×{height}, {self.mode}: {', '.join(parts)})"

    @property
    def areas(self) -> dict[str, float]:
        """Share of the image per name, 0 to 1. In `independent` mode names overlap, the sum may exceed 1."""
        pixels = max(self.labels.size, 1)
        if self.mode == "independent":
            return {name: int(self.mask(name).sum()) / pixels for name in self.names}
        counts = label_counts(self.labels, len(self.names))
        return {name: int(counts[label]) / pixels for label, name in enumerate(self.names, start=1)}

    @property
    def masks(self) -> Bool[np.ndarray, "c H W"]:
        """One mask per name: its pixels in the label map; in `independent` mode all it claims for itself."""
        stack = [self.mask(name) for name in self.names]
        return np.array(stack, dtype=bool).reshape(len(stack), *self.labels.shape)

    def __getitem__(self, name: str) -> Bool[np.ndarray, "H W"]:
        """Return where one name is, as `mask` does: `result["wall"]`.

        Raises:
            InputError: not one of the names; the message has the nearest.
        """
        return self.mask(name)

    def mask(self, name: str) -> Bool[np.ndarray, "H W"]:
        """Return where one name is; see `masks`.

        Raises:
            InputError: not one of the names.
        """
        index = self._index(name)
        if self.mode != "independent":
            return np.equal(self.labels, index + 1)
        if not bool((self.scores[index] >= self.threshold).any()):  # upsampling never exceeds the maximum
            return np.zeros(self.labels.shape, dtype=bool)
        return np.greater_equal(self.probability(name), self.threshold)

    def probability(self, name: str) -> Float32[np.ndarray, "H W"]:
        """Return the probability of one name at every pixel, bilinear from the patch grid, 0 to 1.

        Raises:
            InputError: not one of the names.
        """
        index = self._index(name)
        return self._upsampled(self.scores[index : index + 1])[0]

    def probabilities(self) -> Float32[np.ndarray, "c H W"]:
        """Return the probability of every name at every pixel; 4·c·H·W bytes, so prefer `probability`."""
        return self._upsampled(self.scores)

    def presence_of(self, name: str) -> float:
        """Return how surely a name is anywhere in the image, 0 to 1: its highest probability.

        Raises:
            InputError: not one of the names.
        """
        index = self._index(name)
        return float(self.scores[index].max()) if self.presence is None else self.presence[index]

    def objects(self) -> list[ImageObject]:
        """Return the objects, best first, no pixel in two.

        Those that the Segmenter found if it was told to (its field `objects`); else the connected parts of
        the label map, which take two chairs that touch for one. `ImageObject.how` says which.
        """
        if self.found is not None:
            return list(self.found)
        return connected_objects(self.labels, self.names, self.confidence)

    def object_numbers(self) -> Int32[np.ndarray, "H W"]:
        """Return of each pixel the number of its object, from 1 in the order of `objects()` without stuff.

        0 where there is stuff, or nothing.
        """
        return panoptic([one for one in self.objects() if not one.stuff], self._size)

    def class_masks(self) -> Iterator[ClassMask]:
        """Yield mask and mean probability of every name that has a pixel, in the order of the names."""
        if self.mode == "independent":
            yield from self._overlapping_masks()
            return
        counts = label_counts(self.labels, len(self.names))
        sums = label_sums(self.labels, self.confidence, len(self.names))
        columns = np.asfortranarray(
            self.labels
        )  # COCO's runs go down the columns: 8 × faster than turning masks
        for label, name in enumerate(self.names, start=1):
            if counts[label]:
                yield ClassMask(label, name, columns == label, float(sums[label] / counts[label]))

    def _overlapping_masks(self) -> Iterator[ClassMask]:
        for label, name in enumerate(self.names, start=1):
            mask = self.mask(name)
            if mask.any():
                score = self.probability(name)[mask].mean(dtype=np.float64)
                yield ClassMask(label, name, mask, float(score))

    def _masks(self) -> Iterator[ClassMask]:
        """Yield a mask per object where objects were found, else per name."""
        if self.found is None:
            yield from self.class_masks()
        for one in self.found or ():
            yield ClassMask(one.label, one.name, one.mask, one.score)

    def objects_json(self) -> dict[str, Any]:
        """Return `objects()` as what the file `.objects.json` holds; masks are COCO's uncompressed runs."""
        return objects_json(self.objects(), self._size)

    def _repr_png_(self) -> bytes:
        """Return `plot` as notebooks show it: the overlay with its legend, at most 1000 pixels a side."""
        shown = self.plot()
        shown.thumbnail((NOTEBOOK_SIDE, NOTEBOOK_SIDE))
        return image_bytes(shown)

    def overlay(self) -> Image.Image:
        """Return the image painted with the labels, at its size; without an image, the labels alone.

        Where objects were found each has a colour and a number, which is its id in `objects_json`.
        """
        return overlay(self.image, *self._painted())

    def legend(self) -> Image.Image | None:
        """Return what the colours of `overlay` mean, largest first; None where there is nothing."""
        return legend(*self._painted())

    def plot(self) -> Image.Image:
        """Return `overlay` with `legend` below."""
        return stacked(self.overlay(), self.legend())

    def _painted(self) -> tuple[Integer[np.ndarray, "H W"], Sequence[str]]:
        """Return the map that is painted and its names: those of the objects where they were found."""
        if self.found is None:
            return self.labels, self.names
        numbers = panoptic(self.found, self._size)
        return numbers, [f"{number} {one.name}" for number, one in enumerate(self.found, start=1)]

    def heat_map(self, name: str) -> Image.Image:
        """Return the image under the probability of one name, with a scale from 0 to 1.

        Raises:
            InputError: not one of the names.
        """
        return heat_map(self.image, self.probability(name), name)

    def save(self, target: str | Path | BinaryIO, *, ending: str = "") -> None:
        """Write the result in the form the ending names: to a file, replaced in one step, or a file object.

        `.png`: label map (pixel values are labels) and, beside a file, `<name>.classes.json`. `.npz`:
        everything, read back with `Segmentation.load`. `.json`: COCO with run lengths.

        Args:
            target: a path, or what is open for writing bytes, such as BytesIO.
            ending: in place of that of the name. A file object without a name and an ending gets `.npz`.

        Raises:
            InputError: another ending, or a file object of text.
            ResourceError: the file cannot be written.
            MissingExtraError: `.json` without pycocotools.
        """
        match ending := (ending or ending_of(target, ".npz")).lower():
            case ".png":
                write_to(target, label_png_bytes(self.labels, self.names))
                if isinstance(target, str | Path):
                    write_bytes(Path(target).with_suffix(".classes.json"), json_bytes(self.classes()))
            case ".npz":
                write_to(target, self.to_npz())
            case ".json":
                write_to(target, json_bytes(self.to_coco()))
            case _:
                raise InputError(
                    f"Cannot save as {ending or 'a file without ending'}; use {', '.join(SUFFIXES)}."
                )

    def save_overlay(self, target: str | Path | BinaryIO, *, ending: str = "") -> None:
        """Write `overlay()` as PNG, JPEG or WebP, by the ending; arguments as of `save`, `.png` without any.

        Raises:
            InputError: another ending, or a file object of text.
            ResourceError: the file cannot be written.
        """
        write_to(target, image_bytes(self.overlay(), ending or ending_of(target, ".png")))

    def to_npz(self) -> bytes:
        """Return everything as one compressed NPZ, read back with `Segmentation.load`; no pickles inside."""
        arrays = {
            "labels": self.labels,
            "confidence": self.confidence,
            "scores": self.scores.float().cpu().numpy(),
        }
        if self.image is not None:
            arrays["image"] = self.image
        details = {**self._details(), "names": self.names, "presence": self.presence}
        if self.found is not None:
            arrays["objects"] = panoptic(self.found, self._size)
            details["objects"] = [{key: getattr(one, key) for key in SAVED_OF_OBJECT} for one in self.found]
        return npz_bytes(arrays, details)

    @classmethod
    def load(cls, source: str | Path | BinaryIO) -> Self:
        """Return a result saved as `.npz`, from its file or from what is open for reading bytes.

        Raises:
            MissingFileError: there is no such file.
            InputError: the file is damaged or not one of ours.
        """
        name = name_of(source)
        try:
            with opened(source) as stream:
                content = stream.read()
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                details = json_of(file["details"].tobytes())
                if details.get("format") != NPZ_FORMAT:
                    raise InputError(f"{name} is not a radseg result of format {NPZ_FORMAT}.")
                return cls(
                    names=tuple(details["names"]),
                    labels=file["labels"],
                    confidence=file["confidence"],
                    scores=torch.from_numpy(file["scores"]),
                    mode=details["mode"],
                    presence=None if details["presence"] is None else tuple(details["presence"]),
                    threshold=details["threshold"],
                    meta=details["meta"],
                    image=file.get("image"),
                    found=restored_objects(details["objects"], file["objects"])
                    if "objects" in details
                    else None,
                )
        except FileNotFoundError as error:
            raise MissingFileError(f"There is no file {name}.") from error
        except (
            KeyError,
            ValueError,
            OSError,
            EOFError,
            AttributeError,
            TypeError,
            RuntimeError,  # of zipfile, for what it cannot unpack
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{name} is not a radseg result, or damaged: {error}.") from error

    def classes(self) -> dict[str, Any]:
        """Return what `classes.json` holds: id, name, colour and area of every name, and how it was made."""
        ignore = int(np.iinfo(self.labels.dtype).max)
        return classes_json(
            self.names, self.areas, ignore=ignore, presence=self.presence, details=self._details()
        )

    def to_coco(self, *, image_id: int = 1, file_name: str | None = None) -> dict[str, Any]:
        """Return a COCO data set of this image; see `coco`. Needs the extra `coco`.

        One annotation per object where objects were found, else one per name.
        """
        name = Path(self.source).name if file_name is None else file_name
        return coco(self._masks(), self.names, self._size, image_id=image_id, file_name=name)

    def to_supervision(self) -> Any:
        """Return `supervision.Detections`, a row per object where objects were found, else per name.

        See `supervision_detections`. Needs the same extra.
        """
        return supervision_detections(self._masks(), self._size)

    def to_transformers(self) -> list[dict[str, Any]]:
        """Return a list of label, score and mask, as the transformers "image-segmentation" pipeline does."""
        return pipeline_entries(self._masks())

    def to_transformers_segments(self) -> dict[str, Any]:
        """Return "segmentation" (int64 tensor H×W, 0 = none) and "segments_info", as image processors do."""
        segmentation = torch.from_numpy(self.labels.astype(np.int64))
        return {"segmentation": segmentation, "segments_info": segments_info(self.class_masks())}

    @property
    def _size(self) -> tuple[int, int]:
        return int(self.labels.shape[0]), int(self.labels.shape[1])

    def _details(self) -> dict[str, Any]:
        meta = {key: value for key, value in self.meta.items() if key != "seconds"}  # equal runs, equal files
        return {"mode": self.mode, "threshold": self.threshold, "meta": meta}

    def _index(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        near = difflib.get_close_matches(name, self.names, n=3) or self.names[:8]
        raise InputError(
            f"{name!r} is not one of the {len(self.names)} names; did you mean {', '.join(near)}?"
        )

    def _upsampled(self, scores: Float[Tensor, "c h w"]) -> Float32[np.ndarray, "c H W"]:
        upsampled = F.interpolate(
            scores.detach().float()[None], size=self._size, mode="bilinear", align_corners=False
        )
        return np.asarray(upsampled[0].cpu().numpy())


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _short(name: str) -> str:
    printable = "".join(c if c.isprintable() else "·" for c in name)
    return printable if len(printable) <= 40 else printable[:39] + "…"
