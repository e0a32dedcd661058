"""CLS-patch alignment over a set of images (paper A6, Fig. A.2): one number per model, and where it is high.

The paper averages over 1,000 ImageNet validation images and does not say at which size. Here: the image at
the preset's short side, its middle window at the size of the preset's windows, one pass.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from radseg.errors import InputError, RadsegError
from radseg.evaluation.images.rooms import Rooms
from radseg.evaluation.paper.published import FIGURE_A2, ModelSize
from radseg.evaluation.report.tables import Table, markdown_list
from radseg.evaluation.report.writing import write_image, write_text
from radseg.files import counted, without_folders
from radseg.io import read_image, to_rgb, to_uint8
from radseg.jobs.naming import output_names
from radseg.jobs.sources import collect
from radseg.metrics.means import Mean, mean_interval
from radseg.models.alignment import cls_patch_map, middle_window
from radseg.models.image_tower import ImageTower
from radseg.models.radio import Radio
from radseg.presets.options import RadioOptions
from radseg.presets.spec import ModelSpec
from radseg.segment import Segmenter
from radseg.types import Rgb
from radseg.visual import heat_map
from radseg.weights import catalog

FORMAT = "radseg-alignment/1"


class Source(NamedTuple):
    """One image by name; `read` may raise for a bad one, of the folder `root` where it is a file."""

    name: str
    read: Callable[[], Rgb]
    root: Path | None = None


@dataclass(frozen=True, eq=False)
class Alignment:
    """One image: the cosine of every patch of its middle window with the CLS token, and the window."""

    name: str
    cosine: Float32[np.ndarray, "h w"]
    image: UInt8[np.ndarray, "H W 3"]

    @property
    def mean(self) -> float:
        """Mean over the patches, −1 to 1."""
        return float(self.cosine.mean(dtype=np.float64))

    def draw(self) -> Image.Image:
        """Return the window in grey under its cosines; negative ones are drawn as 0."""
        return _draw(self.cosine, self.image, f"CLS-patch cosine, mean {self.mean:.2f}")


@dataclass
class Summary:
    """What is kept of a run, image by image; the maps themselves are not.

    Attributes:
        means: per image, in order.
        failed: reason per image that could not be read.
    """

    means: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _total: Float32[np.ndarray, "h w"] | None = None

    def add(self, one: Alignment) -> None:
        """Take one image into account."""
        self.means[one.name] = one.mean
        self._total = one.cosine if self._total is None else self._total + one.cosine

    @property
    def mean(self) -> Mean:
        """Mean over the images and its 95 % bootstrap interval.

        Raises:
            InputError: no image could be read; the message has the first reason.
        """
        if not self.means:
            reason = next(iter(self.failed.values()), "there are no images")
            raise InputError(f"No image could be analysed: {reason}")
        return mean_interval(np.array(list(self.means.values())))

    @property
    def mean_map(self) -> Float32[np.ndarray, "h w"]:
        """Mean over the images per place in the window: the paper notes a bias to the centre."""
        if self._total is None:
            raise InputError("No image could be analysed, so there is no mean map.")
        return self._total / np.float32(len(self.means))

    def draw(self) -> Image.Image:
        """Return the mean map as a heat map."""
        return _draw(
            self.mean_map,
            None,
            f"mean of {counted(len(self.means), 'image')}: {self.mean.value:.2f}",
        )


def require_radio(model: ModelSpec) -> None:
    """Raise InputError if a model is on no RADIO, before anything of it is fetched."""
    if not isinstance(model.options, RadioOptions):
        raise InputError(
            f"{model.name} is no RADIO, so it has no CLS token to compare its patches with; radseg-b and "
            "miniature do."
        )


def require_cls_token(model: ModelSpec) -> None:
    """Raise InputError if a model's backbone is no RADIO, CLIP or DINOv2, before anything is fetched."""
    if model.preset.published and catalog.row(model.preset.checkpoint).kind == "vision":
        return
    if not isinstance(model.options, RadioOptions):
        raise InputError(
            f"{model.name} is no RADIO, CLIP or DINOv2, so it has no CLS token to compare its patches with; "
            "radseg-b, naclip-b, talk2dino-b and miniature do."
        )


def network_of(segmenter: Segmenter) -> Radio | ImageTower:
    """Return the network with a CLS token inside a segmenter.

    Raises:
        InputError: it has none.
    """
    method = _method(segmenter)
    for name in ("radio", "backbone", "clip"):
        network = getattr(method, name, None)
        if isinstance(network, Radio | ImageTower):
            return network
    raise InputError("This model has no CLS token to compare its patches with.")


