"""How far training has come: single patches read on images that are not learnt from."""

from collections import defaultdict

import numpy as np
import torch
from torch.nn import functional as F

from radseg.miniature.store import LANGUAGE
from radseg.types import Size
from training.miniature.batches import Batch, Datasets
from training.miniature.recipe import Student, Targets, occupancy

SIDE, AT_ONCE = 160, 40


@torch.inference_mode()
def validate(student: Student, unseen: Datasets, targets: Targets) -> dict[str, float]:
    """Return how well patches and CLS are read, shares in 0 … 1.

    "here" chooses among the names in the image, "all" among all names, both per patch of one name;
    "presence" is the mean over images of the share of present names among the best CLS scores, as many as
    are present.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    for dataset in (unseen.wide, unseen.close):
        for start in range(0, len(dataset), AT_ONCE):
            batch = dataset.corner(Size(SIDE, SIDE), slice(start, start + AT_ONCE))
            for key, value in _sums(student, batch, targets).items():
                sums[key] += value
    return {
        "here": sums["here"] / sums["patches"],
        "all": sums["all"] / sums["patches"],
        "presence": sums["presence"] / sums["images"],
        "cls_patch_cosine": sums["cosine"] / sums["images"],
    }


def _sums(student: Student, batch: Batch, targets: Targets) -> dict[str, float]:
    text = student.tower(targets.counts)[: len(targets.names)]
    occupied = occupancy(batch.labels, student.radio.patch, len(text))
    tokens = student.radio.encode(batch.images)
    reading = F.normalize(student.radio.to_language(tokens.patches), dim=-1)
    scores = reading @ text.mT
    share = occupied.mean(1)
    pure, truth = (values.flatten() for values in occupied.max(-1))
    sure = pure > 0.8
    here = scores.masked_fill((share < 0.002)[:, None], -9).argmax(-1).flatten()
    seen = F.normalize(student.radio.summary_of(LANGUAGE, tokens), dim=-1)
    recall = []
    for row, there in zip(seen @ text.mT, share >= 0.02, strict=True):
        recall.append(float(there[row.topk(int(there.sum())).indices].float().mean()))
    return {
        "here": int((here == truth)[sure].sum()),
        "all": int((scores.argmax(-1).flatten() == truth)[sure].sum()),
        "patches": int(sure.sum()),
        "presence": float(np.sum(recall)),
        "cosine": float((reading * seen[:, None]).sum(-1).mean(1).sum()),
        "images": len(recall),
    }
