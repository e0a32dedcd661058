"""SAM's guidance in Trident from its formulas, query by query, in float64 (methods spec 6, stage 3)."""

import numpy as np


def threshold(cosines, factor, below_zero):
    """One value per query: over heads and keys."""
    found = factor * cosines.mean()
    if below_zero is not None and found < 0:
        found = below_zero
    return min(found, 0.9)


def guided(attention, values, features, factor, below_zero=None):
    """attention (h, n, n) after the softmax, values (h, n, k), features (n, d), all of the valid region."""
    heads, count, _ = attention.shape
    unit = values / np.linalg.norm(values, axis=-1, keepdims=True)
    out = []
    for i in range(count):
        cosines = np.array([[unit[h, i] @ unit[h, j] for j in range(count)] for h in range(heads)])
        limit = threshold(cosines, factor, below_zero)
        weights = [
            sum(attention[h, i, j] for h in range(heads) if cosines[h, j] > limit) / heads
            for j in range(count)
        ]
        out.append(sum(w * f for w, f in zip(weights, features, strict=True)) / sum(weights))
    return np.stack(out)
