"""supervision.Detections."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool

from radseg.extras import require
from radseg.io.formats.masks import ClassMask


def supervision_detections(masks: Iterator[ClassMask], size: tuple[int, int]) -> Any:
    """Return supervision.Detections, one per name that is present; `class_id` counts the names from 0.

    That is what supervision means by it: its writers look names up by it in a list.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    library = require("supervision", "supervision")
    present = list(masks)
    stack = np.array([one.mask for one in present], dtype=bool).reshape(len(present), *size)
    return library.Detections(
        xyxy=np.array([_box(one.mask) for one in present], dtype=np.float32).reshape(-1, 4),
        mask=stack,
        confidence=np.array([one.score for one in present], dtype=np.float32),
        class_id=np.array([one.label - 1 for one in present], dtype=int),
        data={"class_name": np.array([one.name for one in present], dtype=str)},
    )


def _box(mask: Bool[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels; the last two are the last column and row, as in supervision."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
