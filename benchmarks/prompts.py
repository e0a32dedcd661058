"""What three new words cost, before and after: `python -m benchmarks.prompts`.

The text tower is SigLIP 2 so400m at its real size with random weights (a small vocabulary, which costs no
time). Before: 3 names and 8 contrast phrases in 80 sentences each, 64 prompts a call. After: the bank in 7,
once per tower, 4 prompts a call. The cosine of int8 and bfloat16 with float32 is of random weights too:
`--text-dtype` measures it again on the real ones.
"""

import copy
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.nn.int8 import to_int8
from radseg.text.contrast import CONTRAST_PHRASES, contrast_templates
from radseg.text.templates import IMAGENET_80

NAMES, MEASURED, ROUNDS = 3, 8, 3


def tower() -> nn.Module:
    """Return the network of the text tower with random weights."""
    from transformers import Siglip2TextConfig, Siglip2TextModel  # noqa: PLC0415

    torch.manual_seed(0)
    config = Siglip2TextConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16,
        vocab_size=32_000, max_position_embeddings=64, projection_size=1152, bos_token_id=2, eos_token_id=1,
    )  # fmt: skip
    return Siglip2TextModel(config).eval().requires_grad_(False)


@torch.inference_mode()
def rows(network: nn.Module, ids: Tensor, at_once: int) -> Tensor:
    """Return the unit vector of each prompt."""
    parts = [network(input_ids=batch).pooler_output for batch in torch.split(ids, at_once)]
    return F.normalize(torch.cat(parts).float(), dim=-1)


def core_seconds(network: nn.Module, ids: Tensor, at_once: int) -> float:
    """Return the core-seconds per prompt of one pass."""
    start = time.process_time()
    rows(network, ids, at_once)
    return (time.process_time() - start) / len(ids)


def main() -> None:
    """Print the table."""
    network = tower()
    ids = torch.zeros(64, 64, dtype=torch.long)
    ids[:, :12] = torch.randint(4, 30_000, (64, 12))
    few = ids[:MEASURED]
    forms = {
        "float32, 64 a call": (network, ids, 64),
        "float32, 4 a call": (network, few, 4),
        "int8, 4 a call": (to_int8(copy.deepcopy(network)), few, 4),
        "bfloat16, 4 a call": (copy.deepcopy(network).to(torch.bfloat16), few, 4),
    }
    exact = rows(network, few, 4)
    best = dict.fromkeys(forms, float("inf"))
    for _ in range(ROUNDS):
        for name, form in forms.items():
            best[name] = min(best[name], core_seconds(*form))
    plain = best["float32, 64 a call"]
    for name, (form, _, _) in forms.items():
        cosine = float((rows(form, few, 4) * exact).sum(dim=1).min())
        print(f"{name}: {best[name]:.3f} core-s a prompt, {plain / best[name]:.2f} ×, cosine {cosine:.5f}")
    sentences, bank = len(IMAGENET_80.templates), len(CONTRAST_PHRASES)
    before = (NAMES + bank) * sentences
    first = NAMES * sentences + bank * len(contrast_templates(IMAGENET_80).templates)
    later = NAMES * sentences
    for what, count, each in (
        ("before", before, plain),
        ("after, first run", first, best["float32, 4 a call"]),
        ("after, later runs", later, best["float32, 4 a call"]),
        ("after, later runs, int8", later, best["int8, 4 a call"]),
    ):
        total = count * each
        print(f"{what}: {count} prompts, {total:.0f} core-s, {before * plain / total:.1f} × less")


if __name__ == "__main__":
    main()
