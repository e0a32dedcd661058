"""Slow versions written from the equations, loop by loop, sharing nothing with the library."""

import math

import numpy as np


def cosine(a, b):
    return float(np.dot(a, b) / (max(np.linalg.norm(a), 1e-12) * max(np.linalg.norm(b), 1e-12)))


def correlation_attention(tokens, values, temperature, threshold):
    out = []
    for i in range(len(tokens)):
        weights = {}
        for j in range(len(tokens)):
            similarity = cosine(tokens[i], tokens[j])
            if i == j or similarity >= threshold:
                weights[j] = math.exp(temperature * similarity)
        total = sum(weights.values())
        out.append(sum(w / total * values[j] for j, w in weights.items()))
    return np.stack(out)


def mean_cosine(tokens):
    return np.mean([[cosine(a, b) for b in tokens] for a in tokens])


def self_correlating_attention(x, qkv_weight, qkv_bias, out_weight, out_bias, heads, temperature, turns=1):
    """RADSeg Eq. 4-6 for one window: normed tokens (t, d) to the recursive attention's output (t, d)."""
    width = x.shape[1] // heads
    q, k, v = np.split(x @ qkv_weight.T + qkv_bias, 3, axis=1)
    first = []
    for h in range(heads):
        part = slice(h * width, (h + 1) * width)
        logits = q[:, part] @ k[:, part].T / math.sqrt(width)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        first.append(weights / weights.sum(1, keepdims=True) @ v[:, part])
    projected = np.concatenate(first, 1) @ out_weight.T + out_bias
    for _ in range(turns):
        mixed = []
        for h in range(heads):
            part = slice(h * width, (h + 1) * width)
            mixed.append(correlation_attention(projected[:, part], v[:, part], temperature, 0.0))
        projected = np.concatenate(mixed, 1) @ out_weight.T + out_bias
    return projected
