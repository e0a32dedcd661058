"""Text towers of the SigLIP and CLIP families, from a local folder, through the classes of `transformers`.

A folder holds config.json, tokenizer.json and model.safetensors (the text tensors; others are left unread).
`transformers` is imported when a tower is loaded, not before: it costs seconds. No code of a folder is run.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from radseg.errors import CheckpointError, InputError, MissingFileError, SpaceMismatchError
from radseg.files import listed
from radseg.models.strict import described, filled
from radseg.models.tokenise import CLIP, SIGLIP, SIGLIP2, PromptTokeniser, TokenRules, load_tokeniser
from radseg.nn.int8 import to_int8
from radseg.ops.inference import inference
from radseg.text.clean import cleaning_of
from radseg.text.tower import LazyTower
from radseg.types import ShortRepr
from radseg.weights.load import read_description

_LOGGER = logging.getLogger("radseg")
_BATCH = 64  # prompts per forward pass: 64 x 64 tokens fill two CPU cores and a small GPU
TextDtype = Literal["float32", "bfloat16", "int8"]
TEXT_DTYPES: tuple[TextDtype, ...] = get_args(TextDtype)
"""How a text tower may compute; int8 on CPUs only."""
MIN_COSINE = 0.999
"""Between a vector in another dtype and in float32, of any of PROBES; less is refused."""
PROBES = ("a photo of a dog.", "graffiti of the fire extinguisher.", "sky", "itap of the stuff.")


@dataclass(frozen=True)
class TowerFacts:
    """What a published tower must look like; tells a folder of one space from a folder of another."""

    space: str
    rules: TokenRules
    depth: int
    width_out: int
    vocabulary: int
    activation: str | None = None  # checked only where two towers are equal in everything else


TOWERS = (
    TowerFacts("siglip2-so400m-patch16-naflex", SIGLIP2, depth=27, width_out=1152, vocabulary=256_000),
    TowerFacts("siglip2-giant-opt-patch16-384", SIGLIP2, depth=27, width_out=1536, vocabulary=256_000),
    TowerFacts("siglip-so400m-patch14-384", SIGLIP, depth=27, width_out=1152, vocabulary=32_000),
    TowerFacts("clip-vit-h-14-378-dfn5b", CLIP, 24, 1024, 49_408, "quick_gelu"),
    TowerFacts("clip-vit-h-14-laion2b-s32b", CLIP, 24, 1024, 49_408, "gelu"),
    TowerFacts("clip-vit-b-16-openai", CLIP, depth=12, width_out=512, vocabulary=49_408),
    TowerFacts("clip-vit-l-14-openai", CLIP, depth=12, width_out=768, vocabulary=49_408),
)


@dataclass(frozen=True, eq=False, repr=False)
class EncoderTower(ShortRepr):
    """A text tower with its tokeniser; implements `radseg.text.tower.TextTower`."""

    space: str
    network: nn.Module
    tokenise: PromptTokeniser

    @inference()
    def embed(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Return the pooled vector of each prompt at length 1, float32, on the network's device.

        Prompts are cleaned as the space demands; those beyond the tower's length are cut, with a warning.
        """
        return F.normalize(self.embed_raw(prompts), dim=-1)

    @inference()
    def embed_raw(self, prompts: Sequence[str]) -> Float[Tensor, "q e"]:
        """Return the pooled vector of each prompt at its own length: what a trained text map takes."""
        if not prompts:
            raise InputError("There is no prompt to embed.")
        clean = cleaning_of(self.space)
        ids = self.tokenise([clean(prompt) for prompt in prompts])
        device = next(self.network.parameters()).device
        rows = [self._pooled(batch) for batch in torch.split(ids.to(device), _BATCH)]
        return torch.cat(rows).float()

    def _pooled(self, ids: Tensor) -> Tensor:
        # No attention mask, on purpose. SigLIP 1 and 2 were trained without one: every position attends to
        # the padding too, and the vector is read at the last position, which is padding for all but the
        # longest prompts. The mask that transformers' current SigLIP2 tokeniser class returns would change it
        # (tests/text/test_text_towers.py shows that). CLIP's tower is causal and reads at the end token, so
        # what comes after does not reach it.
        positions = torch.arange(ids.shape[1], device=ids.device)[None]
        output = self.network(input_ids=ids, position_ids=positions)
        pooled: Tensor = output.text_embeds if "text_embeds" in output else output.pooler_output
        return pooled


