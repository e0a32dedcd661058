"""NPZ of a result, which loads back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from radseg.io.encode import arrays_bytes
from radseg.io.formats.classes import json_bytes

NPZ_FORMAT = "radseg-result/1"


def npz_bytes(arrays: Mapping[str, np.ndarray[Any, Any]], details: Mapping[str, Any]) -> bytes:
    """Return a compressed NPZ of plain arrays, and `details` as JSON text in the array "details"."""
    text = np.frombuffer(json_bytes({"format": NPZ_FORMAT, **details}), np.uint8)
    return arrays_bytes(**arrays, details=text)
