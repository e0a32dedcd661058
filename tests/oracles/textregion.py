"""TextRegion's region rules and pooling from methods spec 7, mask by mask and patch by patch, in numpy."""

import numpy as np


def box(mask):
    ys, xs = np.nonzero(mask > 0)
    return xs.min(), ys.min(), xs.max(), ys.max()


def overlap(a, b):
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return width * height / max(1, sum(area) - width * height)


def regions(logits, scores, min_iou, min_stability, limit):
    """logits (points, 3, k, k), sub-part first, to fused soft masks."""
    found = []
    for level, token in enumerate((2, 1, 0)):  # whole, part, sub-part
        for q in range(len(logits)):
            mask, score = logits[q, token], scores[q, token]
            stable = (mask > 1).sum() / max(1, (mask > -1).sum())
            if score > min_iou and stable >= min_stability and (mask > 0).sum() > limit:
                found.append((level, score, mask))
    kept = []
    for candidate in sorted(found, key=lambda f: -f[1]):
        if all(overlap(box(candidate[2]), box(k[2])) <= 0.9 for k in kept):
            kept.append(candidate)
    kept.sort(key=lambda f: (f[0], -f[1]))
    soft = [np.clip(f[2], 0, 3) for f in kept]
    boxes, used, fused = [box(f[2]) for f in kept], set(), []
    for i in range(len(kept)):
        if i in used:
            continue
        group = [i]
        for j in range(len(kept)):
            if j in used or j == i or overlap(boxes[i], boxes[j]) <= 0.2:
                continue
            shared = np.minimum(soft[i], soft[j]).sum() / min(soft[i].sum(), soft[j].sum())
            if shared > 0.8:
                group.append(j)
        used |= set(group)
        fused.append(np.maximum.reduce([soft[g] for g in group]))
    return fused


def local(masks, values, least):
    """masks (r, p), values (p, d): the masks with columns of global patches set to 0."""
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    out = masks.copy()
    for i in range(len(values)):
        own, other = [], []
        for mask in masks:
            members = np.nonzero(mask > 0)[0]
            similarity = np.mean([unit[i] @ unit[j] for j in members])
            (own if mask[i] > 0 else other).append(similarity)
        score = (np.mean(own) if own else 0) - (np.mean(other) if other else 0)
        if score < least:
            out[:, i] = 0
    return out


def added(masks, tokens, texts, rest):
    """(r, k, k): per cell the sum over its regions of clamp(mask, 0, 1)·cosine; `rest` where none is."""
    out = rest.copy()
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            here = [i for i in range(len(masks)) if masks[i, y, x] > 0]
            if here:
                out[:, y, x] = [
                    sum(min(masks[i, y, x], 1) * (tokens[i] @ text) for i in here) for text in texts
                ]
    return out
