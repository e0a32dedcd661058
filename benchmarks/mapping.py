"""Sparse mixtures against a feature per pixel: `python -m benchmarks.mapping [--plot growth.png]`.

One frame of 320 × 568 pixels with 768 channels; then the cost of a frame against the size of the map, with
few channels so that the straightforward form fits into memory at 5 million voxels. Last, writing
a map of voxels far apart and one of a dense room, 768 channels, with and without a budget for tiles.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.mapping_plain import PlainMap, integrate
from benchmarks.measure import Cost, cost
from radseg.mapping.description import MapDescription
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.mapper import Mapper
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums, pack
from radseg.types import Frame, Intrinsics, Size

SIZE, GRID, VOXEL = Size(320, 568), (20, 36), 0.05
CHANNELS, FEW = 768, 8
MILLIONS = (0, 0.5, 1, 2, 5)


def view(channels: int) -> tuple[Frame, torch.Tensor]:
    """Return a frame that looks at a wavy wall, and its patch values."""
    rows, columns = torch.meshgrid(torch.arange(SIZE.height), torch.arange(SIZE.width), indexing="ij")
    depth = 2 + 0.5 * torch.sin(columns / 90) + 0.3 * torch.cos(rows / 50)
    camera = Intrinsics(300, 300, SIZE.width / 2, SIZE.height / 2, SIZE)
    frame = Frame("0", torch.rand(3, *SIZE), depth, camera, torch.eye(4, dtype=torch.float64))
    return frame, torch.randn(channels, *GRID)


def floors(voxels: int) -> torch.Tensor:
    """Return the indices of that many voxels on floors of 500 × 500, one above the other, in front of all."""
    number = torch.arange(voxels)
    return torch.stack([number % 500 - 250, number // 500 % 500 - 250, number // 250_000 + 100], 1)


def plain(channels: int, voxels: int = 0) -> Callable[[], Any]:
    """Prepare the straightforward form on a map of that many voxels."""
    frame, values = view(channels)
    grown = PlainMap(floors(voxels), torch.rand(voxels, 3 + channels + 1))
    return lambda: integrate(grown, frame, values, VOXEL)


def sparse(channels: int, voxels: int = 0) -> Callable[[], Any]:
    """Prepare the library's form on a map of that many voxels."""
    frame, values = view(channels)
    description = MapDescription(VOXEL, "benchmark", channels)
    grown = VoxelMap(description)
    for part in floors(voxels).split(250_000):
        keys = pack(part).sort().values
        ones = torch.ones(len(keys), dtype=torch.int64)
        grown.add(VoxelSums(keys, ones, torch.rand(len(keys), channels), torch.rand(len(keys), 3)))
    mapper = Mapper(description, lambda _: values)
    return lambda: mapper.integrate(frame, grown)


FORMS = {"plain": plain, "sparse": sparse}


def compare_frames() -> None:
    """Print the cost of the first frame in both forms."""
    costs = {name: cost(form, CHANNELS, repeats=1, threads=1) for name, form in FORMS.items()}
    print(f"one frame of {SIZE}, {CHANNELS} channels, one thread")
    for name, one in costs.items():
        print(f"{name:8} {one.seconds:8.2f} s {one.added_mb:8.0f} MB")
    old, new = costs["plain"], costs["sparse"]
    print(
        f"ratio    {old.seconds / new.seconds:8.1f} × {old.added_mb / max(new.added_mb, 1):8.1f} ×",
        flush=True,
    )


def compare_growth() -> dict[str, list[Cost]]:
    """Print and return the cost of a frame on maps of growing size."""
    print(f"\none frame on a map of so many voxels, {FEW} channels, one thread")
    heads = ("voxels", "plain s", "sparse s", "plain MB", "sparse MB")
    print("{:>10} {:>9} {:>9} {:>9} {:>9}".format(*heads))
    costs: dict[str, list[Cost]] = {name: [] for name in FORMS}
    for millions in MILLIONS:
        voxels = int(millions * 1e6)
        for name, form in FORMS.items():
            costs[name].append(cost(form, FEW, voxels, repeats=3, threads=1))
        a, b = costs["plain"][-1], costs["sparse"][-1]
        print(
            f"{voxels:10} {a.seconds:9.3f} {b.seconds:9.3f} {a.added_mb:9.0f} {b.added_mb:9.0f}", flush=True
        )
    return costs


def far_apart() -> torch.Tensor:
    """Return 3,072 voxels 32 m from each other at 5 cm, in no order."""
    number = torch.randperm(3072, generator=torch.Generator().manual_seed(0))
    return torch.stack([number % 16, number // 16 % 16, number // 256], 1) * 640


def room() -> torch.Tensor:
    """Return 180,000 voxels of eight floors."""
    number = torch.arange(180_000)
    return torch.stack([number % 150 - 75, number // 150 % 150 - 75, number // 22_500], 1)


def compare_saving() -> None:
    """Print the seconds of growing, writing and reading maps, and their files."""
    print(f"\nwriting maps, {CHANNELS} channels")
    print(
        "{:>10} {:>8} {:>7} {:>7} {:>7} {:>6}".format("map", "budget", "grow s", "write s", "read s", "files")
    )
    for voxels in (far_apart, room):
        parts = [pack(part).sort().values for part in voxels().split(60_000)]
        for budget in (None, 2**26):
            with tempfile.TemporaryDirectory(dir=".") as name:
                folder, times = Path(name), [time.perf_counter()]
                grown = VoxelMap(MapDescription(VOXEL, "benchmark", CHANNELS), folder=folder, budget=budget)
                for keys in parts:
                    values = torch.rand(len(keys), CHANNELS)
                    grown.add(VoxelSums(keys, torch.ones_like(keys), values, torch.rand(len(keys), 3)))
                times.append(time.perf_counter())
                manifest = MapManifest(grown.description, grown.flush())
                write_manifest(folder, manifest)
                grown.published(manifest)
                times.append(time.perf_counter())
                for _ in SemanticMap.open(folder).chunks():
                    pass
                times.append(time.perf_counter())
            spent = [after - before for before, after in pairwise(times)]
            shown = "none" if budget is None else "64 MiB"
            print(f"{voxels.__name__:>10} {shown:>8} " + "{:7.2f} {:7.2f} {:7.2f}".format(*spent)
                  + f" {len(manifest.shards):6}", flush=True)  # fmt: skip


def plot(costs: dict[str, list[Cost]], path: Path) -> None:
    """Draw seconds and megabytes of a frame against the size of the map."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    pick = {"seconds per frame": lambda c: c.seconds, "added MB per frame": lambda c: c.added_mb}
    for axis, (label, value) in zip(axes, pick.items(), strict=True):
        for name, style in (("plain", "o--"), ("sparse", "s-")):
            axis.plot(MILLIONS, [value(c) for c in costs[name]], style, label=name)
        axis.set_xlabel("million voxels in the map")
        axis.set_ylabel(label)
        axis.set_ylim(bottom=0)
        axis.legend()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print all comparisons."""
    parser = argparse.ArgumentParser(prog="benchmarks.mapping", description=__doc__)
    parser.add_argument("--plot", type=Path, help="write the growth as a PNG")
    options = parser.parse_args()
    compare_frames()
    costs = compare_growth()
    compare_saving()
    if options.plot is not None:
        plot(costs, options.plot)


if __name__ == "__main__":
    main()
