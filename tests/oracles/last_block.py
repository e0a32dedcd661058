"""Replaced last blocks of a vision transformer for one window, by head and by pair (methods spec 2 to 9).

`block` is a dict of numpy weights: see `weights_of`. Tokens are (t, d), CLS and registers first.
"""

import math

import numpy as np
from scipy.special import erf

from oracles import semantic_feedback


def weights_of(block):
    """The weights of a radseg Block as a plain dict."""
    return {name: value.double().numpy() for name, value in block.state_dict().items()}


def normed(x, block, which, eps=None):
    eps = block.get("eps", 1e-6) if eps is None else eps
    centred = x - x.mean(1, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(1, keepdims=True) + eps)
    return unit * block[f"{which}.weight"] + block[f"{which}.bias"]


def heads_of(x, block, heads):
    """Per head the triple of queries, keys, values."""
    together = normed(x, block, "norm1") @ block["attention.qkv.weight"].T + block["attention.qkv.bias"]
    parts = [np.split(part, heads, axis=1) for part in np.split(together, 3, axis=1)]
    return list(zip(*parts, strict=True))


def softmax_rows(logits):
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)


def merged(per_head, block):
    return np.concatenate(per_head, 1) @ block["attention.out.weight"].T + block["attention.out.bias"]


def with_tail(x, attended, block, tail):
    """Residual and MLP around an attention's output, or its output alone."""
    attended = attended * block.get("scale1", 1.0)
    if tail == "reduced":
        return attended
    x = x + attended
    hidden = normed(x, block, "norm2") @ block["mlp.up.weight"].T + block["mlp.up.bias"]
    hidden = hidden * (1 + erf(hidden / math.sqrt(2))) / 2
    return x + (hidden @ block["mlp.down.weight"].T + block["mlp.down.bias"]) * block.get("scale2", 1.0)


def neighbours(height, width, prefix, sigma):
    """ω with zero rows and columns for the prefix."""
    cells = [(y, x) for y in range(height) for x in range(width)]
    bias = np.zeros((prefix + len(cells), prefix + len(cells)))
    for i, a in enumerate(cells):
        for j, b in enumerate(cells):
            bias[prefix + i, prefix + j] = math.exp(-(math.dist(a, b) ** 2) / (2 * sigma**2))
    return bias


def key_key(x, block, heads, bias, tail="full"):
    """NARADIO and RayFronts."""
    out = [softmax_rows(k @ k.T / math.sqrt(k.shape[1]) + bias) @ v for _, k, v in heads_of(x, block, heads)]
    return with_tail(x, merged(out, block), block, tail)


def standard(x, block, heads):
    out = [softmax_rows(q @ k.T / math.sqrt(k.shape[1])) @ v for q, k, v in heads_of(x, block, heads)]
    return with_tail(x, merged(out, block), block, "full")


def proxy(x, block, heads, prefix, features, tail="full", gamma=3.0, beta=1.2):
    """Patches of ProxyRADIO, given the teacher's features (p, e)."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    logits = gamma * (cosine - beta * cosine.mean())
    off = ~np.eye(len(logits), dtype=bool)
    logits[(logits < 0) & off] = -np.inf
    out = [softmax_rows(logits) @ v[prefix:] for _, _, v in heads_of(x, block, heads)]
    return with_tail(x[prefix:], merged(out, block), block, tail)


def residual(inputs, blocks, heads, bias, numbers, *, label, prefix, paper, tail):
    """ResRADIO or ResCLIP for one window: RCS, then SFR.

    inputs: tokens before each inner block used, and before the last one. numbers: the five of Residuals.
    label: tokens after the block to labels (h, w), -1 for unsure.
    """
    _, gain, share, feedback_gain, feedback_share = numbers
    x, last = inputs[-1], blocks[-1]
    maps = []
    for tokens, block in zip(inputs[:-1], blocks[:-1], strict=True):
        per_head = heads_of(tokens, block, heads)
        maps.append([softmax_rows(q @ k.T / math.sqrt(k.shape[1])) for q, k, _ in per_head])
    inner = [sum(one[h] for one in maps) / len(maps) for h in range(heads)]

    def run(scale, extra):
        out = []
        for h, (_, k, v) in enumerate(heads_of(x, last, heads)):
            own = softmax_rows(scale * (k @ k.T) / math.sqrt(k.shape[1]) + extra)
            out.append(gain * ((1 - share) * own + share * inner[h]) @ v)
        return with_tail(x, merged(out, last), last, tail)

    matrix = np.zeros_like(bias)
    matrix[prefix:, prefix:] = semantic_feedback.affinity(label(run(1.0, bias)), paper)
    return run(feedback_gain * (1 - feedback_share), bias + feedback_gain * feedback_share * matrix)
