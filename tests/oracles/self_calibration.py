"""SC-CLIP written token by token (methods spec 4). Tokens are numpy, CLS first; blocks as in last_block."""

import numpy as np

from oracles.last_block import heads_of, merged, softmax_rows


def outlier_scores(tokens, k):
    """The local outlier factor of every row, by the textbook's steps with SC-CLIP's reach."""
    count = len(tokens)
    distance = [[((a - b) ** 2).sum() for b in tokens] for a in tokens]
    near = [
        sorted((j for j in range(count) if j != i), key=lambda j: distance[i][j])[:k] for i in range(count)
    ]
    kth = [distance[i][near[i][-1]] for i in range(count)]
    reach = [[max(distance[i][j], kth[i]) for j in near[i]] for i in range(count)]
    density = [len(r) / sum(r) for r in reach]
    return np.array([np.mean([density[j] for j in near[i]]) / density[i] for i in range(count)])


def outliers(tokens, k, share):
    scores = outlier_scores(tokens, k)
    return scores > np.quantile(scores, 1 - share)


def correction(tokens, bad, height, width):
    out = tokens.copy()
    for i in np.flatnonzero(bad):
        y, x = divmod(int(i), width)
        around = [
            tokens[b * width + a]
            for b in range(max(y - 1, 0), min(y + 2, height))
            for a in range(max(x - 1, 0), min(x + 2, width))
            if (b, a) != (y, x) and not bad[b * width + a]
        ]
        if around:
            out[i] = np.mean(around, axis=0)
    return out


def cosine(tokens):
    unit = tokens / np.linalg.norm(tokens, axis=1, keepdims=True)
    return unit @ unit.T


def like_average(tokens, values):
    weights = cosine(tokens)
    weights[weights < 0.4] = 0
    return weights / (weights.sum(1, keepdims=True) + 1e-6) @ values


def guide(outputs, size, middle, k, share):
    """The middle layer's patches, outliers of x_{L-1} corrected."""
    return correction(outputs[middle][1:], outliers(outputs[max(outputs)][1:], k, share), *size)


def window(outputs, last, heads, size, layers, k, share, mean=None):
    """(p, d) before the final norm. outputs: x_l by l; layers: middle, early, levels.

    mean: of the middle layer's cosines, where not this window's own.
    """
    middle, early, levels = layers
    x = outputs[max(outputs)]
    guided_by = guide(outputs, size, middle, k, share)
    alike = cosine(guided_by)
    logits = 3 * (alike - (alike.mean() if mean is None else mean))
    logits[(logits < 0) & ~np.eye(len(logits), dtype=bool)] = -np.inf
    guided = softmax_rows(logits)

    def stream(tokens, cls):
        per_head = []
        for _, keys, values in heads_of(tokens, last, heads):
            own = softmax_rows(keys @ keys.T / keys.shape[1] ** 0.5)
            per_head.append((guided + own) / 2 @ values)
        return like_average(outputs[early][1:], merged(per_head, last) + 0.3 * cls)

    total = sum(outputs[level] for level in levels)
    corrected = correction(x[1:], outliers(x[1:], k, share), *size)
    first = stream(like_average(guided_by, corrected), x[:1])
    return first + stream(total[1:], total[:1])
