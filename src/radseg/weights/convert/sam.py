"""SAM ViT-H without its image encoder: prompt encoder, mask decoder and neck, from either published file.

Our names are those of the transformers library's SamPromptEncoder and SamMaskDecoder, and "neck.*".
"""

import re
from collections.abc import Collection, Iterable, Mapping

from torch import Tensor

from radseg.errors import CheckpointError
from radseg.weights.convert.rename import Rule, put, require_none_left, translate

_W = r"\.(weight|bias)"
_LAYER = r"mask_decoder\.transformer\.layers\.(\d)"

ORIGINAL = (
    Rule(rf"image_encoder\.neck\.0{_W}", r"neck.conv1.\1"),
    Rule(rf"image_encoder\.neck\.1{_W}", r"neck.layer_norm1.\1"),
    Rule(rf"image_encoder\.neck\.2{_W}", r"neck.conv2.\1"),
    Rule(rf"image_encoder\.neck\.3{_W}", r"neck.layer_norm2.\1"),
    Rule(
        r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix",
        "prompt_encoder.shared_embedding.positional_embedding",
    ),
    Rule(r"prompt_encoder\.point_embeddings\.(\d)\.weight", r"prompt_encoder.point_embed.\1.weight"),
    Rule(
        r"prompt_encoder\.(no_mask_embed|not_a_point_embed)\.weight",
        r"prompt_encoder.\1.weight",
    ),
    Rule(rf"prompt_encoder\.mask_downscaling\.0{_W}", r"prompt_encoder.mask_embed.conv1.\1"),
    Rule(rf"prompt_encoder\.mask_downscaling\.1{_W}", r"prompt_encoder.mask_embed.layer_norm1.\1"),
    Rule(rf"prompt_encoder\.mask_downscaling\.3{_W}", r"prompt_encoder.mask_embed.conv2.\1"),
    Rule(rf"prompt_encoder\.mask_downscaling\.4{_W}", r"prompt_encoder.mask_embed.layer_norm2.\1"),
    Rule(rf"prompt_encoder\.mask_downscaling\.6{_W}", r"prompt_encoder.mask_embed.conv3.\1"),
    Rule(r"mask_decoder\.(iou_token|mask_tokens)\.weight", r"mask_decoder.\1.weight"),
    Rule(rf"mask_decoder\.output_upscaling\.0{_W}", r"mask_decoder.upscale_conv1.\1"),
    Rule(rf"mask_decoder\.output_upscaling\.1{_W}", r"mask_decoder.upscale_layer_norm.\1"),
    Rule(rf"mask_decoder\.output_upscaling\.3{_W}", r"mask_decoder.upscale_conv2.\1"),
    Rule(rf"mask_decoder\.(iou_prediction_head)\.layers\.0{_W}", r"mask_decoder.\1.proj_in.\2"),
    Rule(rf"mask_decoder\.(iou_prediction_head)\.layers\.1{_W}", r"mask_decoder.\1.layers.0.\2"),
    Rule(rf"mask_decoder\.(iou_prediction_head)\.layers\.2{_W}", r"mask_decoder.\1.proj_out.\2"),
    Rule(
        rf"mask_decoder\.(output_hypernetworks_mlps\.\d)\.layers\.0{_W}",
        r"mask_decoder.\1.proj_in.\2",
    ),
    Rule(
        rf"mask_decoder\.(output_hypernetworks_mlps\.\d)\.layers\.1{_W}",
        r"mask_decoder.\1.layers.0.\2",
    ),
    Rule(
        rf"mask_decoder\.(output_hypernetworks_mlps\.\d)\.layers\.2{_W}",
        r"mask_decoder.\1.proj_out.\2",
    ),
    Rule(rf"{_LAYER}\.norm(\d){_W}", r"mask_decoder.transformer.layers.\1.layer_norm\2.\3"),
    Rule(rf"{_LAYER}\.mlp\.(lin[12]){_W}", r"mask_decoder.transformer.layers.\1.mlp.\2.\3"),
    Rule(
        rf"{_LAYER}\.(self_attn|cross_attn_\w+)\.(\w+_proj){_W}",
        r"mask_decoder.transformer.layers.\1.\2.\3.\4",
    ),
    Rule(
        rf"mask_decoder\.transformer\.final_attn_token_to_image\.(\w+_proj){_W}",
        r"mask_decoder.transformer.final_attn_token_to_image.\1.\2",
    ),
    Rule(
        rf"mask_decoder\.transformer\.norm_final_attn{_W}",
        r"mask_decoder.transformer.layer_norm_final_attn.\1",
    ),
)
"""The original .pth; everything else in it is the image encoder, which is left behind."""

_SKIPPED = re.compile(r"image_encoder\.(?!neck\.).+")
_LIBRARY = re.compile(r"(prompt_encoder|mask_decoder)\..+")
_NEEDED = 6 + 17 + 120  # neck, prompt encoder, mask decoder


def convert_pth(state: Mapping[str, Tensor], file: str) -> dict[str, Tensor]:
    """Return the parts of the original SAM ViT-H file.

    Raises:
        CheckpointError: not that file.
    """
    tensors: dict[str, Tensor] = {}
    unknown = []
    for key, tensor in state.items():
        ours = translate(key, ORIGINAL)
        if ours is not None:
            put(tensors, ours, tensor, file)
        elif not _SKIPPED.fullmatch(key):
            unknown.append(key)
    require_none_left(unknown, file)
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
