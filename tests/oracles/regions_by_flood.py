"""Connected regions by flood fill, pixel by pixel, written from the definition."""

import numpy as np


def regions_by_flood(labels, confidence, ignore, min_area):
    """Return (label, area, box, peak, pixels) of each region in raster order of its first pixel."""
    height, width = labels.shape
    seen = np.zeros(labels.shape, bool)
    found = []
    for y in range(height):
        for x in range(width):
            if seen[y, x]:
                continue
            seen[y, x] = True
            todo, pixels = [(y, x)], []
            while todo:
                i, j = todo.pop()
                pixels.append((i, j))
                for a in range(max(i - 1, 0), min(i + 2, height)):
                    for b in range(max(j - 1, 0), min(j + 2, width)):
                        if not seen[a, b] and labels[a, b] == labels[y, x]:
                            seen[a, b] = True
                            todo.append((a, b))
            if len(pixels) < min_area or int(labels[y, x]) in ignore:
                continue
            rows, columns = [p[0] for p in pixels], [p[1] for p in pixels]
            peak = min(pixels, key=lambda p: (-confidence[p], p))
            box = (min(columns), min(rows), max(columns), max(rows))
            found.append((int(labels[y, x]), len(pixels), box, peak[::-1], frozenset(pixels)))
    return found
