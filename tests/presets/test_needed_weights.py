"""Which weights a model with its options needs; every verb asks for those alone, before it starts."""

from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from builders import tiny_config, tiny_radio
from radseg.cli.app import app
from radseg.errors import InputError, MissingFileError
from radseg.presets.choose import required_by
from radseg.presets.load import required
from radseg.presets.spec import model_spec
from radseg.presets.table import PRESETS
from radseg.weights import catalog
from radseg.weights.config import RADIO_FORMAT, AdaptorConfig

BASE, TOWER, SAM = "c-radio_v3-b", catalog.SO400M_NAFLEX, "sam-vit-h"
CLIP, CLIP_TOWER, DINO = "clip-vit-b-16", catalog.OPENAI_B, "dino-vit-b-8"
TALK = "talk2dino-vit-b-map"


def names(model, choices=None, **more):
    return [row.name for row in required(model_spec(model, **(choices or {})), **more)]


@pytest.mark.parametrize(
    ("model", "choices", "expected"),
    [
        ("radseg-b", {}, [BASE, TOWER]),
        ("radseg-b", {"text_tower": "folder"}, [BASE]),
        ("radseg-b", {"refine": "corrected", "denoising": 0.1}, [BASE, TOWER, SAM]),
        ("radseg-b-paper", {"refine": "reference"}, [BASE, TOWER, SAM]),
        ("radseg-b", {"refine": "pamr"}, [BASE, TOWER]),
        ("radseg-b+", {"refine": "none"}, [BASE, TOWER]),
        ("radseg-b+", {}, [BASE, TOWER, SAM]),
        ("radseg-b+", {"sam": "sam.pth"}, [BASE, TOWER]),
        ("radseg-b+", {"sam": SAM}, [BASE, TOWER, SAM]),
        ("radseg-b", {"checkpoint": "radio_v2.5-b"}, ["radio_v2.5-b", catalog.SIGLIP]),
        ("radseg-b", {"language": "clip"}, [BASE, catalog.DFN5B]),
        ("naclip-b", {}, [CLIP, CLIP_TOWER]),
        ("proxyclip-b", {"checkpoint": "folder"}, [CLIP_TOWER, DINO]),
        ("proxyclip-b", {"auxiliary": {DINO: "folder"}}, [CLIP, CLIP_TOWER]),
        # It has a SAM of its own.
        ("trident-b", {}, [CLIP, CLIP_TOWER, "dino-vit-b-16", "sam-vit-b-whole"]),
        ("trident-b", {"refine": "none"}, [CLIP, CLIP_TOWER, "dino-vit-b-16", "sam-vit-b-whole"]),
        ("talk2dino-b", {}, ["dinov2-vit-b-14-reg", CLIP_TOWER, TALK]),
        ("talk2dino-b", {"text_tower": "x", "auxiliary": {TALK: "y"}}, ["dinov2-vit-b-14-reg"]),
        ("miniature", {"refine": "corrected"}, []),
        ("miniature+", {}, []),
        ("toy", {}, []),
    ],
)
def test_a_model_needs_what_its_choices_leave_to_the_catalogue(model, choices, expected):
    assert names(model, choices) == expected
    towers = {row.name for row in catalog.ROWS if row.kind == "text"}
    assert names(model, choices, with_text=False) == [one for one in expected if one not in towers]


def test_the_list_of_models_says_what_each_needs():
    for name in PRESETS:
        assert [row.name for row in required_by(name)] == names(name)


@pytest.fixture
def own(tmp_path):
    """A small RADIO of one's own in our form: two languages, its own being SigLIP 2."""
    config = tiny_config()
    both = (*config.adaptors, AdaptorConfig("clip", 0, catalog.DFN5B, *[config.adaptors[0].summary] * 2))
    radio = tiny_radio(adaptors=both)
    metadata = {"format": RADIO_FORMAT, "config": tiny_config(adaptors=both).to_json()}
    save_file(dict(radio.state_dict()), tmp_path / "own.safetensors", metadata)
    return tmp_path / "own.safetensors"


def test_a_checkpoint_of_ones_own_says_its_text_tower_itself(own):
    assert names(str(own)) == names("radseg-h", {"checkpoint": own}) == [TOWER]
    assert names("radseg-b", {"checkpoint": str(own), "language": "clip"}) == [catalog.DFN5B]
    assert names(str(own), {"refine": "corrected"}, with_text=False) == [SAM]


def test_what_is_no_model_is_named():
    with pytest.raises(InputError, match=r"no model 'radseg-x' .* Did you mean radseg-h"):
        names("radseg-x")
    with pytest.raises(MissingFileError, match="no checkpoint a/b.pth"):
        names("a/b.pth")
    with pytest.raises(MissingFileError, match=r"There is no a/b\.pth"):
        names("radseg-b", {"checkpoint": "a/b.pth"})
    with pytest.raises(InputError, match="sam-vit-h is no RADIO model"):
        names("radseg-b", {"checkpoint": SAM})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("segment photo.png -p sky,grass -m radseg-b+ --refine none", [BASE, TOWER]),
        ("segment photo.png -p sky,grass -m radseg-b+", [BASE, TOWER, SAM]),
        ("eval miniature -m radseg-b-paper --refine reference --limit 1", [BASE, TOWER, SAM]),
        ("eval miniature --checkpoint radio_v2.5-b --limit 1", ["radio_v2.5-b", catalog.SIGLIP]),
        ("compare photo.png -p sky,grass -m radseg-b -m toy", [BASE, TOWER]),
        ("text -p sky,grass -o words.safetensors -m radseg-b+", [TOWER]),
        ("text -p sky,grass -o words.safetensors -m talk2dino-b", [CLIP_TOWER, TALK]),
        ("bench -m radseg-b+ --on voc20", [BASE, SAM]),
        ("bench -m resclip-b --on voc20", [CLIP, CLIP_TOWER]),
        ("analyse alignment --rooms 1 -m radseg-b", [BASE]),
    ],
)
def test_a_verb_asks_for_what_it_needs(words, expected, monkeypatch, tmp_path, photo_here):
    asked = []

    def remember(name, place, options):
        asked.append(name)
        return tmp_path / name

    def stop(*_):
        raise InputError("This ends the verb.")

    monkeypatch.setattr("radseg.presets.parts.resolve", remember)
    monkeypatch.setattr("radseg.presets.load._built", stop)
    monkeypatch.setattr("radseg.presets.load._text_encoder", stop)
    monkeypatch.setattr("radseg.evaluation.studies.efficiency.measure_apart", stop)
    CliRunner().invoke(app, words.split())
    assert asked == expected


@pytest.fixture
def photo_here(tmp_path, monkeypatch):
    """A photo in an empty working folder, and an empty store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "home"))
    Image.new("RGB", (96, 64), (220, 30, 30)).save("photo.png")


@pytest.mark.parametrize("refine", ["corrected", "reference"])
def test_the_miniature_refines_offline(photo_here, refine):
    words = ["segment", "photo.png", "-p", "red ball, wall", "-m", "miniature", "--refine", refine, "-o", "o"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert Path("o/masks/photo.png").exists()