def _method(segmenter: Segmenter) -> Any:
    """Return what holds the network: the method, inside of PixelWindows where cosines are averaged."""
    return getattr(segmenter.encoder, "encoder", segmenter.encoder)


def align(
    segmenter: Segmenter, sources: Iterable[Source], summary: Summary, *, side: int | None = None
) -> Iterator[Alignment]:
    """Yield the alignment of every image that can be read, and keep the numbers in `summary`.

    Args:
        side: of the window in pixels, a multiple of the patch; by default that of the method's windows.

    Raises:
        InputError: no CLS token, or a side it cannot take.
    """
    network = network_of(segmenter)
    window = side or getattr(_method(segmenter), "crop", None)
    if window is None:
        raise InputError("This model takes whole images; say the side of the window with --side.")
    if window < network.patch or window % network.patch:
        raise InputError(f"The window is {window} pixels; it must be a positive multiple of {network.patch}.")
    for source in sources:
        try:
            image = middle_window(source.read(), window, short_side=segmenter.short_side)
        except (RadsegError, OSError) as error:
            summary.failed[source.name] = without_folders(str(error), *([source.root] if source.root else []))
            continue
        cosine = cls_patch_map(network, image).cpu().numpy()
        one = Alignment(source.name, cosine, to_uint8(image))
        summary.add(one)
        yield one


def image_sources(sources: Sequence[str], *, exclude: Sequence[Path] = ()) -> list[Source]:
    """Return the images that files, folders, globs and lists name; raises as `runs.sources.collect`."""
    found = collect(sources, exclude=exclude).images
    names = output_names(found)
    return [Source(n, partial(read_image, i.path), i.root) for n, i in zip(names, found, strict=True)]


def room_sources(count: int) -> list[Source]:
    """Return the first test rooms of the miniature's world.

    Raises:
        InputError: there are not so many.
    """
    rooms = Rooms(count)
    return [Source(id, partial(_render_of_room, rooms, id)) for id in rooms.ids]


def _render_of_room(rooms: Rooms, id: str) -> Rgb:
    return to_rgb(rooms.read(id).image)


def published(checkpoint: str | None) -> float | None:
    """Return the paper's cosine of a checkpoint, where its text prints one (A6)."""
    family, _, letter = (checkpoint or "").rpartition("-")
    row = FIGURE_A2.get({"c-radio_v3": "C-RADIOv3", "radio_v2.5": "RADIOv2.5"}.get(family, ""), {})
    sizes: Mapping[str, ModelSize] = {"b": "base", "l": "large", "h": "huge"}
    return row[sizes[letter]] if letter in sizes and sizes[letter] in row else None


def write_report(
    folder: Path, summary: Summary, *, preset: str, checkpoint: str | None, side: int
) -> tuple[Path, ...]:
    """Write the numbers as Markdown, CSV and JSON and the mean map as PNG; return their paths.

    Raises:
        InputError: no image could be read.
        ResourceError: the folder cannot be written.
    """
    mean = summary.mean
    facts = {
        "preset": preset,
        "checkpoint": checkpoint,
        "window": side,
        "images": len(summary.means),
        "failed": len(summary.failed),
        "mean": mean.value,
        "low": mean.low,
        "high": mean.high,
        "paper": published(checkpoint),
    }
    table = Table(tuple(facts), (tuple(facts.values()),), digits=3)
    images = Table(("image", "mean cosine"), tuple(summary.means.items()))
    text = (
        "# CLS-patch alignment\n\n"
        "Mean cosine between each patch of the middle window and the CLS token, of a RADIO both through the "
        "language adaptor's CLS head, else after the final norm (paper A6); 95 % bootstrap interval over "
        f"images. The paper's number is of 1,000 ImageNet validation images.\n\n{table.markdown()}"
    )
    if summary.failed:
        reasons = [f"{name}: {reason}" for name, reason in summary.failed.items()]
        text += f"\nNot read:\n\n{markdown_list(reasons)}"
    record = {"format": FORMAT, **facts, "means": summary.means, "reasons": summary.failed}
    parts = {
        "alignment.md": text,
        "alignment.csv": images.csv(),
        "alignment.json": json.dumps(record, indent=1) + "\n",
    }
    for name, content in parts.items():
        write_text(folder / name, content)
    write_image(folder / "mean.png", summary.draw())
    return (*(folder / name for name in parts), folder / "mean.png")


def _draw(
    cosine: Float32[np.ndarray, "h w"], image: UInt8[np.ndarray, "H W 3"] | None, title: str
) -> Image.Image:
    cell = max(1, 480 // max(cosine.shape))
    shown = cosine.repeat(cell, axis=0).repeat(cell, axis=1)
    under = None
    if image is not None:
        height, width = shown.shape
        under = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    return heat_map(under, shown, title)
