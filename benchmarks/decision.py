"""Streamed against plain scoring and decision: `python -m benchmarks.decision`.

Plain is the straightforward form with the same matrix product: softmax, upsample every name, denoise,
argmax. The reference's broadcast cosine, which is far heavier, is measured too at the sizes where it fits.
"""

import torch
from torch.nn import functional as F

from benchmarks.measure import cost
from radseg.scoring import class_cosine, class_probabilities, decide
from radseg.types import LanguageFeatures, Size, TextEmbeddings

WIDTH = 1152
# patches, image: about 1k, 5k and 14k tokens
SIZES = ((Size(28, 42), Size(448, 672)), (Size(56, 98), Size(896, 1568)), (Size(84, 168), Size(1344, 2688)))
NAMES = (20, 150)


def example(grid: Size, count: int) -> tuple[LanguageFeatures, TextEmbeddings]:
    """Return a map that looks like a scene: about a tenth of the names own a region each, with noise."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(count, WIDTH, generator=generator)
    coarse = torch.randint(max(2, count // 10), (1, 1, 6, 8), generator=generator)
    owner = F.interpolate(coarse.float(), tuple(grid), mode="nearest").long()[0, 0]
    noise = torch.randn(*grid, WIDTH, generator=generator)
    values = (rows[owner] + 4 * noise).permute(2, 0, 1).contiguous()
    names = tuple(f"name {i}" for i in range(count))
    return LanguageFeatures(values, "s"), TextEmbeddings(names, rows, tuple(range(count)), "s")


def streamed(grid: Size, size: Size, count: int):
    """Prepare the form that runs."""
    features, text = example(grid, count)
    return lambda: decide(
        class_probabilities(class_cosine(features, text), temperature=100.0), size, denoising=0.5
    )


def plain(grid: Size, size: Size, count: int):
    """Prepare the form that upsamples everything at once."""
    features, text = example(grid, count)
    return lambda: plain_decision(class_cosine(features, text), size)


def broadcast(grid: Size, size: Size, count: int):
    """Prepare the reference's form: the cosine of every patch with every name by broadcasting."""
    features, text = example(grid, count)

    def call() -> torch.Tensor:
        tokens = features.values.flatten(1).mT[:, None].expand(-1, count, -1)
        rows = text.values[None].expand(tokens.shape[0], -1, -1)
        norms = tokens.norm(dim=-1) * rows.norm(dim=-1)
        cosine = (tokens.contiguous() * rows.contiguous()).sum(-1) / norms
        return plain_decision(cosine.mT.unflatten(1, grid), size)

    return call


def plain_decision(cosine: torch.Tensor, size: Size) -> torch.Tensor:
    """Return the labels with every name upsampled at once."""
    up = F.interpolate((cosine * 100).softmax(0)[None], tuple(size), mode="bilinear")[0]
    kept = up.flatten(1).amax(1) >= 0.5
    return (up * kept[:, None, None]).argmax(0)


def main() -> None:
    """Print one line per size and number of names."""
    print(f"{'tokens':>7} {'names':>6} {'form':>10} {'seconds':>9} {'ratio':>7} {'added MB':>9} {'ratio':>7}")
    for grid, size in SIZES:
        for count in NAMES:
            ours = cost(streamed, grid, size, count)
            forms = {"streamed": ours, "plain": cost(plain, grid, size, count)}
            if grid.height * grid.width * count < 1_000_000:
                forms["broadcast"] = cost(broadcast, grid, size, count, repeats=1)
            for name, one in forms.items():
                time, memory = one.seconds / ours.seconds, one.added_mb / max(ours.added_mb, 1)
                print(
                    f"{grid.height * grid.width:7} {count:6} {name:>10} "
                    f"{one.seconds:9.3f} {time:6.1f}× {one.added_mb:9.0f} {memory:6.1f}×"
                )


if __name__ == "__main__":
    main()
