"""mmsegmentation's IoUMetric over a set of images."""

import numpy as np

from parity.methods_golden_set import MethodCase, Stages
from radseg.metrics.confusion import Counts, confusion_matrix, mean_accuracy, mean_iou, pixel_accuracy


def metric_stages(case: MethodCase) -> Stages:
    """Pixel counts, scores per class, means."""
    params = case.params
    pairs = zip(case.numbered("truth"), case.numbered("prediction"), strict=True)
    limits = {"classes": params["classes"], "ignore": params["ignore"]}
    matrices = (confusion_matrix(t.numpy(), p.numpy().astype(int) + 1, **limits) for t, p in pairs)
    counts = Counts.of(sum(matrices))
    yield "intersection", counts.both
    yield "union", counts.truth + counts.predicted - counts.both
    yield "predicted", counts.predicted
    yield "true", counts.truth
    yield "aAcc", pixel_accuracy(counts)
    yield "mean_IoU", mean_iou(counts)
    yield "mean_Acc", mean_accuracy(counts)
    scores = {
        "IoU": counts.iou(), "Acc": counts.accuracy(), "Recall": counts.accuracy(), "Dice": counts.dice(),
        "Precision": counts.precision(), "Fscore": counts.f_score(),
    }  # fmt: skip
    yield from scores.items()
    yield "mean_Dice", np.nanmean(scores["Dice"])
    yield "mean_Fscore", np.nanmean(scores["Fscore"])
