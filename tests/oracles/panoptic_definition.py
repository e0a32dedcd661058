"""Panoptic quality from its definition (Kirillov et al., arXiv 1801.00868, §4), pixel by pixel in fractions.

Shares no code with radseg. Segments are sets of pixels, each pixel in at most one of either side.
"""

from fractions import Fraction

HALF = Fraction(1, 2)


def quality(images, classes):
    """Sum of IoU, TP, FP and FN by class over images of (true, found) segments.

    A segment is (pixels, class); a true one has a third entry: whether it is a crowd. Pixels of no true
    segment are void.
    """
    totals = [[Fraction(0), 0, 0, 0] for _ in range(classes)]
    for true, found, pixels in images:
        known = set().union(*(t[0] for t in true)) if true else set()
        void = pixels - known
        paired = [
            (t, f, share)
            for t in true
            for f in found
            if not t[2] and t[1] == f[1] and (share := _iou(t[0], f[0] - void)) > HALF
        ]
        for t, _, share in paired:
            totals[t[1]][0] += share
            totals[t[1]][1] += 1
        for t in true:
            if not t[2] and all(t is not one for one, _, _ in paired):
                totals[t[1]][3] += 1
        for f in found:
            if any(f is one for _, one, _ in paired):
                continue
            excused = void.union(*(t[0] for t in true if t[2] and t[1] == f[1]))
            if not f[0] or Fraction(len(f[0] & excused), len(f[0])) <= HALF:
                totals[f[1]][2] += 1
    return totals


def pq(iou, tp, fp, fn):
    """PQ, SQ and RQ of one class; None where it has no segment."""
    if not tp + fp + fn:
        return None
    rq = Fraction(tp) / (tp + HALF * fp + HALF * fn)
    sq = iou / tp if tp else Fraction(0)
    return sq * rq, sq, rq


def _iou(one, other):
    return Fraction(len(one & other), max(1, len(one | other)))
