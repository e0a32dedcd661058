"""One scene mapped by several models, rendered from one camera beside its colours and the truth.

As Figures 4 and A.5 of the paper. Labels are those that an evaluation scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Integer, UInt8
from PIL import Image

from radseg.colours import colours as name_colours
from radseg.datasets.rgbd import RgbdSequence
from radseg.evaluation.maps.run import lifted
from radseg.evaluation.maps.scenes import label_map, map_scene, score_labels
from radseg.evaluation.maps.sets import Scene
from radseg.evaluation.paper.map_protocols import MapProtocol, Space
from radseg.segment import Segmenter
from radseg.types import Up
from radseg.visual.comparison import TILE_WIDTH, grid, tile
from radseg.visual.legend import Entry, with_legend
from radseg.visual.maps import View, camera_across, class_shades, render_voxels, without_ceiling

HEIGHT = TILE_WIDTH * 3 // 4
LOOKS = 16
"""Frames that are asked which way is up, evenly over the recording."""


@dataclass(frozen=True, eq=False)
class MapAnswer:
    """What one model makes of a scene.

    Attributes:
        miou: 0 to 1; NaN where no voxel is judged.
        points: voxel centres, metres.
        colours: of the recording, in [0, 1].
        labels: 0 for none, classes from 1.
    """

    model: str
    miou: float
    points: Float[np.ndarray, "m 3"]
    colours: Float[np.ndarray, "m 3"]
    labels: Integer[np.ndarray, "m"]


def answer(title: str, segmenter: Segmenter, scene: Scene, protocol: MapProtocol, space: Space) -> MapAnswer:
    """Return a scene mapped and labelled by a model as in an evaluation.

    Raises:
        InputError: no frame can be used.
    """
    mapper, text, align = lifted(segmenter, space, scene.names, protocol)
    made = map_scene(scene.sequence, mapper).map
    labelled = label_map(made, text, align, protocol)
    scores = score_labels(scene.truth, labelled, scene.names, protocol)
    whole = made.whole()  # the order of the labels; chunks have another
    points = whole.keys.numpy() * protocol.voxel_size
    return MapAnswer(title, scores.miou, points, whole.colours.numpy(), labelled.labels)


def scene_figure(scene: Scene, answers: Sequence[MapAnswer], protocol: MapProtocol) -> Image.Image:
    """Return the scene in its colours, its truth and every model's labels, one camera for all.

    The ceiling of a high room is left out, as in renders of maps.
    """
    first, up, size = answers[0], _up(scene.sequence), protocol.voxel_size
    shown = without_ceiling(first.points, up=up)
    view = camera_across(first.points[shown], up=up)

    def drawn(
        points: Float[np.ndarray, "m 3"], shades: UInt8[np.ndarray, "m 3"]
    ) -> UInt8[np.ndarray, "h w 3"]:
        kept = without_ceiling(points, up=up)
        return np.asarray(_render(points[kept], shades[kept], size, view))

    truth = scene.truth.keys * size
    grey = np.full(truth.shape, 0.6)
    tiles = [
        tile(drawn(first.points, (first.colours * 255).round().astype(np.uint8)), "RGB", scene.name),
        tile(drawn(truth, class_shades(grey, scene.truth.labels, scene.names)), "truth", ""),
    ]
    for one in answers:
        note = "nothing judged" if np.isnan(one.miou) else f"mIoU {100 * one.miou:.1f} %"
        tiles.append(
            tile(drawn(one.points, class_shades(one.colours, one.labels, scene.names)), one.model, note)
        )
    return with_legend(grid(tiles), _entries(scene, answers))


def _render(
    points: Float[np.ndarray, "m 3"], shades: UInt8[np.ndarray, "m 3"], voxel_size: float, view: View
) -> Image.Image:
    return render_voxels(points, shades, voxel_size=voxel_size, view=view, width=TILE_WIDTH, height=HEIGHT)


def _up(sequence: RgbdSequence) -> Up:
    """Return the world axis nearest to where the images' tops point, on average."""
    ids = sequence.frame_ids()
    poses = [sequence.read(id).camera_to_world.numpy() for id in ids[:: max(1, len(ids) // LOOKS)]]
    mean = -np.mean([pose[:3, 1] for pose in poses], axis=0)
    axis = int(np.abs(mean).argmax())
    return cast(Up, f"{'+' if mean[axis] > 0 else '-'}{'xyz'[axis]}")


def _entries(scene: Scene, answers: Sequence[MapAnswer]) -> list[Entry]:
    """Return the names to be seen, those of the truth first, the largest in front."""
    counts = np.bincount(scene.truth.labels, minlength=len(scene.names) + 1) * 1.0
    for one in answers:
        counts += np.bincount(one.labels, minlength=len(scene.names) + 1) * 1e-9
    table = name_colours(scene.names)
    order = 1 + np.argsort(-counts[1:], kind="stable")
    return [
        Entry(
            scene.names[i - 1], "", (int(table[i - 1][0]), int(table[i - 1][1]), int(table[i - 1][2])), f"{i}"
        )
        for i in order
        if counts[i] > 0
    ]
