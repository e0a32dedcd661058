"""Videos: memory over many frames, and what smoothing does to masks and their flicker.

    PYTHONPATH=src:. python -m benchmarks.video memory [--frames 10000]
    PYTHONPATH=src:. python -m benchmarks.video smoothing [--rooms 8] [--frames 48]

Memory: the toy model on a film of 64 × 96, resident memory every tenth of it. Smoothing: walks through
held-out rooms of the miniature with their truth, from seed 7000 on. Flicker: the share of pixels whose label
changes from one frame to the next though the truth there does not.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np

from radseg.io import to_uint8
from radseg.io.video import video_writer
from radseg.metrics.means import mean_interval
from radseg.miniature.walk import RoomWalk
from radseg.presets.load import load
from radseg.presets.spec import model_spec
from radseg.runs.video import Smoother, VideoRequest, segment_video
from radseg.text.vocabulary import Vocabulary
from radseg.types import LanguageFeatures, Size
from radseg.weights.reporters import LineReporter

SMOOTHING = (0.0, 0.25, 0.5, 0.7, 0.85)


def resident() -> float:
    """Return what this process has in memory, MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(frames: int) -> None:
    """Print the resident memory over a film."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        with film.open("wb") as stream, video_writer(stream, Size(64, 96), 25) as append:
            for index in range(frames):
                append(
                    np.roll(np.tile(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (64, 1, 3)), index, 1)
                )
        request = VideoRequest(
            film, Vocabulary.parse("red, blue"), model_spec("toy"), Path(folder, "out"), smoothing=0.5
        )

        def tell(index: int, _: object) -> None:
            if index % (frames // 10) == 0 or index == frames - 1:
                print(f"| {index:,} | {resident():.1f} |", flush=True)

        print("| frame | resident, MiB |\n|---|---|")
        report = segment_video(request, LineReporter(print), tell)
        print(f"{report.done:,} frames done.")


def smoothing(rooms: int, frames: int) -> None:
    """Print mIoU and flicker for each part of the earlier frames."""
    segmenter = load("miniature")
    ious: dict[float, list[float]] = {part: [] for part in SMOOTHING}
    flickers: dict[float, list[float]] = {part: [] for part in SMOOTHING}
    for seed in range(7000, 7000 + rooms):
        walk = RoomWalk(seed, frames=frames)
        text, _ = segmenter.embed(list(walk.room.names), mode="assign")
        seen, truths = [], []
        for name in walk.frame_ids():
            frame = walk.read(name)
            seen.append(segmenter.encode(to_uint8(frame.rgb)))
            truths.append(np.asarray(frame.semantics))
        for part in SMOOTHING:
            labels = [labels_of(segmenter, one, text, truths[0].shape) for one in smoothed(seen, part)]
            ious[part].append(mean_iou(labels, truths, len(text.names)))
            flickers[part].append(flicker(labels, truths))
    print("| smoothing | mIoU | over none | flicker |\n|---|---|---|---|")
    for part in SMOOTHING:
        over = mean_interval(np.array(ious[part]) - np.array(ious[0.0]))
        print(f"| {part:g} | {np.mean(ious[part]):.4f} | {over} | {np.mean(flickers[part]):.4f} |")


def smoothed(seen: list[LanguageFeatures], part: float) -> list[LanguageFeatures]:
    """Return the features of a walk as `radseg video` uses them."""
    smoother = Smoother(part)
    return [smoother(one) for one in seen]


def labels_of(segmenter, features, text, shape):  # type: ignore[no-untyped-def]
    """Return the labels of one frame."""
    return segmenter.decode(features, Size(*shape), text, None, mode="assign").labels


def mean_iou(labels: list[np.ndarray], truths: list[np.ndarray], names: int) -> float:
    """Return the mean IoU of the names that occur, over all frames of a walk."""
    found, true = np.stack(labels), np.stack(truths)
    present = [name for name in range(1, names + 1) if (true == name).any()]
    both = [
        ((found == name) & (true == name)).sum() / ((found == name) | (true == name)).sum()
        for name in present
    ]
    return float(np.mean(both))


def flicker(labels: list[np.ndarray], truths: list[np.ndarray]) -> float:
    """Return the share of pixels that change their label while the truth stays."""
    changed, same = 0, 0
    for i in range(1, len(labels)):
        still = truths[i] == truths[i - 1]
        same += int(still.sum())
        changed += int((still & (labels[i] != labels[i - 1])).sum())
    return changed / same


def main() -> None:
    """Print one of the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("table", choices=("memory", "smoothing"))
    parser.add_argument("--frames", type=int)
    parser.add_argument("--rooms", type=int, default=8)
    options = parser.parse_args()
    if options.table == "memory":
        memory(options.frames or 10_000)
    else:
        smoothing(options.rooms, options.frames or 48)


if __name__ == "__main__":
    main()
