"""What principal components cost in accuracy: `python -m benchmarks.compression [--rooms 3] [--frames 12]`.

Rooms of the miniature world, features of the miniature model. Voxels are named by the names of their room
with features as they are and with features restored from so many components; equal names are counted.
"""

import argparse

import torch
from torch import Tensor
from torch.nn import functional as F
from training.miniature.evaluate_maps import RoomWalk

from radseg.mapping.compression import fit_basis
from radseg.mapping.voxel_map import VoxelMap
from radseg.methods.base import BackboneEncoder
from radseg.ops.cosine import row_cosine
from radseg.presets.load import load
from radseg.runs.lifting import feature_mapper
from radseg.segment import Segmenter

COMPONENTS = (4, 8, 16, 32, 64, 128)
VOXEL, SAMPLED = 0.1, 8


def compare(segmenter: Segmenter, walk: RoomWalk) -> dict[int, tuple[float, float, float]]:
    """Return for each number of components: variance kept, mean cosine of features, share of equal names."""
    frames = [walk.read(name) for name in walk.frame_ids()]
    mapper = feature_mapper(segmenter, VOXEL, dtype="float32")
    assert mapper.lift is not None
    grown = VoxelMap(mapper.description)
    for frame in frames:
        mapper.integrate(frame, grown)
    values = grown.to_semantic_map().whole().values
    text, _ = segmenter.embed(", ".join(walk.room.names), mode="assign")
    truth = named(segmenter, values, text.values)
    step = max(1, len(frames) // SAMPLED)
    patches = [mapper.lift(frame.rgb).flatten(1).mT for frame in frames[::step][:SAMPLED]]
    results = {}
    for components in COMPONENTS:
        if components >= values.shape[1]:
            continue
        basis = fit_basis(patches, components)
        restored = basis.restore(basis.project(values).half())
        cosine = float(F.cosine_similarity(values, restored).mean())
        equal = float((named(segmenter, restored, text.values) == truth).float().mean())
        results[components] = basis.explained, cosine, equal
    return results


@torch.inference_mode()
def named(segmenter: Segmenter, values: Tensor, text: Tensor) -> Tensor:
    """Return the row of the most similar name for every voxel."""
    encoder = segmenter.encoder
    assert isinstance(encoder, BackboneEncoder)
    return row_cosine(encoder.align(values).mT, text).argmax(0)


def main() -> None:
    """Print one line per number of components, means over the rooms."""
    parser = argparse.ArgumentParser(prog="benchmarks.compression", description=__doc__)
    parser.add_argument("--rooms", type=int, default=3)
    parser.add_argument("--frames", type=int, default=12)
    options = parser.parse_args()
    segmenter = load("miniature")
    walks = [RoomWalk(7000 + index, frames=options.frames) for index in range(options.rooms)]
    results = [compare(segmenter, walk) for walk in walks]
    print(f"{'components':>10} {'variance':>9} {'cosine':>8} {'equal names':>12}")
    for components in results[0]:
        means = torch.tensor([one[components] for one in results]).mean(0).tolist()
        print(f"{components:10} {means[0]:9.4f} {means[1]:8.4f} {means[2]:12.4f}")


if __name__ == "__main__":
    main()
