"""Getting image towers and whole SAMs: placed by hand, in the hub client's cache, or missing."""

import pytest
from radseg.runs.models import models

from published_folders import any_shape, clip_folder
from radseg.errors import MissingFileError, WeightsUnavailableError
from radseg.models.image_tower import load_image_tower
from radseg.weights import cache, catalog, hub, image_towers, store
from radseg.weights.pull import Terms, vision_files


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path):
    any_shape(monkeypatch)
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "home"))


def test_a_folder_placed_by_hand_is_used_and_counts_as_installed(tmp_path):
    folder = cache.model_folder("clip-vit-l-14")
    clip_folder(folder, patch=14)
    assert load_image_tower("clip-vit-l-14").patch == 14
    assert "clip-vit-l-14" in {found.row.name for found in store.installed()}
    (folder / "config.json").unlink()
    assert "clip-vit-l-14" not in {found.row.name for found in store.installed()}


def test_the_hub_clients_cache_is_read_where_it_lies(tmp_path, monkeypatch):
    folder = clip_folder(tmp_path / "hub", patch=14)
    monkeypatch.setattr(
        hub, "cached", lambda _, file, __: folder / file if (folder / file).is_file() else None
    )
    row = catalog.row("clip-vit-l-14")
    description, weights = vision_files(row, Terms())
    assert description == cache.model_folder(row.name) / "config.json"
    assert weights == folder / "model.safetensors"
    assert load_image_tower(row.name).space == row.space


def test_conversion_happens_once(tmp_path, monkeypatch):
    folder = clip_folder(tmp_path / "clip")
    first = image_towers.resolve_image_tower("clip-vit-b-16", folder)
    monkeypatch.setattr(image_towers, "_convert", lambda *_: pytest.fail("converted again"))
    assert image_towers.resolve_image_tower("clip-vit-b-16", folder) == first
    assert image_towers.resolve_image_tower("clip-vit-b-16", first) == first


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(WeightsUnavailableError, match="Put model.safetensors and config.json from .*sam2.1"):
        vision_files(catalog.row("sam2.1-hiera-b+"), Terms())
    folder = clip_folder(tmp_path / "clip")
    (folder / "config.json").unlink()
    with pytest.raises(MissingFileError, match="config.json; the folder of clip-vit-b-16 holds it"):
        load_image_tower("clip-vit-b-16", folder)


def test_every_preset_says_all_the_weights_it_needs():
    needed = {model.name: [row.name for row in model.weights] for model in models()}
    assert needed["naclip-b"] == ["clip-vit-b-16", "clip-vit-b-16-openai"]
    assert needed["trident-b"][2:] == ["dino-vit-b-16", "sam-vit-b-whole"]
    assert needed["talk2dino-b"] == ["dinov2-vit-b-14-reg", "clip-vit-b-16-openai", "talk2dino-vit-b-map"]
    assert needed["radseg-b+"][-1] == "sam-vit-h"
