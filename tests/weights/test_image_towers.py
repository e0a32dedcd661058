"""Getting image towers and whole SAMs: placed by hand, in the hub client's cache, or missing."""

import json

import pytest

from published_folders import any_shape, clip_folder
from radseg.errors import CheckpointError, MissingFileError, WeightsUnavailableError
from radseg.models.image_tower import load_image_tower
from radseg.presets.choose import required_by
from radseg.weights import catalog, hub, resolve
from radseg.weights.home import model_folder
from radseg.weights.installed import installed, is_cached
from radseg.weights.options import DownloadOptions
from radseg.weights.published import Published
from radseg.weights.resolve import resolve_image_tower, resolve_sam


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    any_shape(monkeypatch)
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "home"))


@pytest.fixture
def hub_cache(monkeypatch, tmp_path):
    """A folder that stands for the hub client's cache of every repository."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(
        hub.Repository, "cached", lambda _, file: folder / file if (folder / file).is_file() else None
    )
    return folder


def test_a_folder_placed_by_hand_is_used_and_counts_as_installed(tmp_path):
    folder = model_folder("clip-vit-l-14")
    clip_folder(folder, patch=14)
    assert load_image_tower("clip-vit-l-14").patch == 14
    assert "clip-vit-l-14" in {found.row.name for found in installed()}


@pytest.mark.parametrize("heads", [[12], None, float("inf"), "many"])
def test_an_odd_number_of_heads_is_refused_in_one_line(tmp_path, heads):
    clip_folder(tmp_path / "tower")
    file = tmp_path / "tower" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"num_attention_heads": heads}))
    with pytest.raises(CheckpointError, match=r"^tower/model.safetensors is not laid out as its config.json"):
        load_image_tower("clip-vit-b-16", tmp_path / "tower")


def test_half_a_folder_does_not_count(tmp_path):
    folder = model_folder("clip-vit-l-14")
    clip_folder(folder, patch=14)
    (folder / "config.json").unlink()
    assert not is_cached(catalog.row("clip-vit-l-14"))


def test_the_hub_clients_cache_is_read_where_it_lies(hub_cache):
    clip_folder(hub_cache, patch=14)
    row = catalog.row("clip-vit-l-14")
    assert is_cached(row)
    assert load_image_tower(row.name).space == row.space
    assert sorted(p.name for p in model_folder(row.name).glob("*.json")) == ["record.json"]


def test_what_was_converted_needs_its_original_no_more(hub_cache):
    clip_folder(hub_cache, patch=14)
    row = catalog.row("clip-vit-l-14")
    first = resolve_image_tower(row.name)
    for file in hub_cache.iterdir():
        file.unlink()
    assert is_cached(row)
    assert resolve_image_tower(row.name) == first


def test_a_whole_sam_lies_in_one_folder(hub_cache):
    hub_cache.mkdir()
    (hub_cache / "model.safetensors").write_bytes(b"weights")
    own = model_folder("sam2.1-hiera-l")
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    assert resolve_sam("sam2.1-hiera-l") == own
    assert (own / "model.safetensors").read_bytes() == b"weights"
    (hub_cache / "config.json").write_text("{}")
    assert resolve_sam("sam2.1-hiera-b+") == hub_cache


def test_files_in_two_folders_are_joined_by_what_the_command_knows_of_the_hub(hub_cache, monkeypatch):
    hub_cache.mkdir()
    (hub_cache / "model.safetensors").write_bytes(b"weights")
    own = model_folder("sam2.1-hiera-l")
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    options, joined, copy = DownloadOptions(), [], Published.copy
    monkeypatch.setattr(Published, "copy", lambda self, file: (joined.append(self), copy(self, file)))
    resolve_sam("sam2.1-hiera-l", options=options)
    assert joined == [options.rows["sam2.1-hiera-l"]] * 2


def test_conversion_happens_once(tmp_path, monkeypatch):
    folder = clip_folder(tmp_path / "clip")
    first = resolve_image_tower("clip-vit-b-16", folder)
    monkeypatch.setattr(resolve, "_image_tower", lambda *_: pytest.fail("converted again"))
    assert resolve_image_tower("clip-vit-b-16", folder) == first
    assert resolve_image_tower("clip-vit-b-16", first) == first


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(WeightsUnavailableError, match="Put model.safetensors and config.json from .*sam2.1"):
        resolve_sam("sam2.1-hiera-b+")
    folder = clip_folder(tmp_path / "clip")
    (folder / "config.json").unlink()
    with pytest.raises(MissingFileError, match="config.json; the folder of clip-vit-b-16 holds it"):
        load_image_tower("clip-vit-b-16", folder)


def test_every_preset_says_all_the_weights_it_needs():
    def needed(name):
        return [row.name for row in required_by(name)]

    assert needed("naclip-b") == ["clip-vit-b-16", "clip-vit-b-16-openai"]
    assert {"dino-vit-b-16", "sam-vit-b-whole"} < set(needed("trident-b"))
    assert needed("talk2dino-b") == ["dinov2-vit-b-14-reg", "clip-vit-b-16-openai", "talk2dino-vit-b-map"]
    assert needed("radseg-b+")[-1] == "sam-vit-h"
