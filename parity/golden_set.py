"""Read a golden folder: manifest, cases, seeded weights. Nothing about one particular set is built in.

The format is described in the folder's README: arrays are stored with a stride per axis, weights follow from
a seed by a rule of integer arithmetic, tolerances from the noise that the reference itself shows between
float32 and float64.
"""

import argparse
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Array = np.ndarray[Any, Any]
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SPREAD = 37837.2272372  # standard deviation of the sum of four uniform 16-bit fields


def noise(name: str, shape: Sequence[int], seed: str) -> Array:
    """Return unit-variance noise that depends on nothing but its name, shape and seed (float32)."""
    count = int(np.prod(shape, dtype=np.int64))
    start = (zlib.crc32(f"{seed}/{name}".encode()) << 32) + 0x9E3779B97F4A7C15
    state = np.arange(count, dtype=np.uint64)
    state += np.uint64(start % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state ^= state >> np.uint64(shift)
        state *= np.uint64(factor)
    state ^= state >> np.uint64(31)
    fields = state.view(np.uint16).reshape(-1, 4).astype(np.int64).sum(axis=1)
    return ((fields - 131070) / SPREAD).astype(np.float32).reshape(shape)


def parameter(
    key: str, shape: Sequence[int], seed: str, overrides: Mapping[str, tuple[float, float]] | None = None
) -> Array:
    """Return the seeded value of one parameter, `key` as in the `.pth.tar` or SAM file (float32)."""
    key = key.replace(".grandma", ".gamma")
    if key.endswith(("norm_mean", "norm_std")):
        return np.asarray(CLIP_MEAN if key.endswith("mean") else CLIP_STD, np.float32).reshape(shape)
    offset, scale = (overrides or {}).get(key) or _offset_and_scale(key, shape)
    value = np.float64(offset) + np.float64(scale) * noise(key, shape, seed).astype(np.float64)
    return value.astype(np.float32)


def _offset_and_scale(key: str, shape: Sequence[int]) -> tuple[float, float]:
    fixed = {".gamma": (0.5, 0.1), ".bias": (0.0, 0.05), "pos_embed": (0.0, 0.2)}
    fixed |= {"cls_token.token": (0.0, 0.5), "reg_token": (0.0, 0.5)}
    for ending, values in fixed.items():
        if key.endswith(ending):
            return values
    embedding = (
        r"_embeddings\.\d\.weight$|_embed\.weight$|iou_token\.weight$|mask_tokens\.weight$|gaussian_matrix$"
    )
    if re.search(embedding, key):
        return 0.0, 1.0
    if len(shape) == 1:
        return 1.0, 0.1
    if re.search(r"output_upscaling\.[03]\.weight$", key):  # transposed convolution: fan-in is the first axis
        return 0.0, 1 / float(np.sqrt(shape[0]))
    gain = 2.0 if key.endswith("qkv.weight") else 1.0
    return 0.0, gain / float(np.sqrt(np.prod(shape[1:])))


@dataclass(frozen=True)
class Case:
    """One golden case: what it was run with, its arrays as stored, and what the manifest says of each."""

    name: str
    kind: str
    params: Mapping[str, Any]
    arrays: Mapping[str, Array]
    facts: Mapping[str, Mapping[str, Any]]

    def stored_part(self, stage: str, full: Array) -> Array:
        """Return the part of `full` that the set stores for `stage`: every n-th entry along each axis."""
        steps = self.facts[stage]["steps"]
        expected = tuple(self.facts[stage]["full_shape"])
        if full.shape != expected:
            raise ValueError(f"{self.name}/{stage}: shape {full.shape}, golden has {expected}")
        return full[tuple(slice(None, None, step) for step in steps)]


@dataclass(frozen=True)
class GoldenSet:
    """A folder of golden numbers, and the device on which ours are computed."""

    folder: Path
    device: str = "cpu"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The parsed manifest."""
        manifest: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        if manifest.get("format") != 1:
            raise ValueError(
                f"{self.folder}: golden format {manifest.get('format')!r}; this code reads format 1"
            )
        return manifest

    @property
    def case_names(self) -> tuple[str, ...]:
        """Every case of the set."""
        return tuple(self.manifest["cases"])

    def case(self, name: str) -> Case:
        """Return one case with its arrays."""
        entry = self.manifest["cases"][name]
        arrays: dict[str, Array] = {}
        for file in entry["files"]:
            with np.load(self.folder / file) as stored:
                arrays |= {key: stored[key] for key in stored.files}
        return Case(name, entry["kind"], entry["params"], arrays, entry["arrays"])

    def image(self, name: str) -> Array:
        """Return a golden image as uint8 H×W×3."""
        with Image.open(self.image_path(name)) as image:
            return np.asarray(image.convert("RGB"))

    def image_path(self, name: str) -> Path:
        """Return the file of a golden image."""
        return self.folder / str(self.manifest["images"][name]["file"])

    def radio_state(self, config: str, seed: str) -> dict[str, torch.Tensor]:
        """Return seeded RADIO weights under their published names, rounded through float16."""
        keys = json.loads((self.folder / self.manifest["weights"][config]["keys"]).read_text())
        return {k: torch.from_numpy(parameter(k, shape, seed)).half() for k, shape in keys.items()}

    def write_checkpoint(self, config: str, seed: str, path: Path) -> None:
        """Write seeded weights as the publisher would: a `.pth.tar` with its pickled Namespace."""
        facts = self.manifest["weights"][config]
        teachers = [_teacher(name) for name in facts["teachers"]]
        arguments = argparse.Namespace(
            model="vit_base_patch16_v2_224",
            model_kwargs={
                "embed_dim": facts["embed_dim"],
                "depth": facts["depth"],
                "num_heads": facts["num_heads"],
            },
            model_norm=False,
            cpe_max_size=facts["pos_grid"] * facts["patch"],
            cls_token_per_teacher=True,
            cpe_num_registers=facts["registers"],
            register_multiple=None,
            teachers=teachers,
            spectral_reparam=False,
            spectral_heads=False,
            dtype="float32",
            mlp_version="v2",
        )
        checkpoint = {"arch": arguments.model, "epoch": 0, "args": arguments}
        torch.save(checkpoint | {"state_dict": self.radio_state(config, seed)}, path)

    def text_vectors(self, prompts: Sequence[str], dimension: int, seed: str) -> torch.Tensor:
        """Return the stand-in text tower's vector of each canonicalised prompt, "q e", not normalised."""
        return torch.from_numpy(np.stack([noise(f"text:{p}", (dimension,), seed) for p in prompts]))


def _teacher(name: str) -> dict[str, Any]:
    """Return the training arguments of a teacher as published checkpoints hold them."""
    known = {
        "clip": {"type": "open_clip", "model": "ViT-H-14-378-quickgelu", "pretrained": "dfn5b"},
        "siglip2": {"type": "siglip2", "model": "siglip2-so400m"},
        "dino_v2": {"type": "dino_v2", "model": "dinov2_vitg14_reg"},
        "sam": {"type": "sam", "model": "vit-h", "use_summary": False},
    }
    return {"name": name, "use_summary": True} | known.get(name, {"type": name, "model": name})


def tolerance(facts: Mapping[str, Any]) -> float:
    """Return the largest absolute error that the manifest's notes accept for a float array."""
    return max(30 * float(facts.get("noise_max_abs") or 0), 1e-5 * float(facts.get("rms") or 0), 1e-6)


def allowed_mismatches(facts: Mapping[str, Any]) -> float:
    """Return how many entries of an integer array may differ according to the manifest's notes."""
    count = float(np.prod(facts["stored_shape"])) if facts["stored_shape"] else 1.0
    return max(3 * float(facts.get("noise_mismatch") or 0), 0.0015 * count)
