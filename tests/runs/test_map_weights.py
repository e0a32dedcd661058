"""A map knows the SHA-256 of the weights that made it, and answers with no others."""

import hashlib

import pytest
import torch
from training.miniature.parts import Parts, save_parts

from mapping.map_builders import frame
from published_folders import any_shape, clip_folder, dino_folder, sam2_model, sam_folder, write
from radseg import miniature
from radseg.errors import InputError
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.voxel_map import VoxelMap
from radseg.miniature.store import DATA, RADIO_FILE, load_decoder, load_parts
from radseg.presets.load import load
from radseg.runs.lifting import encoder_of, feature_mapper, probability_mapper
from radseg.runs.map_query import MapQuery


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["miniature", "miniature-proxyradio-d", "miniature-resradio"])
def test_the_embedded_model_is_known_by_its_file(name):
    assert encoder_of(load(name))["sha256"] == sha256_of(DATA / RADIO_FILE)


def test_a_file_in_our_form_that_names_no_source_is_its_own():
    segmenter = load("radseg-b", checkpoint=DATA / RADIO_FILE)
    assert encoder_of(segmenter)["sha256"] == sha256_of(DATA / RADIO_FILE)


def test_the_decoder_that_refines_belongs_to_a_map_of_its_labels():
    encoder = probability_mapper(load("miniature+"), "red, blue", 0.2).description.encoder
    assert len(encoder["sam_sha256"]) == 64
    assert "sam_sha256" not in encoder_of(load("miniature"))


def test_sam_is_known_by_its_file(tmp_path, monkeypatch):
    any_shape(monkeypatch)
    clip, dino = clip_folder(tmp_path / "clip"), dino_folder(tmp_path / "dino", patch=16)
    sam, sam2 = sam_folder(tmp_path / "sam"), write(sam2_model(), tmp_path / "sam2")
    trident = {"dino-vit-b-16": dino, "sam-vit-b-whole": sam}
    textregion = {"sam2.1-hiera-b+": sam2}
    for name, auxiliary in (("trident-b", trident), ("textregion-b", textregion)):
        segmenter = load(name, checkpoint=clip, auxiliary=auxiliary)
        expected = {one: sha256_of(folder / "model.safetensors") for one, folder in auxiliary.items()}
        assert encoder_of(segmenter)["auxiliary"] == expected


def other_miniature(folder):
    """The miniature with one weight moved, as a folder."""
    radio, tower = load_parts()
    with torch.no_grad():
        radio.vit.blocks[0].attention.out.weight[0, 0] += 1
    save_parts(folder, Parts(radio, tower, load_decoder()))
    return folder


def test_a_map_is_not_asked_with_other_weights(tmp_path, monkeypatch):
    mapper = feature_mapper(load("miniature-naradio", short_side=96), 0.2)
    voxels = VoxelMap(mapper.description, folder=tmp_path / "map")
    mapper.integrate(frame(), voxels)
    write_manifest(tmp_path / "map", MapManifest(mapper.description, voxels.flush()))
    assert len(MapQuery.open(tmp_path / "map").ask(["red cushion"]).keys)
    own, other = sha256_of(DATA / RADIO_FILE), other_miniature(tmp_path / "other")
    monkeypatch.setattr(miniature, "load_parts", lambda: load_parts(other))
    message = f"other weights of the backbone .SHA-256 {own[:16]}….*{sha256_of(other / RADIO_FILE)[:16]}"
    with pytest.raises(InputError, match=message):
        MapQuery.open(tmp_path / "map")
