"""ScanNet as its SensReader extracts it (mapping spec 1.2): color/, depth/, pose/, intrinsic/."""

import csv
import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, pose_file
from radseg.datasets.rgbd.classes import ClassTable, class_table
from radseg.datasets.rgbd.files import DepthFormat, read_intrinsics, read_text
from radseg.datasets.rgbd.folder import first_size
from radseg.errors import InputError
from radseg.files import shown
from radseg.io import read_label_map

LABEL_TABLE = "scannetv2-labels.combined.tsv"


def is_scannet(path: Path) -> bool:
    """Say whether `path` looks like a scan of this layout."""
    return all((path / name).is_dir() for name in ("color", "depth", "pose", "intrinsic"))


def scannet_scan(
    path: Path,
    *,
    depth: DepthFormat | None = None,
    read_semantics: Callable[[Path], Int[Tensor, "H W"]] | None = None,
) -> FileSequence:
    """Return a scan: color/0.jpg, depth/0.png (millimetres), pose/0.txt; numbers without leading zeros.

    Colour, depth and labels are taken as pixel-aligned up to scale, and only the depth intrinsics are used,
    as in RayFronts: the colour camera's own extrinsics are the identity to within a pixel in ScanNet.

    Differs from RayFronts, which keeps frames whose tracking was lost (all −inf) and gathers them in one
    voxel 9·10^17 m away: `read` refuses them.

    Args:
        read_semantics: see `scannet_labels`; without it frames carry no labels.

    Raises:
        InputError: no frames or no intrinsics.
    """
    numbers = sorted(int(file.stem) for file in (path / "color").glob("*.jpg") if file.stem.isdecimal())
    if not numbers:
        raise InputError(f"{shown(path / 'color')} holds no images like 0.jpg.")
    labels = path / f"{path.name}_2d-label-filt" / "label-filt"
    frames = {
        str(n): FrameFiles(
            path / "color" / f"{n}.jpg",
            path / "depth" / f"{n}.png",
            pose_file(path / "pose" / f"{n}.txt"),
            labels / f"{n}.png" if read_semantics else None,
        )
        for n in numbers
    }
    size = first_size([files.depth for files in frames.values()])
    intrinsics = read_intrinsics(path / "intrinsic" / "intrinsic_depth.txt", size)
    return FileSequence(frames, intrinsics, depth or DepthFormat(1000.0), read_semantics=read_semantics)


def scannet_classes(root: Path, *, ignore: Collection[str] = ()) -> tuple[ClassTable, Mapping[int, int]]:
    """Return the NYU40 classes and, by raw ScanNet number, the NYU40 number; from the table under `root`.

    Raises:
        InputError: no table, or one without the columns id, nyu40id and nyu40class.
    """
    file = root / LABEL_TABLE
    rows = csv.DictReader(io.StringIO(read_text(file)), delimiter="\t")
    try:
        entries = [(int(row["id"]), int(row["nyu40id"]), str(row["nyu40class"])) for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} needs the columns id, nyu40id, nyu40class: {error!r}.") from error
    names = {number: name for _, number, name in entries}
    return class_table(names, ignore=ignore), {0: 0} | {raw: number for raw, number, _ in entries}


def scannet_labels(table: ClassTable, to_nyu40: Mapping[int, int]) -> Callable[[Path], Int[Tensor, "H W"]]:
    """Return the reader of label-filt images: raw number, NYU40 number, class index."""

    def read(path: Path) -> Int[Tensor, "H W"]:
        raw = read_label_map(path).astype(np.int64)
        present, inverse = np.unique(raw, return_inverse=True)
        unknown = [int(number) for number in present if int(number) not in to_nyu40]
        if unknown:
            raise InputError(f"{shown(path)} holds the class numbers {unknown}, which {LABEL_TABLE} lacks.")
        numbers = torch.tensor([to_nyu40[int(number)] for number in present])
        return table.indices(numbers)[torch.from_numpy(inverse.reshape(raw.shape))]

    return read
