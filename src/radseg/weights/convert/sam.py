"""SAM ViT-H without its image encoder: prompt encoder, mask decoder and neck, from either published file.

Our names are those of the transformers library's SamPromptEncoder and SamMaskDecoder, and "neck.*".
"""

import re

from radseg.errors import CheckpointError
from radseg.weights.convert.archive import TorchArchive
from radseg.weights.convert.pickles import TensorRef, shown
from radseg.weights.convert.rename import Rule, put, require_none_left, translate
from radseg.weights.convert.towers import select
from radseg.weights.lazy import LazyTensor
from radseg.weights.ranges import RangeSource

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


def convert_pth(source: RangeSource) -> dict[str, LazyTensor]:
    """Return the parts of the original SAM ViT-H file; of a remote source only their bytes are read.

    Raises:
        CheckpointError: not that file, or damaged.
    """
    archive = TorchArchive(source)
    state = archive.value()
    if not isinstance(state, dict):
        raise CheckpointError(f"{source.name} holds no table of tensors; it is no SAM checkpoint.")
    names, unknown = {}, []
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, TensorRef):
            raise CheckpointError(f"{source.name}: {shown(key)} is not a named tensor.")
        ours = translate(key, ORIGINAL)
        if ours is not None:
            names[key] = ours
        elif not _SKIPPED.fullmatch(key):
            unknown.append(key)
    require_none_left(unknown, source.name)
    archive.read_ahead(state[k] for k in names)
    tensors: dict[str, LazyTensor] = {}
    for key, ours in names.items():
        put(tensors, ours, archive.tensor(state[key]), source.name)
    return _complete(tensors, source.name)


def convert_safetensors(source: RangeSource) -> dict[str, LazyTensor]:
    """Return the parts of the transformers library's SAM ViT-H repository."""
    chosen = select(source, _is_wanted)
    tied = chosen.pop(_TIED, None)
    tensors = {k.removeprefix("vision_encoder."): t for k, t in chosen.items()}
    if tied is not None:  # the library ties it and saves one copy
        tensors.setdefault("prompt_encoder.shared_embedding.positional_embedding", tied)
    return _complete(tensors, source.name)


_TIED = "shared_image_embedding.positional_embedding"


def _is_wanted(key: str) -> bool:
    return bool(_LIBRARY.fullmatch(key)) or key.startswith("vision_encoder.neck.") or key == _TIED


def _complete(tensors: dict[str, LazyTensor], file: str) -> dict[str, LazyTensor]:
    if len(tensors) != _NEEDED:
        raise CheckpointError(
            f"{file} holds {len(tensors)} of SAM's prompt encoder, mask decoder and neck tensors; "
            f"{_NEEDED} are needed."
        )
    return tensors
