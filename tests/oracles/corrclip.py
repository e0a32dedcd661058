"""CorrCLIP's window as published (methods spec 10b): copies of CLS among the tokens, a mask in all blocks.

Blocks are `clip_methods.LastBlock`; tokens are numpy (t, d) without the copies, CLS first.
"""

import itertools

import numpy as np

from oracles.attention import cosine
from oracles.clip_methods import softmax


def merged(regions, features, within):
    """Regions joined while any two have means that near, from 1 by least old number; the lowest is free."""
    free = min(regions)
    groups = {int(r): int(r) for r in sorted(set(regions)) if r != free}
    means = {r: np.mean([f / np.linalg.norm(f) for f in features[regions == r]], axis=0) for r in groups}
    for a, b in itertools.product(means, means):
        if 1 - cosine(means[a], means[b]) <= within:
            old, new = groups[b], groups[a]
            groups = {r: new if g == old else g for r, g in groups.items()}
    order = {g: i + 1 for i, g in enumerate(dict.fromkeys(groups.values()))}
    return np.array([order[groups[int(r)]] if r != free else 0 for r in regions])


def scoped(features, values, regions, temperature):
    similar = np.array([[cosine(a, b) for b in features] for a in features])
    out = []
    for i, row in enumerate(similar):
        weights = np.zeros(len(row))
        for j, value in enumerate(row):
            inside = regions[i] and regions[j]
            counts = regions[i] == regions[j] if inside else value > similar.mean()
            if counts or i == j:
                weights[j] = np.exp(temperature * value)
        out.append(weights @ values / weights.sum())
    return np.stack(out)


def block_with_mask(block, x, allowed):
    q, k, v = block.qkv(x)
    heads = []
    for h in range(block.heads):
        left, right, values = (block.part(m, h) for m in (q, k, v))
        logits = left @ right.T / np.sqrt(left.shape[1])
        logits[~allowed] = -np.inf
        heads.append(np.stack([softmax(row) @ values for row in logits]))
    y = x + block.out(heads)
    return y + block.mlp(y)


def window(blocks, tokens, features, cells, patches, of_cell, *, resize, layers, temperature, weights, head):
    """Language features per cell.

    cells: merged region of each cell, 0 the free area, which has a copy too. patches: per patch its region;
    of_cell: per cell its patch, whose region's copy it gets. resize: (p, d) of
    patches to (q, d) of cells. head: final norm and projection.
    """
    count, last = int(cells.max()) + 1, blocks[-1]
    x = np.concatenate([np.repeat(tokens[:1], count, axis=0), tokens])
    allowed = np.zeros((len(x), len(x)), dtype=bool)
    allowed[count:, count:] = True
    for r in range(count):
        allowed[r, count] = True
        for i, held in enumerate(patches):
            allowed[r, count + 1 + i] = r == held
    outputs = [x]
    for block in blocks:
        outputs.append(block_with_mask(block, outputs[-1], allowed))

    def mixed(stream):
        _, _, v = last.qkv(stream[count + 1 :])
        together = scoped(features, resize(v), cells, temperature)
        return head(last.out([together]))

    spatial, semantic = weights
    inner = np.mean([outputs[layer] for layer in layers], axis=0)
    copies = head(outputs[-1][:count])
    found = mixed(outputs[-2]) + spatial * mixed(inner)
    for i, patch in enumerate(of_cell):
        found[i] = found[i] + semantic * copies[patches[patch]]
    return found
