"""A video file in, label maps of its frames and one video of overlays out; memory does not grow with it."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from radseg.errors import InputError
from radseg.files import clear_parts, failures_named, make_folder, shown, write_bytes
from radseg.jobs.folder import claimed
from radseg.modes import Mode
from radseg.runs.outputs import CLASSES_NAME, OUTPUT_BYTES, classes_of
from radseg.text.vocabulary import Vocabulary
from radseg.weights.reporters import Reporter

if TYPE_CHECKING:
    from radseg.io.video import VideoFrame
    from radseg.presets.spec import ModelSpec
    from radseg.result import Segmentation
    from radseg.segment import Segmenter
    from radseg.types import LanguageFeatures, TextEmbeddings

MASKS, OVERLAY, FRAMES = "masks", "overlay.mp4", "frames.jsonl"
_PART = ".radseg-overlay.part"


@dataclass(frozen=True)
class VideoRequest:
    """What a person asked for.

    Attributes:
        every: of how many frames one is done.
        smoothing: part of the earlier frames' features in a frame's, 0 to below 1: an exponential mean.
    """

    video: Path
    prompts: Vocabulary
    model: "ModelSpec"
    output: Path
    mode: Mode = "background"
    every: int = 1
    smoothing: float = 0.0


@dataclass(frozen=True)
class VideoReport:
    """How many frames were read, and how many of them done."""

    read: int
    done: int


def segment_video(
    request: VideoRequest, downloads: Reporter, tell: Callable[[int, "Segmentation"], None]
) -> VideoReport:
    """Segment a video into a folder: label maps in `masks`, `overlay.mp4`, `frames.jsonl`, `classes.json`.

    Args:
        tell: is given the index of each frame that is done, and its result.

    Raises:
        InputError: an option out of range, or a folder that is not empty.
        ImageError: not a video, or damaged; what was done before stays.
        RadsegError: as of loading a model.
    """
    from radseg.io.video import frames  # noqa: PLC0415
    from radseg.presets.load import load  # noqa: PLC0415

    _check(request)
    folder = request.output
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{shown(folder)} is not empty. Choose another folder with -o.")
    first = next(frames(request.video), None)
    if first is None:
        raise InputError(f"{shown(request.video)} has no frame that can be decoded.")
    with claimed(folder):
        clear_parts(folder)
        segmenter = load(request.model, reporter=downloads)
        text, contrast = segmenter.embed(request.prompts, mode=request.mode)
        admit = segmenter.admitting(text, contrast, shown(request.video), output=OUTPUT_BYTES["overlay"])
        with _Writer(folder, text.names, request) as writer:
            read = 0
            for frame in frames(request.video, admit):
                read = frame.index + 1
                if frame.index % request.every == 0:
                    result = writer.smoothed(segmenter, frame.pixels, text, contrast)
                    writer.add(frame, result)
                    tell(frame.index, result)
    return VideoReport(read, writer.count)


def _check(request: VideoRequest) -> None:
    if request.every < 1:
        raise InputError(
            f"--every is {request.every}; it must be at least 1: of how many frames one is done."
        )
    if not 0 <= request.smoothing < 1:
        raise InputError(f"--smoothing is {request.smoothing:g}; it must be at least 0 and below 1.")


class Smoother:
    """An exponential mean of the features of successive frames: s · before + (1 − s) · now."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self.mean: LanguageFeatures | None = None

    def __call__(self, features: "LanguageFeatures") -> "LanguageFeatures":
        """Return the mean up to these features; the first are their own."""
        if self.mean is not None and self.smoothing:
            mixed = self.smoothing * self.mean.values + (1 - self.smoothing) * features.values
            features = replace(features, values=mixed)
        self.mean = features
        return features


class _Writer:
    """The files of one video; what is written of the overlay appears when all of it is there."""

    def __init__(self, folder: Path, names: tuple[str, ...], request: VideoRequest) -> None:
        self.folder, self.names, self.request = folder, names, request
        self.smoother = Smoother(request.smoothing)
        self.count = 0
        self.stack = ExitStack()
        self.append: Callable[[Any], None] | None = None

    def __enter__(self) -> "_Writer":
        make_folder(self.folder / MASKS)
        run = {"every": self.request.every, "smoothing": self.request.smoothing, "mode": self.request.mode}
        classes = classes_of(self.names, {**self.request.model.parameters(), **run})
        write_bytes(self.folder / CLASSES_NAME, f"{json.dumps(classes, indent=1)}\n".encode())
        self.lines = self.stack.enter_context((self.folder / FRAMES).open("a", encoding="utf-8"))
        return self

    def __exit__(self, *raised: Any) -> None:
        part = self.folder / _PART
        try:
            self.stack.__exit__(*raised)
            if part.exists() and self.count:
                part.replace(self.folder / OVERLAY)
        finally:
            part.unlink(missing_ok=True)

    def smoothed(
        self, segmenter: "Segmenter", pixels: Any, text: "TextEmbeddings", contrast: "TextEmbeddings | None"
    ) -> "Segmentation":
        """Return the segmentation of a frame by the mean of its features and those before."""
        from radseg.types import LanguageFeatures, Size  # noqa: PLC0415

        seen = segmenter.encode_many([pixels], text, contrast)[0]
        if isinstance(seen, LanguageFeatures):
            seen = self.smoother(seen)
        elif self.request.smoothing:
            raise InputError(
                f"{self.request.model.name} reads the prompts before it has features: there are none to "
                "smooth. Leave --smoothing out, or use a model such as radseg-b."
            )
        size = Size(*pixels.shape[:2])
        return segmenter.decode(seen, size, text, contrast, mode=self.request.mode, image=pixels)

    def add(self, frame: "VideoFrame", result: "Segmentation") -> None:
        """Write one frame: its label map, its line, and its picture in the overlay."""
        from radseg.io import label_png_bytes  # noqa: PLC0415
        from radseg.visual.overlay import paint  # noqa: PLC0415

        name = f"{MASKS}/{frame.index:06}.png"
        content = label_png_bytes(result.labels, result.names)
        write_bytes(self.folder / name, content, durable=False)
        with failures_named(self.folder / FRAMES):
            line = {"frame": frame.index, "seconds": frame.seconds, "mask": name}
            self.lines.write(f"{json.dumps(line)}\n")
            self.lines.flush()
        if self.append is None:
            self.append = self._overlay(frame)
        self.append(paint(frame.pixels, result.labels, result.names))
        self.count += 1

    def _overlay(self, frame: "VideoFrame") -> Callable[[Any], None]:
        from radseg.io.video import video_writer  # noqa: PLC0415
        from radseg.types import Size  # noqa: PLC0415

        with failures_named(self.folder / OVERLAY):
            stream: BinaryIO = self.stack.enter_context((self.folder / _PART).open("xb"))
        size = Size(*frame.pixels.shape[:2])
        return self.stack.enter_context(video_writer(stream, size, frame.rate / self.request.every))