def load_tower(
    space: str, *, folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> EncoderTower:
    """Return the text tower of `space` from `folder`, loaded strictly, in evaluation mode.

    Raises:
        InputError: no tower of this space is known.
        MissingFileError: the folder lacks a file.
        SpaceMismatchError: the folder holds a tower of another space.
        CheckpointError: a file is damaged, or its tensors are not exactly those of the network.
    """
    return load_described(_facts(space), folder=folder, device=device, dtype=dtype)


def lazy_tower(
    space: str,
    *,
    folder: Path,
    device: str = "cpu",
    dtype: TextDtype = "float32",
    tell: Callable[[str], None] = _LOGGER.warning,
) -> LazyTower:
    """Return a tower that is loaded at its first use; in another dtype than float32 it is compared with that.

    Args:
        tell: is told how near and how fast another dtype is.

    Raises:
        InputError: no tower of this space is known, or int8 is asked for on a GPU; raised at once.
    """
    facts = _facts(space)
    if dtype == "int8" and device != "cpu":
        raise InputError(
            f"A text tower computes in int8 on the CPU only, not on {device}; use bfloat16 there."
        )

    def load() -> EncoderTower:
        tower = load_described(facts, folder=folder, device=device)
        return tower if dtype == "float32" else _reduced(tower, dtype, tell)

    return LazyTower(space, load)


def _reduced(tower: EncoderTower, dtype: TextDtype, tell: Callable[[str], None]) -> EncoderTower:
    """Return the tower in another dtype after a look at what that changes, with these very weights, here."""
    begin = time.perf_counter()
    exact = tower.embed(PROBES)
    between = time.perf_counter()
    network = to_int8(tower.network) if dtype == "int8" else tower.network.to(torch.bfloat16)
    reduced = replace(tower, network=network)
    reduced.embed(PROBES[:1])
    middle = time.perf_counter()
    cosine = float((reduced.embed(PROBES) * exact).sum(dim=1).min())
    times = (between - begin) / (time.perf_counter() - middle)
    if not cosine >= MIN_COSINE:
        raise InputError(
            f"In {dtype} the vectors of {tower.space} differ too much from those in float32: their cosine is "
            f"{cosine:.4f}, at least {MIN_COSINE} is needed. Leave --text-dtype out."
        )
    tell(f"In {dtype} the text tower is {times:.1f} × as fast here; the cosine with float32 is {cosine:.4f}.")
    return reduced


def load_described(
    facts: TowerFacts, *, folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> EncoderTower:
    """Return the tower that `facts` describe, for spaces outside of TOWERS; raises what `load_tower` does."""
    config = _read_config(folder)
    tokenise = load_tokeniser(folder / "tokenizer.json", facts.rules)
    # The ids in published configs are partly wrong (CLIP's 2, SigLIP's 49407); the tokeniser knows them.
    described_in = str(folder / "config.json")
    text = described(described_in, lambda: _text_config(config) | tokenise.special_ids)
    # On "meta" nothing is allocated or initialised; `assign` then puts the file's tensors in place. What
    # stays there is the buffer of position numbers, which is why they are passed to the forward call.
    network = described(described_in, lambda: _network(_model_type(config), text))
    _check_space(facts, network.config, folder)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    weights = folder / "model.safetensors"
    tensors = _read_tensors(weights, shapes, device)
    filled(network, tensors, lambda _: dtype, device=device, file=str(weights), what="this tower")
    return EncoderTower(facts.space, network, tokenise)


def _network(model_type: str, text: dict[str, Any]) -> nn.Module:
    from transformers import (  # noqa: PLC0415 - costs seconds, needed on a cache miss only
        CLIPTextConfig,
        CLIPTextModelWithProjection,
        Siglip2TextConfig,
        Siglip2TextModel,
        SiglipTextConfig,
        SiglipTextModel,
    )

    # Fixed-size SigLIP2 checkpoints (giant-opt) are published with SigLIP 1's class: the same text network.
    known: dict[str, tuple[Any, Any]] = {
        "siglip2": (Siglip2TextConfig, Siglip2TextModel),
        "siglip": (SiglipTextConfig, SiglipTextModel),
        "clip": (CLIPTextConfig, CLIPTextModelWithProjection),
    }
    build_config, build = known[model_type]
    network: nn.Module = build(build_config.from_dict(text))
    return network


def _read_tensors(
    weights: Path, shapes: dict[str, torch.Size], device: str | torch.device
) -> dict[str, Tensor]:
    """Read the tensors the network has, under its own names, and account for every other one in the file."""
    if not weights.is_file():
        raise MissingFileError(f"The weights {weights} do not exist. Fetch them: radseg models pull …")
    try:
        with safe_open(weights, framework="pt", device=str(device)) as file:
            names = {name: _own_name(name, shapes) for name in file.keys() if not _is_other_part(name)}  # noqa: SIM118
            unknown = sorted(name for name, own in names.items() if own is None)
            doubled = sorted(own for own, times in Counter(names.values()).items() if own and times > 1)
            missing = sorted(set(shapes) - set(names.values()))
            if unknown or missing or doubled:
                raise CheckpointError(
                    f"{weights} does not fit its config.json: missing {listed(missing) or 'none'}; "
                    f"unknown {listed(unknown) or 'none'}; twice {listed(doubled) or 'none'}."
                )
            tensors = {own: file.get_tensor(name) for name, own in names.items() if own is not None}
    except SafetensorError as error:
        raise CheckpointError(f"{weights} is damaged or not a safetensors file: {error}.") from error
    return tensors


def _is_other_part(name: str) -> bool:
    """Tell whether a tensor of a published model is no weight of its text tower."""
    other = ("vision_model.", "visual_projection.", "logit_scale", "logit_bias")
    return name.startswith(other) or name.endswith("embeddings.position_ids")


def _own_name(name: str, shapes: dict[str, torch.Size]) -> str | None:
    """Return the network's name of a tensor; the file may say "text_model." where it does not."""
    for candidate in (name, name.removeprefix("text_model."), f"text_model.{name}"):
        if candidate in shapes:
            return candidate
    return None


def _facts(space: str) -> TowerFacts:
    for facts in TOWERS:
        if facts.space == space:
            return facts
    known = ", ".join(facts.space for facts in TOWERS)
    raise InputError(f"No text tower is known for the space {space!r}; known are: {known}.")


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    if not file.is_file():
        raise MissingFileError(f"The text tower's {file} does not exist. Fetch it: radseg models pull …")
    config = read_description(file)
    if _model_type(config) not in ("siglip2", "siglip", "clip"):
        raise CheckpointError(f"{file} does not describe a SigLIP or CLIP model.")
    return config


def _model_type(config: dict[str, Any]) -> str:
    return str(config.get("model_type", "")).removesuffix("_text_model")


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return the text part of a whole model's config; CLIP states its projection width outside of it."""
    text = dict(config.get("text_config") or config)
    if "projection_dim" in config:
        text["projection_dim"] = config["projection_dim"]
    return text


def _check_space(facts: TowerFacts, config: Any, folder: Path) -> None:
    """Raise SpaceMismatchError unless depth, output width and number of tokens are those of the space."""
    width = config.projection_size if hasattr(config, "projection_size") else config.projection_dim
    found: tuple[object, ...] = (config.num_hidden_layers, width, config.vocab_size)
    expected: tuple[object, ...] = (facts.depth, facts.width_out, facts.vocabulary)
    if facts.activation is not None:
        found, expected = (*found, config.hidden_act), (*expected, facts.activation)
    if found != expected:
        raise SpaceMismatchError(
            f"{folder} does not hold the text tower of {facts.space!r}: layers, output width, tokens "
            f"(and activation) are {found}, expected {expected}. "
            "The adaptor of the image model decides which tower is needed."
        )
