"""PAMR written from its formulas, pixel by pixel (methods spec 10.1)."""

import math

import numpy as np


def neighbours(row, column, dilations, height, width):
    """Row and column of every neighbour, clipped to the border, in the order dilation, row, column."""
    return [
        (min(max(row + d * y, 0), height - 1), min(max(column + d * x, 0), width - 1))
        for d in dilations
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if (y, x) != (0, 0)
    ]


def weights(image, row, column, dilations):
    """The neighbours' weights at one pixel of an image (3, H, W)."""
    near = neighbours(row, column, dilations, *image.shape[1:])
    scores = np.zeros(len(near))
    for channel in image:
        centre = channel[row, column]
        values = [channel[p] for p in near]
        spread = np.std([*values, *[centre] * len(dilations)], ddof=1)
        scores -= [abs(centre - v) / (1e-8 + 0.1 * spread) / 3 for v in values]
    exponentials = [math.exp(s - scores.max()) for s in scores]
    return np.array(exponentials) / sum(exponentials)


def refine(image, maps, dilations, iterations):
    """Maps (c, H, W) after the iterations."""
    height, width = image.shape[1:]
    for _ in range(iterations):
        out = np.zeros_like(maps)
        for row in range(height):
            for column in range(width):
                w = weights(image, row, column, dilations)
                near = neighbours(row, column, dilations, height, width)
                out[:, row, column] = sum(a * maps[:, y, x] for a, (y, x) in zip(w, near, strict=True))
        maps = out
    return maps
