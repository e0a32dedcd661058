"""Maps of coloured blocks that answer colour words, in memory and on the disk."""

import torch

from radseg.mapping.description import MapDescription
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums, pack
from radseg.testing import COLOURS, SPACE, ColourTextEncoder, colour_features
from radseg.text.vocabulary import Vocabulary

BLOCKS = {"red": (0, 0, 0), "blue": (20, 0, 0), "green": (0, 20, 0), "white": (200, 0, 0)}
SIDE = 4


def block_keys(corner):
    return torch.cartesian_prod(*(torch.arange(start, start + SIDE) for start in corner))


def sums(blocks=BLOCKS, zero=False):
    keys = torch.cat([block_keys(corner) for corner in blocks.values()])
    colours = torch.cat(
        [torch.tensor([COLOURS[name]] * SIDE**3, dtype=torch.float32) / 255 for name in blocks]
    )
    values = colour_features(colours)
    if zero:
        values[0] = 0
    packed = pack(keys)
    order = packed.argsort()
    return VoxelSums(packed[order], torch.ones_like(packed), values[order], colours[order])


def description(**changes):
    return MapDescription(**({"voxel_size": 0.05, "space": SPACE, "channels": 126} | changes))


def memory_map(**options):
    voxels = VoxelMap(description())
    voxels.add(sums(**options))
    return voxels.to_semantic_map()


def stored_map(folder, blocks=BLOCKS):
    voxels = VoxelMap(description(), folder=folder)
    voxels.add(sums(blocks))
    write_manifest(folder, MapManifest(voxels.description, voxels.flush()))
    return SemanticMap.open(folder)


def words(*names):
    vocabulary = Vocabulary.parse(list(names))
    return ColourTextEncoder().embed_with_contrast(vocabulary)
