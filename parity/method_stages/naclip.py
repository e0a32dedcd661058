"""NACLIP: whole images, windows at any pixel, labels at another size."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.method_networks import clip_of
from parity.methods_golden_set import MethodCase, Stages
from radseg.ops.resize import image_size, resize
from radseg.ops.windows import crop_windows, plan_windows
from radseg.presets.table import METHODS, PRESETS
from radseg.refine.pamr import CosinePamr
from radseg.scoring import best_synonym, class_probabilities
from radseg.types import Size, TextEmbeddings


def slide_stages(case: MethodCase) -> Stages:
    """Windows, cosines at pixels, probabilities, labels without and with PAMR."""
    params, rows, clip = case.params, case.inputs["words"], clip_of(case)
    own = {name: params[name] for name in ("crop", "stride")}
    method: Any = METHODS["naclip"].build(clip, (), PRESETS["naclip-b-paper"].options.changed(own))
    method = replace(method, encoder=replace(method.encoder, sigma=params["sigma"]))
    classes = params["class_of_word"]
    names = tuple(str(i) for i in range(max(classes) + 1))
    text = TextEmbeddings(names, rows, tuple(classes), clip.space)
    for i, image in enumerate(case.numbered("image")):
        windows = plan_windows(image_size(image), crop=params["crop"], stride=params["stride"])
        corners = [(w.top, w.left, w.top + w.height, w.left + w.width) for w in windows]
        yield f"windows_{i}", np.asarray(corners, np.int32)
        first = method.window(crop_windows(image, windows[:1], patch=1), rows)[0]
        yield f"first_window_logits_{i}", first.mT.unflatten(-1, tuple(windows[0][2:]))
        cosines = method.score([image], text)[0]
        yield f"logits_{i}", cosines
        size = Size(*params["label_sizes"][i])
        large = resize(cosines, size)
        labels, probabilities = _decided(large, text, case)
        yield f"probabilities_{i}", probabilities
        yield f"labels_{i}", labels
        own = CosinePamr(params["pamr_iterations"], tuple(params["pamr_dilations"]))
        refined = own.sharpen(large, image)
        yield f"labels_pamr_{i}", _decided(refined, text, case)[0]


def _decided(cosines: Tensor, text: TextEmbeddings, case: MethodCase) -> tuple[Tensor, Tensor]:
    rows = class_probabilities(cosines, temperature=case.params["temperature"])
    best = best_synonym(rows, text)
    # Below the threshold the published code gives class 0, and judges before the sum is made 1 again.
    labels = torch.where(best.amax(dim=0) < case.params["threshold"], 0, best.argmax(dim=0))
    return labels, best / best.sum(dim=0)
