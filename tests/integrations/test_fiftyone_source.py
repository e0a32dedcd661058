"""The manifest of the FiftyOne source; `benchmarks/fiftyone_source.py` walks through it with FiftyOne."""

import json
from pathlib import Path

from radseg.presets.table import PRESETS

MANIFEST = Path(__file__).resolve().parents[2] / "integrations/fiftyone/manifest.json"


def test_the_manifest_names_presets_and_shadows_no_package() -> None:
    content = json.loads(MANIFEST.read_text())
    assert content["name"] != "radseg"  # FiftyOne imports the folder under this name
    for model in content["models"]:
        source, _, preset = model["base_name"].partition("/")
        assert source == "radseg"
        assert preset in PRESETS
        assert model["base_filename"] == f"{preset}.txt"
