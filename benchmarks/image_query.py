"""Asking maps by images of their objects: what is averaged, and what it competes with. Offline.

    python -m benchmarks.image_query [--rooms 8] [--first 920000]

Each object that another view of a walk's room shows large enough is cut out closely and asked for. Right is
the best object if its voxels overlap those of an object of that name by an IoU of 0.25.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from radseg.evaluation.maps.objects import walk_segments
from radseg.evaluation.maps.scenes import map_scene
from radseg.mapping.query import AlignedPart, ask
from radseg.mapping.semantic_map import SemanticMap
from radseg.miniature.walk import RoomWalk
from radseg.miniature.world import free_camera, render
from radseg.miniature.world.scene import FIRST_OBJECT
from radseg.ops.foreground import foreground
from radseg.ops.inference import inference
from radseg.presets.load import load
from radseg.runs.image_query import competitors
from radseg.runs.lifting import FeatureLift, feature_mapper
from radseg.runs.map_query import alignment
from radseg.segment import Segmenter
from radseg.types import Segments, TextEmbeddings

VIEWS, SHORTEST, FULL = 6, 24, 0.35
VOXEL = 0.05


@dataclass(frozen=True)
class Way:
    """How an image becomes a question.

    Attributes:
        mask: of the object: "all" of the image, "foreground", or its "true" mask.
        aligned_first: whether patches are aligned before they are averaged.
        rival: "mean" of the map, or its "prototypes".
        ranked: whether size counts, or only the mean probability.
    """

    mask: str
    aligned_first: bool = False
    rival: str = "prototypes"
    ranked: bool = True


WAYS = (
    Way("all", aligned_first=True, rival="mean", ranked=False),
    Way("all", aligned_first=True, rival="mean"),
    Way("all", rival="mean"),
    Way("foreground", rival="mean"),
    Way("foreground", aligned_first=True),
    Way("all"),
    Way("foreground", ranked=False),
    Way("foreground"),
    Way("true"),
)


@dataclass(frozen=True, eq=False)
class Room:
    """A map with the true object of every voxel."""

    walk: RoomWalk
    map: SemanticMap
    part: AlignedPart
    segments: Segments


@inference()
def mapped(segmenter: Segmenter, walk: RoomWalk) -> Room:
    """Return the map of a walk and the true objects of its voxels."""
    made = map_scene(walk, feature_mapper(segmenter, VOXEL)).map
    truth = walk_segments(walk, VOXEL, smallest=1)
    chunk, align = made.whole(), alignment(made, segmenter)
    features = F.normalize(chunk.values if align is None else align(chunk.values), dim=1)
    assert np.array_equal(chunk.keys.numpy(), truth.keys), "map and truth saw other voxels"
    return Room(walk, made, AlignedPart(chunk.keys, features), truth.segments)


def cut_outs(room: Room) -> Iterator[tuple[int, UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]]:
    """Yield the largest image of each object that lies within a view, and its mask."""
    best: dict[int, tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]] = {}
    for seed in range(100, 100 + VIEWS):
        view = render(room.walk.room, free_camera(room.walk.room, seed), seed=seed)
        for number in np.unique(view.instance[view.instance >= FIRST_OBJECT]).tolist():
            rows, columns = np.nonzero(view.instance == number)
            top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
            mask = view.instance[top:bottom, left:right] == number
            whole = top > 0 and left > 0 and bottom < view.rgb.shape[0] and right < view.rgb.shape[1]
            if not whole or min(mask.shape) < SHORTEST or mask.mean() < FULL:
                continue
            if number not in best or mask.sum() > best[number][1].sum():
                best[number] = view.rgb[top:bottom, left:right], mask
    for number, (rgb, mask) in best.items():
        yield number, rgb, mask


@inference()
def overlap(room: Room, number: int, values: Tensor, mask: Tensor, segmenter: Segmenter, way: Way) -> float:
    """Return the IoU of the best object with the nearest one of the right name."""
    align, space = alignment(room.map, segmenter), segmenter.encoder.space
    inside = {"all": torch.ones_like(mask), "foreground": foreground(values), "true": mask}[way.mask]
    patches = values[:, inside].T
    assert align is not None
    if way.aligned_first:
        feature = F.normalize(F.normalize(align(patches), dim=1).mean(0)[None], dim=1)
    else:
        feature = F.normalize(align(patches.mean(0)[None]), dim=1)
    others: Float[Tensor, "k e"] = (
        room.part.features.mean(0)[None]
        if way.rival == "mean"
        else competitors([room.part], feature, room.map)
    )
    answer = ask(
        [room.part],
        TextEmbeddings(("object",), feature, (0,), space),
        TextEmbeddings(("rest",), others, (0,) * len(others), space),
        mode="background",
        voxel_size=VOXEL,
    )
    objects = answer.objects()["object"]
    if not objects:
        return 0.0
    first = objects[0] if way.ranked else max(objects, key=lambda one: one.probability)
    label = room.walk.room.names.index(room.walk.room.instance_name(number))
    found = np.zeros(len(room.segments.ids), bool)
    found[first.rows] = True
    truths = [room.segments.ids == i + 1 for i in np.flatnonzero(room.segments.labels == label)]
    return max((float((found & true).sum() / (found | true).sum()) for true in truths), default=0.0)


def main() -> None:
    """Print one row per way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--first", type=int, default=920_000, help="seed of the first room")
    chosen = parser.parse_args()
    segmenter, overlaps = load("miniature"), [[] for _ in WAYS]  # type: tuple[Segmenter, list[list[float]]]
    for seed in range(chosen.first, chosen.first + chosen.rooms):
        room = mapped(segmenter, RoomWalk(seed))
        for number, rgb, mask in cut_outs(room):
            values = FeatureLift(segmenter)(torch.from_numpy(rgb.copy()).permute(2, 0, 1).float() / 255)
            covered = F.interpolate(
                torch.from_numpy(mask)[None, None].float(), size=values.shape[1:], mode="area"
            )
            for way, row in zip(WAYS, overlaps, strict=True):
                row.append(overlap(room, number, values, covered[0, 0] > 0.7, segmenter, way))
    sys.stdout.write(
        "| mask | averaged | competes with | ranked by | right | IoU |\n|---|---|---|---|---|---|\n"
    )
    for way, row in zip(WAYS, overlaps, strict=True):
        averaged = "after alignment" if way.aligned_first else "before alignment"
        ranked = "size too" if way.ranked else "probability"
        share = np.mean(np.array(row) >= 0.25)
        sys.stdout.write(
            f"| {way.mask} | {averaged} | {way.rival} | {ranked} | {share:.0%} | {np.mean(row):.2f} |\n"
        )
    sys.stdout.write(f"\n{len(overlaps[0])} images of objects in {chosen.rooms} rooms\n")


if __name__ == "__main__":
    main()
