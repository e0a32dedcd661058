"""A small random SAM for tests: the library's own classes, and our encoder and decoder with its weights."""

import torch

from radseg.models.sam import build_sam
from radseg.models.sam_encoder import WholeSam, build_sam_encoder
from radseg.weights.config import SamSizes

NUMBERS = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 128,
    "patch_size": 16,
    "window_size": 3,
    "global_attn_indexes": [1, 2],
    "output_channels": 16,
    "num_pos_feats": 8,
    "mlp_dim": 48,
}
SIZES = SamSizes(frame=128, patch=16, features=32, channels=16, heads=2, mlp_width=24)


def library_encoder(seed=0, **changes):
    """Return the library's image encoder, every parameter at a value that matters."""
    from transformers import SamVisionConfig  # noqa: PLC0415
    from transformers.models.sam.modeling_sam import SamVisionEncoder  # noqa: PLC0415

    torch.manual_seed(seed)
    encoder = SamVisionEncoder(SamVisionConfig(**(NUMBERS | changes)))
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if value.ndim < 2:
                value.add_(0.1 * torch.randn_like(value))
            elif "pos" in name:
                value.normal_(std=0.3)
            else:
                value.normal_(std=value[0].numel() ** -0.5)
    return encoder.eval()


def ours(encoder):
    """Return our encoder with the library's weights, the neck left out."""
    state = {k: v for k, v in encoder.state_dict().items() if not k.startswith("neck.")}
    return build_sam_encoder(encoder.config.to_dict(), state)


def tiny_sam(seed=0) -> WholeSam:
    from radseg.models.sam import SamDecoder  # noqa: PLC0415

    torch.manual_seed(seed)
    decoder = build_sam(SamDecoder(SIZES).state_dict(), SIZES)
    return WholeSam(ours(library_encoder(seed)), decoder)


def tiny_sam2():
    """Return our SAM 2.1 with the random weights of the library's small one."""
    from published_folders import sam2_model  # noqa: PLC0415
    from radseg.models.sam2 import build_sam2  # noqa: PLC0415

    model = sam2_model()
    return build_sam2(model.config.to_dict(), model.state_dict())
