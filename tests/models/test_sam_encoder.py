"""SAM's image encoder against the class of `transformers`."""

import pytest
import torch
from torch.nn import functional as F

from radseg.errors import CheckpointError, ImageError, InputError
from radseg.models.sam_encoder import IMAGENET_MEAN, IMAGENET_STD, build_sam_encoder
from sam_builders import NUMBERS, library_encoder, ours


def through_the_library(encoder, image):
    """The library's tokens after its last layer, from an image padded as SAM's processor does."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    frame = encoder.config.image_size
    padded = F.pad((image - mean) / std, (0, frame - image.shape[2], 0, frame - image.shape[1]))
    tokens = encoder.patch_embed(padded[None]) + encoder.pos_embed
    for layer in encoder.layers:
        tokens = layer(tokens)
    torch.testing.assert_close(encoder.neck(tokens), encoder(padded[None]).last_hidden_state)
    return tokens[0].permute(2, 0, 1)


@pytest.mark.parametrize("size", [(128, 128), (96, 128), (128, 16)])
def test_features_equal_the_librarys(size):
    encoder, image = library_encoder(), torch.rand(3, *size)
    with torch.inference_mode():
        torch.testing.assert_close(
            ours(encoder).features(image), through_the_library(encoder, image), rtol=0, atol=1e-5
        )


@pytest.mark.slow
def test_features_of_vit_b_equal_the_librarys():
    numbers = {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "image_size": 512,  # of 1024: a quarter of the tokens, windows and their padding as there
        "window_size": 14,
        "global_attn_indexes": [2, 5, 8, 11],
        "output_channels": 256,
        "num_pos_feats": 128,
        "mlp_dim": 3072,
    }
    encoder, image = library_encoder(**numbers), torch.rand(3, 384, 512)
    with torch.inference_mode():
        expected = through_the_library(encoder, image)
        found, scale = ours(encoder).features(image), expected.abs().max()
        torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=1e-5)


def test_attention_of_the_last_block_sums_to_one_and_covers_the_frame():
    sam = ours(library_encoder())
    tokens = sam.trunk(torch.rand(3, 64, 128))
    parts = list(sam.attend(sam.layers[-1], tokens))
    assert [p.rows for p in parts] == [slice(a, a + 16) for a in range(0, 64, 16)]
    weights = torch.cat([p.weights for p in parts], dim=1)
    assert weights.shape == (2, 64, 64)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 64))


def test_bad_images_and_weights_are_refused():
    encoder = library_encoder()
    sam = ours(encoder)
    with pytest.raises(ImageError, match="multiples of 16"):
        sam.trunk(torch.rand(3, 100, 128))
    with pytest.raises(InputError, match="SAM's frame is 128"):
        sam.trunk(torch.rand(3, 160, 128))
    state = {k: v for k, v in encoder.state_dict().items() if not k.startswith("neck.")}
    state.pop("pos_embed")
    with pytest.raises(CheckpointError, match="does not hold SAM's image encoder(?s:.)*pos_embed"):
        build_sam_encoder(NUMBERS, state, file="x")
