"""Features of an image in a file of a run, so that other prompts need no second look at the image.

They may be anybody's, as a run's folder may: a file is read only if it is whole, made of this image by this
model, finite, and as wide as the text space.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radseg.errors import ImageError
from radseg.files import json_of, open_regular, shown
from radseg.types import LanguageFeatures, Size

FORMAT = "radseg-features/1"
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Origin:
    """What features belong to.

    Attributes:
        name: output name of the image.
        model: hash of all that decides the features of an image; see `presets.spec.decides_features`.
    """

    name: str
    model: str


def features_bytes(features: LanguageFeatures, size: Size, origin: Origin, dtype: torch.dtype) -> bytes:
    """Return a safetensors file of the features of an image.

    Args:
        size: of the image, not of the grid.
        dtype: float16, with a relative error of 5·10⁻⁴; or float32, which loses nothing.

    Raises:
        ImageError: a number that float16 cannot hold.
    """
    order = _order(features.values)
    tensors = {"values": features.values.permute(order)}
    if features.regions is not None:
        tensors["regions"] = features.regions
    stored = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in stored.values()):
        raise ImageError(f"Its features do not fit into {dtype}. Keep them with --keep features-float32.")
    about = {
        "format": FORMAT,
        "space": features.space,
        "dtype": str(features.values.dtype).removeprefix("torch."),
        "order": order,
        "size": list(size),
        "name": origin.name,
        "model": origin.model,
        "sha256": _digest(stored),
    }
    return save(stored, {"about": json.dumps(about)})


def read_features(
    path: Path, origin: Origin, *, space: str, width: int, most: int
) -> tuple[LanguageFeatures, Size]:
    """Return the features in a file that `features_bytes` made, in the dtype in which they were computed.

    And height and width of their image in pixels.

    Args:
        space, width: of the text space they will be compared in.
        most: bytes that the file may have.

    Raises:
        ImageError: it is damaged, too large, of another image or model, or no such file.
    """
    try:
        with open_regular(path, most=most) as stream:
            content = stream.read()
        stored = load(content)
        about = _about(content)
        if about["sha256"] != _digest(stored):
            raise ValueError("its values are not those that were written")
        inverse = [list(about["order"]).index(axis) for axis in range(3)]
        stored["values"] = stored["values"].permute(inverse)
        dtype = {str(one).removeprefix("torch."): one for one in DTYPES}[about["dtype"]]
        height, width_of_image = about["size"]
        size = Size(int(height), int(width_of_image))
        fault = _fault(about, stored, size, origin, space, width)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, SafetensorError) as error:
        raise unusable(path, str(error)) from error
    if fault:
        raise unusable(path, fault)
    regions = stored.get("regions")
    values = stored["values"].to(dtype, copy=True)  # aligned as torch does it, not as the file is
    return LanguageFeatures(values, space, None if regions is None else regions.to(dtype)), size


def _about(content: bytes) -> Mapping[str, Any]:
    """Return what a file says of itself; its header begins with its length, 8 bytes, least first."""
    length = int.from_bytes(content[:8], "little")
    about = json_of(json_of(content[8 : 8 + length])["__metadata__"]["about"])
    if not isinstance(about, dict) or about["format"] != FORMAT:
        raise ValueError(f"it is not of the form {FORMAT}")
    return about


def _fault(
    about: Mapping[str, Any],
    stored: Mapping[str, Tensor],
    size: Size,
    origin: Origin,
    space: str,
    width: int,
) -> str:
    """Return what is wrong with a file's content; empty if nothing."""
    values, regions = stored["values"], stored.get("regions")
    if (about["name"], about["model"], about["space"]) != (origin.name, origin.model, space):
        return "it was made of another image, or by another model"
    if (
        not set(stored) <= {"values", "regions"}
        or values.ndim != 3
        or len(values) != width
        or not values.numel()
    ):
        return f"its features have the shape {tuple(values.shape)}; their width must be {width}"
    if regions is not None and (regions.ndim != 3 or not regions.numel()):
        return f"its regions have the shape {tuple(regions.shape)}"
    if min(size) < 1:
        return f"its image has {size} pixels"
    if not all(one.is_floating_point() and bool(one.isfinite().all()) for one in stored.values()):
        return "it holds a value that is no finite number"
    return ""


def _order(values: Tensor) -> list[int]:
    """Return the axes as they lie in memory: matrix products round by that, and exact is to be exact."""
    return sorted(range(values.ndim), key=values.stride, reverse=True)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def unusable(path: Path, why: str) -> ImageError:
    """Return what to raise for features that do not serve; a run removes the files of an image that fails."""
    return ImageError(
        f"The kept features {shown(path.name)} cannot be used: {why}. "
        "They were removed; --resume encodes the image again."
    )
