"""Row-blocked against dense correlation attention: `python -m benchmarks.correlation`."""

import torch

from benchmarks.measure import cost
from radseg.ops.correlation import correlation_attention, correlation_attention_dense, mean_cosine

WIDTH = 768  # of the base backbone, in which SCGA works
COUNTS = (1_000, 5_000, 14_000)


def blocked(count: int):
    """Prepare SCGA's call in the form that runs."""
    tokens = torch.randn(count, WIDTH)
    return lambda: correlation_attention(tokens, tokens, temperature=10.0, threshold=mean_cosine(tokens))


def dense(count: int):
    """Prepare the definition with the whole matrix."""
    tokens = torch.randn(count, WIDTH)
    return lambda: correlation_attention_dense(
        tokens, tokens, temperature=10.0, threshold=mean_cosine(tokens)
    )


def main() -> None:
    """Print one line per number of tokens."""
    heads = ("tokens", "dense s", "blocked s", "time", "dense MB", "blocked MB", "memory")
    print("{:>8} {:>9} {:>10} {:>7} {:>9} {:>11} {:>7}".format(*heads))
    for count in COUNTS:
        plain, ours = cost(dense, count), cost(blocked, count)
        print(
            f"{count:8} {plain.seconds:9.3f} {ours.seconds:10.3f} {ours.seconds / plain.seconds:6.2f}× "
            f"{plain.added_mb:9.0f} {ours.added_mb:11.0f} {ours.added_mb / plain.added_mb:6.2f}×"
        )


if __name__ == "__main__":
    main()
