"""The switches of a RADIO's transformer: which change its forward pass, and which are known (spec 2.6).

`model_kwargs` goes to a vision transformer of the timm library. What tensors show is held against them by
`radio`; what they do not show is implemented or refused here, for nobody would see the difference.
"""

import re
from collections.abc import Mapping
from typing import Any

from radseg.errors import CheckpointError
from radseg.weights.convert.pickles import shown

HEADS = {"tiny": 3, "small": 6, "base": 12, "so400m": 16, "large": 16, "huge": 16, "giant": 24}
"""Attention heads by the size in the architecture's name (spec 2.5); `model_kwargs.num_heads` wins."""
_ARCHITECTURE = re.compile(rf"vit_({'|'.join(HEADS)})(?:_v2)?_patch(\d+)(?:_v2)?(?:_reg4_dinov2)?(?:_\d+)?")
"""Others differ in what tensors do not show: another GELU (`clip_quickgelu`), norms behind (`rpn`), …"""

HELD_AGAINST_TENSORS = ("embed_dim", "depth", "patch_size", "mlp_ratio", "init_values")
IMPLEMENTED = ("num_heads", "scaled_ln")
WITHOUT_EFFECT = (
    # chance and checkpoints: training only
    "drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate",
    "drop_block_rate", "weight_init", "fix_init", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir",
    "scriptable", "exportable", "no_jit",
    # of parts that the publisher replaces: patches, positions, prefix tokens, final norm and classifier
    "img_size", "in_chans", "dynamic_img_size", "dynamic_img_pad", "strict_img_size", "pos_embed",
    "no_embed_class", "reg_tokens", "global_pool", "pool_include_prefix", "fc_norm", "final_norm",
    "num_classes",
)  # fmt: skip
SAME = {
    "qkv_bias": True, "proj_bias": True, "class_token": True, "qk_norm": False, "pre_norm": False,
    "scale_attn_norm": False, "scale_mlp_norm": False, "act_layer": "gelu",
}  # fmt: skip
"""Values that say what the transformer does here anyway; other values, and other switches, are refused."""


def architecture(name: object, file: str) -> tuple[int, int]:
    """Return the attention heads and the side of a patch that an architecture's name stands for.

    Raises:
        CheckpointError: one that is not known to compute what is computed here.
    """
    match = _ARCHITECTURE.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise CheckpointError(
            f"{file} is of architecture {shown(name)}; known are vit_SIZE_patch16_224 and its _v2, of size "
            f"{', '.join(HEADS)}. {WAY_OUT}"
        )
    return HEADS[match[1]], int(match[2])


def require_known(kwargs: Mapping[str, Any], file: str) -> None:
    """Raise CheckpointError at a switch that changes the forward pass, or may, and is not implemented."""
    for name, value in kwargs.items():
        # timm leaves out what is None, so its own default counts
        if value is None or name in (*HELD_AGAINST_TENSORS, *IMPLEMENTED, *WITHOUT_EFFECT):
            continue
        if name not in SAME or type(value) is not type(SAME[name]) or value != SAME[name]:
            raise refused(f"args.model_kwargs.{name}", value, file)


def refused(switch: str, value: object, file: str) -> CheckpointError:
    """Return the error for a switch that is not implemented."""
    return CheckpointError(
        f"{file}: {switch[:80]} is {shown(value)}, which changes what the network computes, or may, and is "
        f"not implemented. {WAY_OUT}"
    )


WAY_OUT = (
    "Nothing was converted: no tensor would show the difference. Use another model (`radseg models list`); "
    "if this is the publisher's own file, report this line."
)
