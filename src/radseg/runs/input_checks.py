"""Whether images reach the model as they should: the recurring fault of RADIO's users is a wrong range.

RADIO normalises its input itself. Values to 255, or with a mean subtracted already, give plausible nonsense
and no error. Here the embedded miniature segments a rendered room whose truth is known, handed over in every
right and in every wrong way; and the normalisation inside converted checkpoints is looked at.
"""

import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from radseg.errors import ImageError, RadsegError
from radseg.io import to_rgb
from radseg.miniature.world import free_camera, make_room, render
from radseg.presets.load import load
from radseg.runs.finding import Finding
from radseg.segment import Segmenter
from radseg.weights.config import RADIO_FORMAT
from radseg.weights.tensors import read_safetensors

SEED = 0
"""Of the room: held out of the miniature's training. On it 96 % of the pixels are named right, and 22 % where
the image is normalised twice (measured)."""
_ENOUGH = 0.9
_SMALLEST = 0.005  # share of the image below which a name is not asked for
_REINSTALL = "pip install --force-reinstall torch radseg"


def check_images() -> Iterator[Finding]:
    """Say whether images reach the model as they should; what fails on the way is a problem, too."""
    try:
        yield from _checked()
    except Exception as error:  # a broken install raises anything, as in `health`
        yield _wrong(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


def _checked() -> Iterator[Finding]:
    """Segment a room given as uint8, as a PIL image, and in [0, 1]; hand it over in ways to be refused."""
    room = make_room(SEED, split="held_out")
    view = render(room, free_camera(room, 0))
    segmenter = load("miniature")
    rgb = torch.from_numpy(view.rgb.transpose(2, 0, 1).copy()).float() / 255
    first, *others = (segmenter.features(one) for one in (view.rgb, Image.fromarray(view.rgb), rgb))
    if not all(np.array_equal(first, other) for other in others):
        yield _wrong("the same image as uint8, as a PIL image and in [0, 1] gives different features")
    if accepted := [name for name, wrong in _wrong_forms(rgb).items() if not _refused(wrong)]:
        yield _wrong(f"an image that is {' or '.join(accepted)} is taken for one in [0, 1]")
    share = _named_right(segmenter, view)
    if share < _ENOUGH:
        yield _wrong(f"the miniature names {share:.0%} of a known room right; 96 % is expected")
        return
    yield Finding(
        "images", "ok",
        f"a known room: {share:.0%} named right, alike as uint8, PIL and [0, 1]; normalised or 0-255 refused",
    )  # fmt: skip


def check_normalisation(files: list[Path]) -> Iterator[Finding]:
    """Look at mean and deviation of the input inside converted RADIOs: each must lie between 0 and 1."""
    good = 0
    for file in files:
        try:
            metadata, tensors = read_safetensors(file)
        except RadsegError as error:
            yield Finding("normalisation", "problem", str(error), f"rm {shlex.quote(str(file))}")
            continue
        if metadata.get("format") != RADIO_FORMAT:
            continue
        if wrong := _implausible(tensors):
            yield Finding("normalisation", "problem", f"{file}: {wrong}", f"rm {shlex.quote(str(file))}")
        else:
            good += 1
    if good:
        yield Finding("normalisation", "ok", f"plausible mean and deviation in {good} converted RADIO")


def _wrong(what: str) -> Finding:
    return Finding("images", "problem", f"{what}: results here are not to be trusted", _REINSTALL)


def _wrong_forms(rgb: torch.Tensor) -> dict[str, Any]:
    """Return an image in the ways in which it is handed over by mistake, by what was done to it."""
    mean, deviation = rgb.mean((1, 2), keepdim=True), rgb.std((1, 2), keepdim=True)
    normalised = (rgb - mean) / deviation
    return {
        "normalised already": normalised,
        "normalised already, as an array": normalised.permute(1, 2, 0).numpy(),
        "in 0 to 255": rgb * 255,
        "in -1 to 1": rgb * 2 - 1,
        "divided by 255 twice": rgb / 255,
    }


def _refused(image: Any) -> bool:
    """Whether an image is refused, or used with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            to_rgb(image)
        except (ImageError, UserWarning):
            return True
    return False


def _named_right(segmenter: Segmenter, view: Any) -> float:
    """Return the share of the pixels of large enough objects that get their true name."""
    names = tuple(name for name, share in view.shares().items() if share > _SMALLEST)
    label = np.array([names.index(name) + 1 if name in names else 0 for name in view.names])
    truth = label[view.semantic]
    found = segmenter.segment(view.rgb, names, mode="assign").labels
    return float((found == truth)[truth > 0].mean())


def _implausible(tensors: Any) -> str:
    """Return what is wrong with the normalisation inside a RADIO, or nothing."""
    for key, what in (("conditioner.mean", "mean"), ("conditioner.std", "deviation")):
        if key not in tensors:
            return f"it brings no {what} of the input"
        values = [float(value) for value in tensors[key].flatten()]
        if not all(0 < value < 1 for value in values):
            shown = ", ".join(f"{value:.3g}" for value in values)
            return f"its {what} of the input is {shown}; images in [0, 1] have one between 0 and 1"
    return ""
