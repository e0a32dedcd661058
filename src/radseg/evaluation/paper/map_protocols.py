"""How each RGB-D set is evaluated in 3D: scenes, sizes, voxels, truth, and the values of the paper.

Mapping spec 1 and 3; RADSeg (arXiv 2511.19704) §4.2 and A3.
"""

from dataclasses import dataclass
from typing import Literal

from radseg.evaluation.paper.published import TABLE_2, Score3d
from radseg.types import Size

Space = Literal["features", "probabilities"]
Rules = Literal["clean", "published"]


@dataclass(frozen=True)
class MapProtocol:
    """One row of the table.

    Attributes:
        name: as typed after `radseg eval`.
        scenes: of the paper, in its order.
        colour, depth: sizes that images and depth are brought to, each axis on its own.
        frame_skip: frames left out after each one that is kept.
        voxel_size: metres.
        truth: "external", labelled points from a file per scene, or "lifted" from label images.
        ignore: names of classes that are neither asked for nor judged.
        neighbours: predicted voxels that vote for a true one.
        denoising, threshold: see voxel_labels.predict_labels.
        rules: "clean" denoises over the whole map and breaks ties of distance by voxel index; "published"
            denoises every 10 000 voxels and lets float32 rounding break ties, as RayFronts does.
        stride: of the method's windows here, in pixels; its default is 224.
        source: "disk", or "rendered" for the rooms of the miniature, which need no data and come at the size
            that the model takes.
    """

    name: str
    scenes: tuple[str, ...]
    colour: Size
    depth: Size
    truth: Literal["external", "lifted"]
    ignore: tuple[str, ...] = ()
    frame_skip: int = 10
    voxel_size: float = 0.05
    neighbours: int = 5
    denoising: float = 0.5
    threshold: float = 0.1
    rules: Rules = "clean"
    stride: int = 112
    source: Literal["disk", "rendered"] = "disk"


_SPACES = {"0011": 2, "0050": 3, "0231": 3, "0378": 3, "0518": 1}

MAP_PROTOCOLS: dict[str, MapProtocol] = {
    row.name: row
    for row in (
        MapProtocol(
            "replica",
            (*(f"office{i}" for i in range(5)), *(f"room{i}" for i in range(3))),
            Size(640, 1136),
            Size(640, 1136),
            "external",
        ),
        MapProtocol(
            "scannet",
            tuple(f"scene{space}_{scan:02d}" for space, scans in _SPACES.items() for scan in range(scans)),
            Size(640, 864),
            Size(640, 864),
            "lifted",
            ("otherprop", "otherstructure", "otherfurniture"),
        ),
        MapProtocol(
            "scannetpp",
            (
                *("00777c41d4", "bcd2436daf", "a5114ca13d", "2b1dc6d6a5", "d551dac194"),
                *("f9f95681fd", "ea42cd27e6", "20ff72df6e", "bf6e439e38"),
            ),
            Size(640, 960),
            Size(640, 960),
            "external",
        ),
        MapProtocol(
            "walks",
            tuple(str(910_000 + room) for room in range(8)),
            Size(240, 320),
            Size(240, 320),
            "lifted",
            frame_skip=0,
            source="rendered",
        ),
    )
}

ROWS: dict[str, tuple[str, str | None]] = {
    "radseg-b": ("RADSeg", "RADSeg+"),
    "radseg-b+": ("RADSeg", "RADSeg+"),
    "scclip-b": ("SC-CLIP", None),
    "talk2dino-b": ("Talk2DINO", None),
    "trident-b": ("Trident", "Trident with refinement"),
    "trident-b-paper": ("Trident", "Trident with refinement"),
    "trident-b-paper-raw": ("Trident", "Trident with refinement"),
    "textregion-b": ("TextRegion", None),
    "rayfronts-b": ("RayFronts", None),
    "rayfronts-b-paper": ("RayFronts", None),
    "rayfronts-b-paper-raw": ("RayFronts", None),
}
"""Rows of Table 2 by preset, without and with masks refined."""


def row_of(preset: str, space: Space, *, refined: bool) -> Score3d | None:
    """Return the row of Table 2 (RADSeg §4.2), or None where it has no such row."""
    wanted = ROWS.get(preset, (None, None))[refined]
    return next((row for row in TABLE_2 if (row.method, row.lifted) == (wanted, space)), None)
