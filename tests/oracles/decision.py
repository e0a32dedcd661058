"""The plain decision: upsample every class, denoise, take the first maximum. Own bilinear, pixel by pixel."""

import numpy as np


def bilinear(image, height, width):
    rows, columns = image.shape
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            sy = min(max((y + 0.5) * rows / height - 0.5, 0), rows - 1)
            sx = min(max((x + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(sy), int(sx)
            down, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            fy, fx = sy - top, sx - left
            upper = image[top, left] * (1 - fx) + image[top, right] * fx
            lower = image[down, left] * (1 - fx) + image[down, right] * fx
            out[y, x] = upper * (1 - fy) + lower * fy
    return out


def decide(probabilities, height, width, denoising, threshold):
    cube = np.stack([bilinear(p, height, width) for p in probabilities])
    for c in range(len(cube)):
        if cube[c].max() < denoising:
            cube[c] = 0
    labels = cube.argmax(0) + 1
    labels[cube.max(0) < threshold] = 0
    ordered = np.sort(cube, 0)
    margin = ordered[-1] - (ordered[-2] if len(cube) > 1 else 0)
    return labels, cube.max(0), margin
