"""Our value of the mapping goldens up to the map: unprojection, resizing, voxels, merging, averaged maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count

import numpy as np
import torch
from torch import Tensor

from parity.map_golden_set import MapGoldenSet, near, same
from parity.report import Row
from radseg.mapping.compression import Basis, fit_basis
from radseg.mapping.description import MapDescription
from radseg.mapping.mapper import Box, Mapper
from radseg.mapping.semantic_map import Chunk
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.camera import confident_pixels, transform, unproject, valid_depth
from radseg.ops.cosine import row_cosine
from radseg.ops.resize import resize_antialiased, resize_nearest
from radseg.ops.voxels import VoxelSums, centres, pack, sum_by_voxel, unpack, voxel_indices
from radseg.scoring import class_probabilities, decide
from radseg.types import Frame, Intrinsics, Size

Rows = Iterator[Row]
Tensors = dict[str, Tensor]


def unprojected(goldens: MapGoldenSet) -> Rows:
    """Compare the points of three frames."""
    points, selected = _points(goldens.tensors("scene"), range(3))
    golden = goldens.tensors("unproject")
    yield same("unproject", "selected", selected, golden["selected"])
    yield near("unproject", "xyz", points, golden["xyz"], goldens.noted("unproject", r"abs ([\d.e-]+)"))


def unprojected_by_confidence(goldens: MapGoldenSet) -> Rows:
    """Compare the most confident points of a batch of two frames."""
    golden = goldens.tensors("unproject_conf")
    points, selected = _points(goldens.tensors("scene"), range(2))
    best = confident_pixels(golden["conf"].flatten()[selected], len(golden["xyz"]))
    allowed = goldens.noted("unproject", r"abs ([\d.e-]+)")
    yield same("unproject_conf", "selected", selected[best], golden["selected"])
    yield near("unproject_conf", "xyz", points[best], golden["xyz"], allowed)


def resized(goldens: MapGoldenSet) -> Rows:
    """Compare features, colours, depth and labels at other sizes."""
    scene, golden = goldens.tensors("scene"), goldens.tensors("resize")
    allowed = goldens.noted("resize", r"bilinear abs ([\d.e-]+)")
    for key, expected in golden.items():
        kind = key.split("_", maxsplit=1)[0]
        size = Size(*expected.shape[-2:]) if expected.ndim == 4 else None
        if kind == "feat" and size:
            ours = torch.stack([resize_antialiased(one, size) for one in scene["feat"][: len(expected)]])
            yield near("resize", key, ours, expected, allowed)
        elif kind == "rgb" and size:
            yield near("resize", key, resize_antialiased(scene["rgb"][0], size)[None], expected, allowed)
        elif size:
            yield same("resize", key, resize_nearest(scene[kind][0, 0], size)[None, None], expected)


def voxelised(goldens: MapGoldenSet) -> Rows:
    """Compare indices, centres, sums, means and counts of scattered points."""
    golden = goldens.tensors("voxelize")
    size = float(golden["vox_size"])
    keys = pack(voxel_indices(golden["pts"], size))
    sums = sum_by_voxel(keys, golden["feat"], golden["pts"])
    allowed = goldens.noted("voxelize", r"mean/sum abs ([\d.e-]+)")
    order = pack(golden["ijk"].long()).argsort()
    yield same("voxelize", "ijk", unpack(sums.keys), golden["ijk"][order])
    yield near("voxelize", "centre", centres(unpack(sums.keys), size), golden["centre"][order], 0)
    yield same("voxelize", "count", sums.counts, golden["count"][order])
    yield near("voxelize", "sum", sums.values, golden["sum"][order], allowed)
    yield near("voxelize", "mean", sums.values / sums.counts[:, None], golden["mean"][order], allowed)


def merged(goldens: MapGoldenSet) -> Rows:
    """Compare the merge of two weighted sets."""
    golden = goldens.tensors("merge")
    size = float(goldens.tensors("voxelize")["vox_size"])
    grown = VoxelMap(MapDescription(size, "golden", golden["fw1"].shape[1] - 1, "float32"))
    for part in "12":
        values, weights = golden[f"fw{part}"][:, :-1], golden[f"fw{part}"][:, -1:]
        keys = pack(voxel_indices(golden[f"xyz{part}"], size))
        sums = sum_by_voxel(keys, torch.cat([values * weights, weights], 1), golden[f"xyz{part}"])
        counts = sums.values[:, -1].long()
        grown.add(VoxelSums(sums.keys, counts, sums.values[:, :-1], torch.zeros(len(counts), 3)))
    chunk = grown.to_semantic_map().whole()
    expected = golden["fw"][pack(golden["ijk"].long()).argsort()]
    yield same("merge", "ijk", chunk.keys, golden["ijk"][pack(golden["ijk"].long()).argsort()])
    yield same("merge", "weight", chunk.weights, expected[:, -1])
    allowed = goldens.noted("merge", r"tolerance ([\d.e-]+)")
    yield near("merge", "feature", chunk.values, expected[:, :-1], allowed)


def mapped(goldens: MapGoldenSet, name: str, *, frames: int | None = None) -> Rows:
    """Compare the map of all frames, or of the first `frames`, in feature space."""
    scene, golden = goldens.tensors("scene"), goldens.tensors(name)
    features = scene["feat"][:frames]
    corners = golden["clip_bbox"].tolist() if "clip_bbox" in golden else None
    box = None if corners is None else (tuple(corners[0]), tuple(corners[1]))
    chunk = scene_map(scene, list(features), box=box)
    yield from compare_map(goldens, name, chunk, golden)


def mapped_in_float64(goldens: MapGoldenSet) -> Rows:
    """Compare the same map with the float64 oracle."""
    scene, golden = goldens.tensors("scene"), goldens.tensors("map_feature_f64")
    chunk = scene_map(scene, list(scene["feat"]))
    allowed = goldens.tolerance("feature", r"([\d.e-]+) vs map_feature_f64")
    yield from compare_map(goldens, "map_feature_f64", chunk, golden, feature=allowed)


def mapped_probabilities(goldens: MapGoldenSet) -> Rows:
    """Compare the map of class probabilities; pixel probabilities of the first frame too."""
    scene, golden = goldens.tensors("scene"), goldens.tensors("map_prob")
    images = [_probabilities(one, scene["text"], Size(*scene["depth"].shape[-2:])) for one in scene["feat"]]
    allowed = goldens.tolerance("prob")
    pixels = resize_antialiased(images[0], Size(*golden["pixel_probs_frame0"].shape[1:]))
    yield near("map_prob", "pixel_probs_frame0", pixels, golden["pixel_probs_frame0"], allowed)
    yield from compare_map(goldens, "map_prob", scene_map(scene, images), golden)


def principal_components(goldens: MapGoldenSet) -> Rows:
    """Compare restoration from the reference's components, and that ours leave no larger error.

    The reference fits by a randomised method, so its components are near the best ones, not the best.
    """
    features, golden = goldens.tensors("scene")["feat"].movedim(1, -1), goldens.tensors("pca")
    rows, allowed = features.flatten(0, 2), goldens.tolerance("feature")
    fitted = fit_basis([rows], golden["basis"].shape[1])
    given = Basis(golden["mean"], golden["basis"], 0.0)
    restored = given.restore(given.project(rows)).unflatten(0, features.shape[:3])
    ours = (fitted.restore(fitted.project(rows)) - rows).square().mean()
    yield near("pca", "mean", fitted.mean, golden["mean"], allowed)
    yield near("pca", "recon_centred", restored, golden["recon_centred"], allowed)
    yield near("pca", "mse_centred", ours.clamp_min(golden["mse_centred"]), golden["mse_centred"], allowed)


def scene_map(scene: Tensors, lifted: Sequence[Tensor], *, box: Box | None = None) -> Chunk:
    """Return the float32 map of the first frames of the scene, one lifted grid for each."""
    description = MapDescription(float(scene["vox_size"]), "golden", lifted[0].shape[0], "float32")
    grown = VoxelMap(description)
    for index, values in enumerate(lifted):
        Mapper(description, lambda _, values=values: values, box=box).integrate(frame(scene, index), grown)
    return grown.to_semantic_map().whole()


def compare_map(
    goldens: MapGoldenSet, name: str, chunk: Chunk, golden: Tensors, *, feature: float | None = None
) -> Rows:
    """Compare voxels, counts, colours and values; the last three on the voxels that both have."""
    ours, theirs = pack(chunk.keys), pack(golden["ijk"].long())
    share = goldens.tolerance("voxel_index", r"<= ([\d.]+) %") / 100
    _, mine, other = np.intersect1d(ours.numpy(), theirs.numpy(), return_indices=True)
    differ = len(ours) + len(theirs) - 2 * len(mine)
    yield Row(name, "ijk", differ, np.floor(share * len(theirs)), integer=True)
    yield same(name, "count", chunk.weights[mine], golden["count"][other], np.floor(share * len(theirs)))
    if "rgb" in golden:
        yield near(name, "rgb", chunk.colours[mine], golden["rgb"][other], goldens.tolerance("rgb"))
    allowed = goldens.tolerance("feature") if feature is None else feature
    yield near(name, "feat", chunk.values[mine], golden["feat"][other], allowed)


def frame(scene: Tensors, index: int) -> Frame:
    """Return a frame of the scene."""
    depth, k = scene["depth"][index, 0], scene["K"]
    camera = Intrinsics(*(float(k[row, column]) for row, column in ((0, 0), (1, 1), (0, 2), (1, 2))),
                        Size(*depth.shape))  # fmt: skip
    return Frame(str(index), scene["rgb"][index], depth, camera, scene["pose"][index].double())


def _points(scene: Tensors, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the world points of some frames and their flat indices into all pixels of those frames."""
    points, selected = [], []
    for position, index in zip(count(), indices, strict=False):
        one = frame(scene, index)
        pixels = valid_depth(one.depth).flatten().nonzero()[:, 0]
        points.append(transform(unproject(one.depth, one.intrinsics, pixels), one.camera_to_world))
        selected.append(pixels + position * one.depth.numel())
    return torch.cat(points), torch.cat(selected)


def _probabilities(features: Tensor, text: Tensor, size: Size) -> Tensor:
    """Return class probabilities on the patch grid, channel 0 for ignore, denoised as seen at `size`."""
    low = class_probabilities(row_cosine(features, text), temperature=100.0)
    kept = decide(low, size, denoising=0.5).kept
    return torch.cat([torch.zeros_like(low[:1]), torch.where(kept[:, None, None], low, 0)])


STAGES: Mapping[str, Callable[[MapGoldenSet], Rows]] = {
    "unproject": unprojected,
    "unproject_conf": unprojected_by_confidence,
    "resize": resized,
    "voxelize": voxelised,
    "merge": merged,
    "map_feature": partial(mapped, name="map_feature"),
    "map_feature_f64": mapped_in_float64,
    "map_period4": partial(mapped, name="map_period4"),
    "map_batch3": partial(mapped, name="map_batch3"),
    "map_noflush": partial(mapped, name="map_noflush", frames=8),
    "map_clip": partial(mapped, name="map_clip"),
    "map_prob": mapped_probabilities,
    "pca": principal_components,
}
"""For each golden file, the function that yields its compared stages."""
