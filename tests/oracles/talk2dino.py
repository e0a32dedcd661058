"""Talk2DINO's windows as its code averages them (methods spec 1.3, 8): pixel by pixel, in numpy."""

import numpy as np


def starts(length, crop, stride):
    count = max(length - crop + stride - 1, 0) // stride + 1
    return [max(min(i * stride + crop, length) - crop, 0) for i in range(count)]


def aligned(grid, height, width):
    """Bilinear, the centres of the corner cells on the corner pixels."""
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            v = y * (grid.shape[0] - 1) / max(height - 1, 1)
            u = x * (grid.shape[1] - 1) / max(width - 1, 1)
            i, j = min(int(v), grid.shape[0] - 2), min(int(u), grid.shape[1] - 2)
            a, b = v - i, u - j
            top = (1 - b) * grid[i, j] + b * grid[i, j + 1]
            bottom = (1 - b) * grid[i + 1, j] + b * grid[i + 1, j + 1]
            out[y, x] = (1 - a) * top + a * bottom
    return out


def mean_sigmoids(height, width, crop, stride, cosines_of):
    """(r, H, W). cosines_of(top, bottom, left, right): (r, g, g) of one window."""
    total, count = 0, np.zeros((height, width))
    for top in starts(height, crop, stride):
        for left in starts(width, crop, stride):
            bottom, right = min(top + crop, height), min(left + crop, width)
            maps = 1 / (1 + np.exp(-cosines_of(top, bottom, left, right)))
            canvas = np.zeros((len(maps), height, width))
            for row, one in zip(canvas, maps, strict=True):
                row[top:bottom, left:right] = aligned(one, bottom - top, right - left)
            total = total + canvas
            count[top:bottom, left:right] += 1
    return total / count
