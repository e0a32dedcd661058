"""SAM ViT-H without its image encoder: prompt encoder, mask decoder and neck, from either published file.

Our names are those of the transformers library's SamPromptEncoder and SamMaskDecoder, and "neck.*".
"""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import partial

from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.convert.rename import Rule, renamed, translate

_W = r"\.(weight|bias)"
_LAYER = r"mask_decoder\.transformer\.layers\.(\d)"
_UPSCALING = {0: "upscale_conv1", 1: "upscale_layer_norm", 3: "upscale_conv2"}
_DOWNSCALING = {0: "conv1", 1: "layer_norm1", 3: "conv2", 4: "layer_norm2", 6: "conv3"}
_NECK = {0: "conv1", 1: "layer_norm1", 2: "conv2", 3: "layer_norm2"}
_MLP = {0: "proj_in", 1: "layers.0", 2: "proj_out"}

ORIGINAL = (
    Rule(
        r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix",
        "prompt_encoder.shared_embedding.positional_embedding",
    ),
    Rule(r"prompt_encoder\.point_embeddings\.(\d)\.weight", r"prompt_encoder.point_embed.\1.weight"),
    Rule(r"(prompt_encoder\.(?:no_mask_embed|not_a_point_embed)\.weight)", r"\1"),
    Rule(r"(mask_decoder\.(?:iou_token|mask_tokens)\.weight)", r"\1"),
    Rule(rf"{_LAYER}\.norm(\d){_W}", r"mask_decoder.transformer.layers.\1.layer_norm\2.\3"),
    Rule(rf"({_LAYER}\.mlp\.lin[12]{_W})", r"\1"),
    Rule(rf"({_LAYER}\.(?:self_attn|cross_attn_\w+)\.\w+_proj{_W})", r"\1"),
    Rule(rf"(mask_decoder\.transformer\.final_attn_token_to_image\.\w+_proj{_W})", r"\1"),
    Rule(
        rf"mask_decoder\.transformer\.norm_final_attn{_W}",
        r"mask_decoder.transformer.layer_norm_final_attn.\1",
    ),
    *(Rule(rf"image_encoder\.neck\.{i}{_W}", rf"neck.{name}.\1") for i, name in _NECK.items()),
    *(
        Rule(rf"prompt_encoder\.mask_downscaling\.{i}{_W}", rf"prompt_encoder.mask_embed.{name}.\1")
        for i, name in _DOWNSCALING.items()
    ),
    *(
        Rule(rf"mask_decoder\.output_upscaling\.{i}{_W}", rf"mask_decoder.{name}.\1")
        for i, name in _UPSCALING.items()
    ),
    *(
        Rule(
            rf"(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d))\.layers\.{i}{_W}",
            rf"\1.{name}.\2",
        )
        for i, name in _MLP.items()
    ),
)
"""The original .pth; everything else in it is the image encoder, which is left behind."""

_SKIPPED = r"image_encoder\.(?!neck\.).+"
_LIBRARY = re.compile(r"(prompt_encoder|mask_decoder)\..+")
_NEEDED = 6 + 17 + 120  # neck, prompt encoder, mask decoder


def convert_pth(state: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Return the parts of the original SAM ViT-H file.

    Raises:
        CheckpointError: not that file.
    """
    tensors = renamed(state, partial(translate, rules=ORIGINAL), file, dropped=_SKIPPED)
    require_complete(tensors, file)
    return tensors


def library_names(keys: Iterable[str]) -> dict[str, str]:
    """Return our name of each wanted tensor of the transformers library's SAM, by its published name."""
    names = {k: k.removeprefix("vision_encoder.") for k in keys if _is_wanted(k)}
    if _TIED in names:  # the library ties it and saves one copy
        own = "prompt_encoder.shared_embedding.positional_embedding"
        del names[_TIED]
        names |= {} if own in names else {_TIED: own}
    return names


def convert_library(published: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Return the parts of the transformers library's SAM."""
    tensors = {ours: published[key] for key, ours in library_names(published).items()}
    require_complete(tensors, file)
    return tensors


_TIED = "shared_image_embedding.positional_embedding"


def _is_wanted(key: str) -> bool:
    return bool(_LIBRARY.fullmatch(key)) or key.startswith("vision_encoder.neck.") or key == _TIED


def require_complete(names: Collection[str], file: str) -> None:
    """Raise CheckpointError unless every part is there."""
    if len(names) != _NEEDED:
        raise CheckpointError(
            f"{file} holds {len(names)} of SAM's prompt encoder, mask decoder and neck tensors; "
            f"{_NEEDED} are needed."
        )
