"""A question to a large map whose features are aligned already: `python -m benchmarks.query [--voxels N]`.

A building of that many voxels with features of 1152 channels (SigLIP 2 so400m) in the cache;
two names and the contrast bank. Plain is the product of whole tiles, widened to float32, without blocks.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.measure import fastest_in_turns, resident_mb
from radseg.mapping.aligned import AlignedCache
from radseg.mapping.description import MapDescription
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.query import ask
from radseg.mapping.semantic_map import SemanticMap
from radseg.mapping.voxel_map import VoxelMap
from radseg.ops.voxels import VoxelSums, pack
from radseg.types import TextEmbeddings

WIDTH, CONTRAST, NAMES = 1152, 8, 2


def building(folder: Path, voxels: int) -> SemanticMap:
    """Return a stored map of floors, one voxel thick, 4 m apart, with a number as value."""
    side = int((voxels / 4) ** 0.5)
    x, y, floor = torch.meshgrid(torch.arange(side), torch.arange(side), torch.arange(4), indexing="ij")
    keys = pack(torch.stack([x, y, floor * 80], -1).reshape(-1, 3)).sort().values
    values = (torch.arange(len(keys)) % 1000).float()[:, None]
    description = MapDescription(0.05, "backbone:benchmark", 1)
    grown = VoxelMap(description, folder=folder)
    for part in torch.arange(len(keys)).split(200_000):
        grown.add(VoxelSums(keys[part], torch.ones_like(part), values[part], torch.zeros(len(part), 3)))
    write_manifest(folder, MapManifest(description, grown.flush()))
    return SemanticMap.open(folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    rows = torch.randn(NAMES + CONTRAST, WIDTH, generator=torch.Generator().manual_seed(0))
    names = TextEmbeddings(tuple(f"name {i}" for i in range(NAMES)), rows[:NAMES], tuple(range(NAMES)), "s")
    bank = TextEmbeddings(
        tuple(f"bank {i}" for i in range(CONTRAST)), rows[NAMES:], tuple(range(CONTRAST)), "s"
    )
    table = (
        torch.randn(1000, WIDTH, generator=torch.Generator().manual_seed(1))
        + 2 * rows[0] * (torch.arange(1000) < 20)[:, None]
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "map"
        stored = building(folder, chosen.voxels)
        cache = AlignedCache.of(
            folder / "aligned", lambda values: table[values[:, 0].long()], "benchmark", WIDTH
        )
        for _ in cache.parts(stored):
            pass
        before = resident_mb()

        def question() -> None:
            answers.append(ask(cache.parts(stored), names, bank, mode="background", voxel_size=0.05))
            del answers[:-1]

        def plain() -> None:
            for part in cache.parts(stored):
                (part.features.float() @ rows.T).softmax(dim=1)

        def objects() -> None:
            answers[-1].objects()

        answers: list = []
        calls = {"question": question, "plain": plain, "objects": objects}
        best = fastest_in_turns(calls, rounds=chosen.rounds)
        start = time.process_time()  # on a busy machine this says more than the clock on the wall
        question()
        processor = time.process_time() - start
        print(f"{len(stored):,} voxels × {WIDTH} channels, {chosen.threads} threads:")
        print(
            f"  question  {best['question']:.2f} s ({processor:.2f} s of CPU)   plain {best['plain']:.2f} s"
        )
        print(f"  objects    {best['objects']:.2f} s ({len(answers[-1].objects()[names.names[0]])} found)")
        print(f"  memory    {resident_mb() - before:,.0f} MB resident more, mapped files included")


if __name__ == "__main__":
    main()
