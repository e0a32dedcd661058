"""ResCLIP's label affinity written pair by pair from its description (methods spec 3)."""

import math

import numpy as np
import torch


def upsampled(cosines, patch):
    """(r, h, w) to the pixels, bilinear."""
    size = (cosines.shape[1] * patch, cosines.shape[2] * patch)
    return torch.nn.functional.interpolate(torch.from_numpy(cosines)[None], size, mode="bilinear")[0].numpy()


def patch_labels(cosines, patch, temperature, threshold, paper=False):
    return pixel_votes(upsampled(cosines, patch), patch, temperature, threshold, paper)


def pixel_votes(large, patch, temperature, threshold, paper=False):
    """Maps (r, H, W) of cosines at the pixels to the label of every patch, pixel by pixel; -1 is unsure.

    paper: an unsure pixel votes for row 0.
    """
    rows, height, width = large.shape[0], large.shape[1] // patch, large.shape[2] // patch
    weights = np.exp(temperature * (large - large.max(0)))
    chosen = np.where(weights.max(0) / weights.sum(0) < threshold, 0 if paper else rows, large.argmax(0))
    out = np.zeros((height, width), int)
    for y in range(height):
        for x in range(width):
            cell = chosen[y * patch : (y + 1) * patch, x * patch : (x + 1) * patch].ravel()
            out[y, x] = np.bincount(cell, minlength=rows + 1).argmax()
    return np.where(out == rows, -1, out)


def crosses(labels, start, end, longest, paper):
    """Whether a sample between two cells has another label than the start."""
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    for k in range(steps + 1):
        part = k / max(longest, 1) if paper else k / max(steps, 1)
        place = tuple(round(a + part * (b - a)) for a, b in zip(start, end, strict=True))
        if labels[place] != labels[start]:
            return True
    return False


def gaussian(size):
    values = np.array([math.exp(-((i - size // 2) ** 2) / 50) for i in range(size)])
    return values / values.sum()


def smooth(line, run, paper):
    size = min(run, 31)
    if size % 2 == 0:
        size += 1 if paper else -1
    kernel, out = gaussian(size), np.zeros(len(line))
    for at in range(len(line)):
        for k in range(size):
            other = at + k - size // 2
            if 0 <= other < len(line) and other // run == at // run:
                out[at] += kernel[k] * line[other]
    return out


def affinity(labels, paper):
    """Labels (h, w) with -1 for unsure, to the (p, p) matrix."""
    height, width = labels.shape
    if paper:
        labels = np.maximum(labels, 0)
    cells = [(y, x) for y in range(height) for x in range(width)]
    longest = max(height, width) - 1
    matrix = np.zeros((len(cells), len(cells)))
    for i, a in enumerate(cells):
        for j, b in enumerate(cells):
            if i == j:
                matrix[i, j] = 1
            elif labels[a] == labels[b] and labels[a] >= 0:
                far = max(abs(a[0] - b[0]), abs(a[1] - b[1]))
                matrix[i, j] = math.exp(-far / longest) if crosses(labels, a, b, longest, paper) else 1
    rows = np.array([smooth(row, len(cells) if paper else width, paper) for row in matrix])
    rows = rows / (rows.sum(1, keepdims=True) + 1e-8)
    return rows / rows.max()
