"""Presets of the other methods, loaded from folders as published and asked about an image."""

import pytest
import torch

from published_folders import (
    any_shape,
    clip_folder,
    dino_folder,
    dinov2_folder,
    sam2_model,
    sam_folder,
    write,
)
from radseg.errors import InputError, SpaceMismatchError, WeightsUnavailableError
from radseg.miniature.store import DATA, RADIO_FILE
from radseg.presets.load import load
from radseg.refine.region_labels import RegionLabels
from radseg.runs.lifting import encoder_of
from radseg.types import TextEmbeddings


@pytest.fixture(autouse=True)
def _any_shape(monkeypatch):
    any_shape(monkeypatch)


def words(space, width=20):
    return TextEmbeddings(("cat", "dog", "sky"), torch.randn(3, width), (0, 1, 2), space)


AUXILIARY = {"proxyclip-b": {"dino-vit-b-8": lambda path: dino_folder(path / "dino")}}


@pytest.mark.parametrize(
    "name", ["maskclip-b", "sclip-b", "clearclip-b", "naclip-b", "resclip-b", "scclip-b", "proxyclip-b"]
)
def test_a_preset_on_clip_segments_with_weights_as_published(name, tmp_path):
    auxiliary = {row: make(tmp_path) for row, make in AUXILIARY.get(name, {}).items()}
    segmenter = load(name, checkpoint=clip_folder(tmp_path / "clip"), auxiliary=auxiliary, short_side=240)
    result = segmenter.segment(torch.rand(3, 240, 260), words(segmenter.encoder.space), mode="assign")
    assert result.labels.shape == (240, 260)
    assert set(result.labels.flatten().tolist()) <= {1, 2, 3}
    assert result.meta["preset"] == name
    assert result.meta["version"] == "clip-vit-b-16"
    assert len(result.meta["sha256"]) == 64


def test_text_of_another_tower_is_refused(tmp_path):
    segmenter = load("naclip-b", checkpoint=clip_folder(tmp_path / "clip"))
    with pytest.raises(SpaceMismatchError, match="clip-vit-l-14-openai"):
        segmenter.segment(torch.rand(3, 64, 64), words("clip-vit-l-14-openai"), mode="assign")


def test_weights_that_are_not_here_say_where_to_put_them():
    with pytest.raises(
        WeightsUnavailableError, match="Put pytorch_model.bin and config.json from .*openai/clip"
    ):
        load("naclip-b")


def test_options_reach_the_method(tmp_path):
    folder = clip_folder(tmp_path / "clip")
    segmenter = load("naclip-b", checkpoint=folder, crop=112, stride=64 - 16, size_rule="stride")
    method = segmenter.encoder
    assert (method.crop, method.stride, method.size_rule) == (112, 48, "stride")
    assert (segmenter.temperature, segmenter.denoising, segmenter.short_side) == (40.0, 0.0, 336)


def test_auxiliary_weights_the_preset_does_not_use_are_refused(tmp_path):
    with pytest.raises(InputError, match="uses no 'sam'; its auxiliary weights are: dino-vit-b-8"):
        load("proxyclip-b", checkpoint=clip_folder(tmp_path / "clip"), auxiliary={"sam": tmp_path})


def test_talk2dino_takes_its_map_and_its_text_tower_from_the_given_folders(tmp_path):
    torch.save(
        {
            "a.weight": torch.randn(32, 512),
            "a.bias": torch.zeros(32),
            "b.weight": torch.randn(32, 32),
            "b.bias": torch.zeros(32),
        },
        tmp_path / "map.pth",
    )
    segmenter = load(
        "talk2dino-b",
        checkpoint=dinov2_folder(tmp_path / "dino"),
        auxiliary={"talk2dino-vit-b-map": tmp_path / "map.pth"},
    )
    assert segmenter.encoder.space == segmenter.text_encoder.space == "talk2dino-vit-b"
    assert segmenter.text_encoder.templates.name == "imagenet7"
    assert segmenter.text_encoder.text_map.first.in_features == 512
    result = segmenter.segment(torch.rand(3, 448, 470), words("talk2dino-vit-b", 32), mode="assign")
    assert result.labels.shape == (448, 470)


