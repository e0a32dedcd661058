"""Row-blocked against dense correlation attention: `python -m benchmarks.correlation`."""

import torch

from benchmarks.measure import cost, fastest_in_turns
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
    forms = {"dense": dense, "blocked": blocked}
    heads = ("tokens", "dense s", "blocked s", "time", "dense MB", "blocked MB", "memory")
    print("{:>8} {:>9} {:>10} {:>7} {:>9} {:>11} {:>7}".format(*heads))
    for count in COUNTS:
        memory = {name: cost(prepare, count, repeats=1).added_mb for name, prepare in forms.items()}
        with torch.inference_mode():
            seconds = fastest_in_turns({name: prepare(count) for name, prepare in forms.items()}, rounds=3)
        print(
            f"{count:8} {seconds['dense']:9.3f} {seconds['blocked']:10.3f} "
            f"{seconds['blocked'] / seconds['dense']:6.2f}× {memory['dense']:9.0f} {memory['blocked']:11.0f} "
            f"{memory['blocked'] / memory['dense']:6.2f}×",
            flush=True,
        )


if __name__ == "__main__":
    main()
