"""Loading SAM's decoder: strict, and errors that name what is wrong."""

import pytest
import torch
from safetensors.torch import save_file

from radseg.errors import CheckpointError, MissingFileError
from radseg.models.sam import SamDecoder, load_sam
from radseg.weights.config import SAM_FORMAT


@pytest.fixture(scope="module")
def tensors():
    torch.manual_seed(0)
    return {k: v.contiguous() for k, v in SamDecoder().state_dict().items()}


def written(tensors, path, form=SAM_FORMAT):
    save_file(tensors, path, metadata={"format": form})
    return path


def test_a_written_decoder_loads_as_it_was(tensors, tmp_path):
    loaded = load_sam(written(tensors, tmp_path / "sam.safetensors"))
    assert all(torch.equal(tensors[k], v) for k, v in loaded.state_dict().items())
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


@pytest.mark.parametrize("change", ["missing", "left over", "shape"])
def test_weights_that_do_not_fit_are_refused(tensors, tmp_path, change):
    changed = dict(tensors)
    key = "mask_decoder.iou_token.weight"
    if change == "missing":
        del changed[key]
    elif change == "left over":
        changed["mask_decoder.more"] = torch.zeros(1)
    else:
        changed[key] = torch.zeros(1, 5)
    with pytest.raises(CheckpointError, match="does not hold SAM's decoder: it.*mask_decoder"):
        load_sam(written(changed, tmp_path / "sam.safetensors"))


def test_another_format_is_named(tensors, tmp_path):
    with pytest.raises(CheckpointError, match="'other/2'"):
        load_sam(written({"a": torch.zeros(1)}, tmp_path / "x.safetensors", "other/2"))


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "sam.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0not a header here")
    with pytest.raises(CheckpointError, match="sam.safetensors is not a valid safetensors file"):
        load_sam(path)


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match="radseg models pull"):
        load_sam(tmp_path / "none.safetensors")


def test_features_fill_the_top_left_corner_of_the_grid(tensors):
    sam = SamDecoder()
    sam.load_state_dict(tensors)
    features = torch.randn(1, 1280, 48, 64)
    padded = torch.zeros(1, 1280, 64, 64)
    padded[:, :, :48] = features
    torch.testing.assert_close(sam.embed_image(features), sam.neck(padded.movedim(1, -1)))