def test_talk2dinos_map_has_no_licence_and_is_not_fetched_unasked(tmp_path):
    with pytest.raises(WeightsUnavailableError, match="no licence stated"):
        load("talk2dino-b", checkpoint=dinov2_folder(tmp_path / "dino"))


def test_trident_refines_with_the_sam_it_encodes_with(tmp_path):
    segmenter = load(
        "trident-b",
        checkpoint=clip_folder(tmp_path / "clip"),
        auxiliary={
            "dino-vit-b-16": dino_folder(tmp_path / "dino", patch=16),
            "sam-vit-b-whole": sam_folder(tmp_path / "sam"),
        },
        iou_threshold=0.01,
        coarse_threshold=0.01,
        min_area=400,
    )
    assert segmenter.refine.source.encoder is segmenter.encoder.sam
    assert segmenter.refine.iou_threshold == 0.01
    image = torch.cat([torch.zeros(3, 100, 60), torch.ones(3, 100, 60)], dim=2)
    result = segmenter.segment(image, words(segmenter.encoder.space), mode="assign")
    assert result.labels.shape == (100, 120)
    assert result.meta["regions"] >= 1


def test_textregion_takes_its_masks_from_the_sam_it_is_given(tmp_path):
    sam = write(sam2_model(), tmp_path / "sam2")
    segmenter = load(
        "textregion-b", checkpoint=clip_folder(tmp_path / "clip"), auxiliary={"sam2.1-hiera-b+": sam}
    )
    assert segmenter.encoder.sam.frame == 256
    result = segmenter.segment(torch.rand(3, 60, 90), words(segmenter.encoder.space), mode="assign")
    assert result.labels.shape == (60, 90)


def test_textregion_has_no_windows():
    with pytest.raises(InputError, match="textregion-b has no crop, stride"):
        load("textregion-b", crop=224, stride=112)


@pytest.mark.parametrize("name", ["corrclip-b", "corrclip-radio-b"])
def test_corrclip_encodes_and_settles_by_the_regions_of_the_sam_it_is_given(name, tmp_path):
    auxiliary = {
        "corrclip-b": {"dino-vit-b-8": dino_folder(tmp_path / "dino")},
        "corrclip-radio-b": {"c-radio_v3-b": DATA / RADIO_FILE},
    }
    sam = {"sam2.1-hiera-l": write(sam2_model(), tmp_path / "sam2")}
    segmenter = load(
        name, checkpoint=clip_folder(tmp_path / "clip"), auxiliary=auxiliary[name] | sam, crop=112
    )
    assert isinstance(segmenter.refine, RegionLabels)
    result = segmenter.segment(torch.rand(3, 130, 150), words(segmenter.encoder.space), mode="assign")
    assert result.labels.shape == (130, 150)
    assert set(result.meta["auxiliary"]) == set(auxiliary[name] | sam)


def test_maps_know_by_which_further_weights_they_were_made(tmp_path):
    clip, sam = clip_folder(tmp_path / "clip"), write(sam2_model(), tmp_path / "sam2")
    one, other = (
        load(
            "corrclip-b",
            checkpoint=clip,
            auxiliary={"dino-vit-b-8": dino_folder(tmp_path / name, seed=seed), "sam2.1-hiera-l": sam},
        )
        for name, seed in (("one", 1), ("other", 2))
    )
    assert encoder_of(one)["sha256"] == encoder_of(other)["sha256"]
    assert encoder_of(one) != encoder_of(other)


def test_the_radio_beside_clip_is_loaded_without_its_text_tower_and_may_drop_tensors(tmp_path):
    sam = write(sam2_model(), tmp_path / "sam2")
    segmenter = load(
        "corrclip-radio-b",
        checkpoint=clip_folder(tmp_path / "clip"),
        auxiliary={"c-radio_v3-b": DATA / RADIO_FILE, "sam2.1-hiera-l": sam},
        drop=["nothing.there"],
    )
    radio = segmenter.encoder.vfm
    assert radio.language is None
    assert not radio.adaptors


def test_only_corrclip_settles_by_regions():
    with pytest.raises(InputError, match="textregion-b cannot refine as 'regions' .it can: none, pamr."):
        load("textregion-b", refine="regions")
