"""The model of an evaluation: loaded once, and what it and the machine are, for the record."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import radseg
from radseg.datasets.base import ImageSet
from radseg.evaluation.images.loop import Labels, Prepared
from radseg.evaluation.images.memory import kept_bytes
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.resizing import mmseg_size, resize_image, rgb_of
from radseg.evaluation.images.shards import launched_device
from radseg.evaluation.paper.protocols import Protocol
from radseg.models.stored_text_encoder import StoredTextEncoder
from radseg.presets.load import fetch_and_load
from radseg.result import Segmentation
from radseg.scoring import RowCosines
from radseg.segment import Segmenter
from radseg.types import LanguageFeatures, Size, TextEmbeddings
from radseg.weights.reporters import Reporter


def load_model(request: EvalRequest, downloads: Reporter) -> tuple[Segmenter, TextEmbeddings]:
    """Return the segmenter and the embedded names; missing weights are fetched where a person sees it."""
    device = launched_device(request.model.device, torch.cuda.device_count())
    segmenter = fetch_and_load(request.model.at(device=device), downloads)
    text, _ = segmenter.embed(request.prompts, mode="assign")
    if isinstance(segmenter.text_encoder, StoredTextEncoder):
        segmenter.text_encoder.release()  # all names are embedded, and the tower is larger than the model
    return segmenter, text


def prepare(images: ImageSet, protocol: Protocol, id: str) -> Prepared:
    """Return one image at the size that the protocol gives it, and its truth at its own size."""
    example = images.read(id)
    image = example.image
    if protocol.short_side is not None and protocol.long_side is not None:
        size = Size(*image.shape[:2])
        target = mmseg_size(size, long_side=protocol.long_side, short_side=protocol.short_side)
        image = resize_image(image, target)
    return Prepared(rgb_of(image), example.truth, example.segments)


def predict(segmenter: Segmenter, text: TextEmbeddings, image: Prepared) -> Labels:
    """Return the labels of one image at the size of its truth, mode `assign`: 0 for none, names from 1."""
    return answer(segmenter, segmenter.encode_many([image.image], text, None)[0], text, image)


def answer(
    segmenter: Segmenter, seen: LanguageFeatures | RowCosines, text: TextEmbeddings, image: Prepared
) -> Labels:
    """Return the labels that `predict` gives, from what `segmenter.encode_many` returned for the image."""
    return _decoded(segmenter, seen, text, image).labels


def segmentation(segmenter: Segmenter, text: TextEmbeddings, image: Prepared) -> Segmentation:
    """Return the whole result of which `predict` gives the labels."""
    return _decoded(segmenter, segmenter.encode_many([image.image], text, None)[0], text, image)


def _decoded(
    segmenter: Segmenter, seen: LanguageFeatures | RowCosines, text: TextEmbeddings, image: Prepared
) -> Segmentation:
    size = Size(*image.truth.shape)
    left = replace(segmenter, memory_budget=max(1, segmenter.memory_budget - kept_bytes(image)))
    return left.decode(seen, size, text, None, mode="assign", image=image.image)


def session_facts(segmenter: Segmenter, request: EvalRequest) -> dict[str, Any]:
    """Return what this process runs with, for the log and the result."""
    origin: Mapping[str, Any] = segmenter.origin
    device = str(origin.get("device", "cpu"))
    return {
        "model": {
            **{name: origin.get(name) for name in ("checkpoint", "sha256", "version")},
            "space": segmenter.encoder.space,
            "given": request.model.given(),
        },
        "environment": {
            "radseg": radseg.__version__,
            "commit": source_commit(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": device_name(device),
            "dtype": request.model.dtype,
            "text_dtype": request.model.text_dtype,
            "threads": torch.get_num_threads(),
        },
    }


def device_name(device: str) -> str:
    """Return a device with the name of its hardware, such as "cuda:0 (NVIDIA H100)"."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"


def source_commit() -> str | None:
    """Return the commit of the checkout this package runs from, "-dirty" if files were changed, or None."""
    root = Path(radseg.__file__).resolve().parents[2]
    if not ((root / ".git").exists() and (root / "src" / "radseg").is_dir()):
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
