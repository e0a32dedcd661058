"""Small RADIO checkpoints in the published layouts, built from scratch."""

import json
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WIDTH, DEPTH, HIDDEN, GRID, PATCH = 32, 2, 24, 4, 16
State = dict[str, Tensor]


def block(prefix: str, width: int = WIDTH, scale: str | None = "gamma") -> State:
    shapes: dict[str, tuple[int, ...]] = {
        "norm1.weight": (width,),
        "norm1.bias": (width,),
        "attn.qkv.weight": (3 * width, width),
        "attn.qkv.bias": (3 * width,),
        "attn.proj.weight": (width, width),
        "attn.proj.bias": (width,),
        "norm2.weight": (width,),
        "norm2.bias": (width,),
        "mlp.fc1.weight": (4 * width, width),
        "mlp.fc1.bias": (4 * width,),
        "mlp.fc2.weight": (width, 4 * width),
        "mlp.fc2.bias": (width,),
    }
    if scale:
        shapes |= {f"ls1.{scale}": (width,), f"ls2.{scale}": (width,)}
    return {f"{prefix}{k}": torch.randn(s) for k, s in shapes.items()}


def linear(name: str, width_in: int, width_out: int) -> State:
    return {f"{name}.weight": torch.randn(width_out, width_in), f"{name}.bias": torch.randn(width_out)}


def norm(name: str, width: int) -> State:
    return {f"{name}.weight": torch.randn(width), f"{name}.bias": torch.randn(width)}


def mlp_v2(prefix: str, out: int, blocks: int = 1) -> State:
    state = linear(f"{prefix}fc1", WIDTH, HIDDEN)
    for i in range(blocks):
        state |= norm(f"{prefix}blocks.{i}.0", HIDDEN) | linear(f"{prefix}blocks.{i}.2", HIDDEN, HIDDEN)
    return state | norm(f"{prefix}final.0", HIDDEN) | linear(f"{prefix}final.2", HIDDEN, out)


def mlp_v1(prefix: str, out: int, inner: int = 2) -> State:
    state = linear(f"{prefix}fc1", WIDTH, HIDDEN) | norm(f"{prefix}norm", HIDDEN)
    for i in range(inner):
        state |= linear(f"{prefix}inner.{3 * i}", HIDDEN, HIDDEN) | norm(f"{prefix}inner.{3 * i + 1}", HIDDEN)
    return state | linear(f"{prefix}fc2", HIDDEN, out)


def attention_head(prefix: str, out: int) -> State:
    state: State = {}
    for i in range(2):
        state |= {k: v for k, v in block(f"{prefix}blocks.{i}.").items() if not k.endswith("qkv.bias")}
    return state | mlp_v2(f"{prefix}mlp.", out, blocks=0)


def backbone(prefix: str, *, prefix_tokens: int, scale: str | None = "gamma") -> State:
    state: State = {}
    for i in range(DEPTH):
        state |= block(f"{prefix}blocks.{i}.", scale=scale)
    return state | {
        f"{prefix}patch_generator.embedder.weight": torch.randn(WIDTH, 3 * PATCH**2),
        f"{prefix}patch_generator.pos_embed": torch.randn(1, GRID**2, WIDTH),
        f"{prefix}patch_generator.cls_token.token": torch.randn(prefix_tokens, WIDTH),
        f"{prefix}reg_token": torch.randn(1, 4, WIDTH),
    }


def teacher(name: str, model: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "x", "model": model, "use_summary": True, **more}


TEACHERS = [
    teacher("clip", "ViT-H-14-378-quickgelu", pretrained="dfn5b"),
    teacher("siglip2", "siglip2-so400m"),
    teacher("sam", "vit-h", use_summary=False),
]


def arguments(**changes: Any) -> dict[str, Any]:
    return {
        "model": "vit_base_patch16_v2_224",
        "model_kwargs": {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": 2},
        "cls_token_per_teacher": True,
        "cpe_max_size": GRID * PATCH,
        "cpe_num_registers": None,
        "register_multiple": 8,
        "spectral_reparam": False,
        "spectral_heads": False,
        "dtype": torch.float32,
        "teachers": TEACHERS,
        **changes,
    }


def state(keys: tuple[str, ...] = ("clip", "siglip2", "sam"), *, prefix_tokens: int = 8) -> State:
    """The .pth.tar layout; `keys` label the heads (names or indices)."""
    torch.manual_seed(3)
    tensors = backbone("base_model.", prefix_tokens=prefix_tokens)
    tensors |= {
        "input_conditioner.norm_mean": torch.rand(3, 1, 1),
        "input_conditioner.norm_std": torch.rand(3, 1, 1),
    }
    for out, key in enumerate(keys, start=10):
        tensors |= mlp_v2(f"_heads.{key}.", out) | mlp_v2(f"_feature_projections.{key}.", out + 10)
    return tensors | {
        "_loss_states.0.mean": torch.zeros(3),
        "adaloss": torch.zeros(1),
        "weight_balance_mask": torch.ones(2),
    }


def write_checkpoint(
    path: Path,
    tensors: Mapping[str, Tensor] | None = None,
    *,
    ema: bool = False,
    protocol: int = 2,
    **changes: Any,
) -> Path:
    """Write a `.pth.tar` as the publisher does and return its path."""
    key = "state_dict_ema" if ema else "state_dict"
    content = {
        "arch": "vit",
        "epoch": 3,
        key: OrderedDict(state() if tensors is None else tensors),
        "args": Namespace(**arguments(**changes)),
    }
    torch.save(content, path, pickle_protocol=protocol)
    return path


def to_folder(tensors: Mapping[str, Tensor]) -> State:
    """The same model with the Hugging Face folder's keys (named heads only)."""
    renames = {
        "base_model.": "radio_model.model.",
        "input_conditioner.": "radio_model.input_conditioner.",
        "_heads.": "radio_model.adaptors.",
        "_feature_projections.": "radio_model.adaptors.",
    }
    out: State = {}
    for key, value in tensors.items():
        for old, new in renames.items():
            if key.startswith(old):
                rest = key.removeprefix(old)
                if "adaptors" in new:
                    owner, rest = rest.split(".", 1)
                    rest = f"{owner}.{'head_mlp' if old == '_heads.' else 'feat_mlp'}.{rest}"
                out[new + rest.replace(".gamma", ".grandma")] = value.clone()
    return out | {"radio_model.summary_idxs": torch.tensor([0, 1])}


def write_folder(folder: Path, tensors: Mapping[str, Tensor], **changes: Any) -> Path:
    """Write a Hugging Face folder of tensors named as in `to_folder` and return its path."""
    folder.mkdir(exist_ok=True)
    config = {"args": arguments(**changes) | {"dtype": "float32"}, "version": "c-radio_v3-b"}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(dict(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder
