"""What RADSeg+ needs of SAM (Segment Anything, arXiv 2304.02643): neck, prompt encoder, mask decoder.

The three networks are the classes of `transformers`; of SAM ViT-H 20 MB of the published 2.5 GB. SAM's own
image encoder is not among them: RADIO's "sam" adaptor produces what it would.
"""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from radseg.errors import CheckpointError, MissingFileError
from radseg.models.strict import described, filled
from radseg.types import ShortRepr
from radseg.weights.config import SAM_FORMAT, SamSizes
from radseg.weights.tensors import read_safetensors

# Numbers alive at the widest point of decoding one prompt, per channel and patch of the grid: the image
# tokens about eight times in the two-way transformer, then a quarter and twice an eighth of the channels on 4
# and 16 times the cells. Measured in float32 for ViT-H: 54 MB for one prompt, 37 MB for each further one.
PROMPT_NUMBERS = 11


class SamDecoder(ShortRepr, nn.Module):
    """SAM without its image encoder.

    Attributes:
        sizes: its frame, the square in which coordinates are counted and in whose top left corner images
            lie; the feature map has `grid` patches to a side, masks have `mask_side` cells.
    """

    def __init__(self, sizes: SamSizes = SamSizes()) -> None:  # noqa: B008 - frozen
        super().__init__()
        self.sizes = sizes
        # Importing these takes seconds and belongs to those who refine.
        from transformers import (  # noqa: PLC0415
            SamConfig,
            SamMaskDecoderConfig,
            SamPromptEncoderConfig,
            SamVisionConfig,
        )
        from transformers.models.sam import modeling_sam as sam  # noqa: PLC0415

        # The published network normalises with torch's default eps; the library's default is 1e-6, which
        # moves masks by 6e-5.
        decoder = SamMaskDecoderConfig(
            hidden_size=sizes.channels,
            mlp_dim=sizes.mlp_width,
            num_attention_heads=sizes.heads,
            num_multimask_outputs=sizes.masks - 1,
            iou_head_hidden_dim=sizes.channels,
            layer_norm_eps=1e-5,
        )
        decoder._attn_implementation = "sdpa"
        vision = SamVisionConfig(
            hidden_size=sizes.features,
            output_channels=sizes.channels,
            num_pos_feats=sizes.channels // 2,
            image_size=sizes.frame,
            patch_size=sizes.patch,
        )
        prompts = SamPromptEncoderConfig(
            hidden_size=sizes.channels, image_size=sizes.frame, patch_size=sizes.patch
        )
        self.neck = sam.SamVisionNeck(vision)
        self.prompt_encoder = sam.SamPromptEncoder(
            SamConfig(vision_config=vision, prompt_encoder_config=prompts)
        )
        self.mask_decoder = sam.SamMaskDecoder(decoder)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the parameters."""
        return self.prompt_encoder.no_mask_embed.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.prompt_encoder.no_mask_embed.weight.device

    @property
    def prompt_bytes(self) -> int:
        """Bytes of working memory that decoding one prompt takes."""
        return PROMPT_NUMBERS * self.sizes.channels * self.sizes.grid**2 * self.dtype.itemsize

    def embed_image(self, features: Float[Tensor, "n e h w"]) -> Float[Tensor, "n c g g"]:
        """Return image embeddings from features in SAM's space (1280 channels for ViT-H), zero outside the
        image.

        The published RADSeg+ pads the features, where SAM pads the image and encodes the padding too.
        """
        rows, columns = (self.sizes.grid - side for side in features.shape[-2:])
        padded = nn.functional.pad(features, (0, columns, 0, rows))
        return self.neck(padded.movedim(1, -1))

    @cached_property
    def grid_position(self) -> Float[Tensor, "c g g"]:
        """Positional embedding of the centre of every patch.

        Kept from the first use on, so the weights must be on their device by then (`build_sam`).
        """
        grid = self.sizes.grid
        centres = (torch.arange(grid, device=self.device, dtype=self.dtype) + 0.5) / grid
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        position: Tensor = self.prompt_encoder.shared_embedding(torch.stack([x, y], dim=-1))
        return position.movedim(-1, 0)

    def embed_points_and_boxes(
        self, points: Float[Tensor, "r 2"], boxes: Float[Tensor, "r 4"]
    ) -> Float[Tensor, "r 3 c"]:
        """Return three tokens per prompt: a foreground point x, y and the corners of a box x0, y0, x1, y1.

        Coordinates are pixel indices in the frame; SAM adds half a pixel itself.
        """
        encoder = self.prompt_encoder
        ones = torch.ones(len(points), 1, 1, device=points.device)
        sparse, _ = encoder(points[:, None, None].to(self.dtype), ones, boxes[:, None].to(self.dtype), None)
        return sparse[:, 0]

    def embed_masks(self, masks: Float[Tensor, "m k k"]) -> Float[Tensor, "m c g g"]:
        """Return the dense embedding of mask prompts."""
        return self.prompt_encoder.mask_embed(masks[:, None].to(self.dtype))

    def decode(
        self,
        images: Float[Tensor, "r c g g"],
        sparse: Float[Tensor, "r 3 c"],
        dense: Float[Tensor, "r c g g"],
    ) -> tuple[Float[Tensor, "r k k"], Float[Tensor, " r"]]:
        """Return mask logits and predicted IoU, one mask per prompt.

        Prompts are given as the library's image batch, because its dense prompts are one per image. `images`
        and `dense` may be expanded views.
        """
        position = self.grid_position[None].expand(len(sparse), -1, -1, -1)
        masks, scores = self.mask_decoder(
            image_embeddings=images,
            image_positional_embeddings=position,
            sparse_prompt_embeddings=sparse[:, None],
            dense_prompt_embeddings=dense,
            multimask_output=False,
        )
        return masks[:, 0, 0], scores[:, 0, 0]


def build_sam(
    tensors: Mapping[str, Tensor],
    sizes: SamSizes = SamSizes(),  # noqa: B008 - frozen
    *,
    file: str = "weights",
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> SamDecoder:
    """Return the networks with these weights: keys `neck.*`, `prompt_encoder.*`, `mask_decoder.*`.

    Raises:
        CheckpointError: tensors are missing, left over, or of another shape.
    """
    decoder = described(file, lambda: SamDecoder(sizes))
    return filled(decoder, tensors, lambda _: dtype, device=device, file=file, what="SAM's decoder")


def load_sam(
    path: str | Path, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
) -> SamDecoder:
    """Return the networks from our safetensors file ("radseg-sam/1").

    Raises:
        MissingFileError: no such file.
        CheckpointError: not that format, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"No file {path}. Fetch the SAM decoder with `radseg models pull sam-vit-h`.")
    metadata, tensors = read_safetensors(path)
    if (found := metadata.get("format")) != SAM_FORMAT:
        raise CheckpointError(f"{path} has format {found!r}; a SAM decoder has {SAM_FORMAT!r}.")
    # Files of the published ViT-H say no sizes: theirs are the defaults.
    sizes = SamSizes.from_json(metadata["sizes"], path.name) if "sizes" in metadata else SamSizes()
    return build_sam(tensors, sizes, file=path.name, device=device, dtype=dtype)
