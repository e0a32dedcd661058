"""SAM 2.1 against the class of `transformers`, from a folder as published."""

import json

import pytest
import torch
from torch.nn import functional as F

from published_folders import sam2_model, write
from radseg.errors import CheckpointError
from radseg.models.sam2 import load_sam2
from radseg.models.sam_encoder import IMAGENET_MEAN, IMAGENET_STD


@pytest.fixture(scope="module")
def model():
    return sam2_model()


@pytest.mark.parametrize("single", [False, True])
def test_masks_of_a_grid_equal_the_librarys(single, model, tmp_path):
    image = torch.rand(3, 300, 290)  # larger than the frame: shrinking is antialiased
    tracker = {"memory_attention.layers.0.norm1.weight": torch.zeros(2), "no_object_pointer": torch.zeros(1)}
    network = load_sam2("sam2.1-hiera-b+", write(model, tmp_path, **tracker))
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    square = F.interpolate(image[None], (256, 256), mode="bilinear", antialias=True)
    centres = (32.0, 96.0, 160.0, 224.0)
    points = torch.tensor([[x, y] for y in centres for x in centres])
    with torch.inference_mode():
        expected = model(
            pixel_values=(square - mean) / std,
            input_points=points[None, :, None],
            multimask_output=not single,
        )
        found = network.masks_of_grid(image, side=4, single=single)
    assert found.logits.shape[:2] == (16, 1 if single else 3)
    torch.testing.assert_close(found.logits, expected.pred_masks[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(found.scores, expected.iou_scores[0], rtol=0, atol=1e-5)


def test_a_folder_that_is_not_sam2_is_refused(model, tmp_path):
    with pytest.raises(CheckpointError, match="does not hold SAM 2.1(?s:.)*mask_decoder.iou_token"):
        load_sam2("sam2.1-hiera-b+", write(model, tmp_path, drop=("mask_decoder.iou_token",)))
    with pytest.raises(CheckpointError, match="does not hold SAM 2.1(?s:.)*extra"):
        load_sam2("sam2.1-hiera-b+", write(model, tmp_path, extra=torch.zeros(1)))


def test_the_published_description_is_of_the_video_model(model, tmp_path):
    folder = write(model, tmp_path)
    description = json.loads((folder / "config.json").read_text())
    description |= {"model_type": "sam2_video", "memory_attention_num_layers": 4}
    (folder / "config.json").write_text(json.dumps(description))
    assert load_sam2("sam2.1-hiera-b+", folder).frame == 256
