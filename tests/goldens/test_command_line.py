"""The main job from the command line: the goldens' images, checkpoint and words give their label maps."""

import numpy as np
import pytest
from parity.golden_set import GoldenSet, allowed_mismatches
from parity.stages import SIGLIP2_SPACE, text_of
from PIL import Image
from typer.testing import CliRunner

from radseg.cli.app import app
from radseg.text.pack import VocabularyPack, save_pack

TINY = ["t_port_336_112", "t_small", "t_below_crop", "t_low_224_112", "t_prompts"]


@pytest.fixture(scope="module")
def goldens(shared):
    return GoldenSet(shared / "golden/2d")


def segment(goldens, name, checkpoint, folder):
    """Run `radseg segment` as the case says; return its label map, the golden one, allowed mismatches."""
    case = goldens.case(name)
    options, call = case.params["encoder"], case.params["call"]
    pack = folder / "words.safetensors"
    save_pack(pack, VocabularyPack(text_of(goldens, case, SIGLIP2_SPACE), None, "imagenet80"))
    image = goldens.image_path(case.params["image"])
    arguments = [
        "segment", image, "-m", checkpoint, "--vocabulary", pack, "--mode", "assign",
        "-o", folder / "out", "--size-rule", "stride", "--short-side", "native", "--long-side", "native",
        "--crop", options["slide_crop"], "--stride", options["slide_stride"],
        "--denoise", options["prompt_denoising_thresh"],
        "--threshold", options["prediction_thresh"] if call["ignore_label"] else 0,
    ]  # fmt: skip
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    with Image.open(folder / "out/masks" / f"{image.stem}.png") as labels:
        ours = np.asarray(labels).astype(int)
    golden = case.arrays["out_pred"][0, 0].astype(int) + (0 if call["ignore_label"] else 1)
    return ours, golden, allowed_mismatches(case.facts["out_pred"])


@pytest.mark.parametrize("name", TINY)
def test_tiny_checkpoint_writes_the_golden_label_maps(goldens, name, tmp_path):
    checkpoint = goldens.folder / "radio_tiny_half.pth.tar"
    ours, golden, allowed = segment(goldens, name, checkpoint, tmp_path)
    assert (ours != golden).sum() <= allowed


def test_paper_preset_with_its_own_checkpoint_writes_the_same(goldens, tmp_path):
    checkpoint = goldens.folder / "radio_tiny_half.pth.tar"
    case, pack = goldens.case("t_small"), tmp_path / "words.safetensors"
    save_pack(pack, VocabularyPack(text_of(goldens, case, SIGLIP2_SPACE), None, "imagenet80"))
    image = goldens.image_path(case.params["image"])
    arguments = ["segment", image, "-m", "radseg-b-paper", "--checkpoint", checkpoint, "--vocabulary", pack]
    arguments += ["--mode", "assign", "-o", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    with Image.open(tmp_path / "out/masks" / f"{image.stem}.png") as labels:
        differ = (np.asarray(labels).astype(int) - 1 != case.arrays["out_pred"][0, 0]).sum()
    assert differ <= allowed_mismatches(case.facts["out_pred"])


def test_hugging_face_folder_writes_the_same(goldens, tmp_path):
    ours, golden, allowed = segment(goldens, "t_small", goldens.folder / "radio_tiny_hf", tmp_path)
    assert (ours != golden).sum() <= allowed


@pytest.mark.slow
def test_base_size_with_seeded_weights_writes_the_golden_label_map(goldens, tmp_path):
    checkpoint = tmp_path / "base.pth.tar"
    goldens.write_checkpoint("base", "s0", checkpoint)
    ours, golden, allowed = segment(goldens, "b_land", checkpoint, tmp_path)
    assert (ours != golden).sum() <= allowed


def test_real_photographs_run_through_at_full_size(goldens, shared, tmp_path):
    case = goldens.case("t_small")
    pack = tmp_path / "words.safetensors"
    save_pack(pack, VocabularyPack(text_of(goldens, case, SIGLIP2_SPACE), None, "imagenet80"))
    photos = shared / "data/photos"
    arguments = [
        "segment", photos, "-m", goldens.folder / "radio_tiny_half.pth.tar", "--vocabulary", pack,
        "--mode", "assign", "--short-side", "native", "--long-side", "native", "-o", tmp_path / "out",
    ]  # fmt: skip
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    for photo in sorted(photos.glob("*.jpg")):
        with Image.open(photo) as image, Image.open(tmp_path / "out/masks" / f"{photo.stem}.png") as labels:
            assert labels.size == image.size
