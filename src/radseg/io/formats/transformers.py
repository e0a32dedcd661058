"""The dictionaries of the transformers pipelines."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from radseg.io.formats.masks import ClassMask


def pipeline_entries(masks: Iterator[ClassMask]) -> list[dict[str, Any]]:
    """Return label, score and mask (PIL, 0 or 255), as the transformers "image-segmentation" pipeline."""
    return [
        {"score": one.score, "label": one.name, "mask": Image.fromarray(one.mask.astype(np.uint8) * 255)}
        for one in masks
    ]


def segments_info(masks: Iterator[ClassMask]) -> list[dict[str, Any]]:
    """Return one entry per present name as transformers' `post_process_panoptic_segmentation` does."""
    return [
        {"id": one.label, "label_id": one.label, "label": one.name, "was_fused": False, "score": one.score}
        for one in masks
    ]
