"""The 2D scores from their definitions, pixel by pixel in whole numbers; shares no code with radseg."""

from fractions import Fraction


def scores(pairs, classes, ignore):
    """All scores and the IoU per class of (truth, labels) pairs; in labels 0 is none, class i is i + 1."""
    both, truth, found = [0] * classes, [0] * classes, [0] * classes
    for true_map, label_map in pairs:
        for true_row, label_row in zip(true_map.tolist(), label_map.tolist(), strict=True):
            for true, label in zip(true_row, label_row, strict=True):
                if true == ignore:
                    continue
                truth[true] += 1
                if label > 0:
                    found[label - 1] += 1
                    both[true] += true == label - 1
    union = [truth[c] + found[c] - both[c] for c in range(classes)]
    iou = {c: Fraction(both[c], union[c]) for c in range(classes) if union[c]}
    accuracy = [Fraction(both[c], truth[c]) for c in range(classes) if truth[c]]
    pixels = sum(truth)
    return {
        "miou": _mean(list(iou.values())),
        "mean_accuracy": _mean(accuracy),
        "pixel_accuracy": Fraction(sum(both), pixels) if pixels else None,
        "fmiou": sum(Fraction(truth[c], pixels) * iou[c] for c in iou) if pixels else None,
        "iou": [iou.get(c) for c in range(classes)],
    }


def boundary_iou(pairs, classes, ignore, band):
    """Boundary IoU by eroding every class mask pixel by pixel."""
    shares = []
    for c in range(classes):
        both = either = 0
        for true_map, label_map in pairs:
            true = _rim((true_map == c).tolist(), band)
            found = _rim(((label_map == c + 1) & (true_map != ignore)).tolist(), band)
            both += len(true & found)
            either += len(true | found)
        if either:
            shares.append(Fraction(both, either))
    return _mean(shares)


def _rim(mask, band):
    inside = {(y, x) for y, row in enumerate(mask) for x, value in enumerate(row) if value}
    around = range(-band, band + 1)
    return {(y, x) for y, x in inside if any((y + j, x + i) not in inside for j in around for i in around)}


def _mean(values):
    return sum(values) / len(values) if values else None
