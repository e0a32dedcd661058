"""`radseg compare`: several models, one sheet."""

import re
from pathlib import Path

import numpy as np
import pytest
from cli_builders import Command
from PIL import Image

ROOM = ("-p", "white sofa, tiled wall")


def models(*names: str) -> list[str]:
    """Return the options that name these models."""
    return [word for name in names for word in ("-m", name)]


def test_the_miniatures_methods_are_drawn_side_by_side_offline(radseg: Command, photo: Path) -> None:
    names = ["miniature-radio", "miniature-naradio", "miniature-resradio"]
    result = radseg("compare", photo, *ROOM, *models(*names), "-o", "sheet.png")
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [*names, "Written"]
    assert all(" s; " in line for line in result.stdout.splitlines()[:-1])
    assert Image.open("sheet.png").width > 1500


def test_a_model_named_twice_is_asked_once(radseg: Command, photo: Path) -> None:
    result = radseg("compare", photo, "-p", "red, blue", *models("toy", "toy"))
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["toy", "Written"]


def test_models_of_two_spaces_each_embed_the_prompts_themselves(radseg: Command, photo: Path) -> None:
    result = radseg(
        "compare", photo, "-p", "red, blue", "-m", "toy", "-m", "miniature", "--mode", "background"
    )
    assert result.exit_code == 0, result.output
    assert "toy: " in result.stdout
    assert "red 50%, blue 50%" in result.stdout
    assert Path("sheet.png").is_file()


MANY = ("-p", "sky, grass, sheep, white sofa, tiled wall, banana, pillow, car")


def test_where_denoising_drops_every_name_that_and_the_way_out_are_said(radseg: Command, photo: Path) -> None:
    told = ("compare", photo, *MANY, "-m", "miniature-radio")
    result = radseg(*told)
    assert "every name was dropped: none is anywhere 0.5 probable" in result.stdout, result.output
    (nearest,) = re.findall(r"\((.+) comes nearest, 0\.\d\d\); --denoise 0 keeps them all", result.stdout)
    assert nearest in MANY[1].split(", ")
    kept = radseg(*told, "--denoise", "0")
    assert kept.exit_code == 0, kept.output
    shares = re.findall(r" (\d+)%", kept.stdout)
    assert sum(map(int, shares)) == pytest.approx(100, abs=3)


def test_segment_says_too_that_every_name_was_dropped(radseg: Command, photo: Path) -> None:
    told = ("segment", photo, *MANY, "-m", "miniature-radio", "--mode")
    assert "Every name was dropped" in radseg(*told, "assign").stderr
    assert "dropped" not in radseg(*told, "background").output


def test_no_name_found_is_said_where_names_may_be_absent(radseg: Command, photo: Path) -> None:
    result = radseg("compare", photo, "-p", "yellow", "-m", "toy", "--mode", "background")
    assert result.exit_code == 0, result.output
    assert "none of the names" in result.stdout


def test_a_model_without_weights_is_left_out_and_counted(radseg: Command, photo: Path) -> None:
    result = radseg("compare", photo, "-p", "red, blue", "-m", "naradio-b", "-m", "toy", "-o", "two.jpg")
    assert result.exit_code == 1
    assert "naradio-b: left out." in result.stderr
    assert "toy: " in result.stdout
    assert Image.open("two.jpg").format == "JPEG"


def test_no_answer_at_all_is_an_error_and_writes_nothing(radseg: Command, photo: Path) -> None:
    result = radseg("compare", photo, "-p", "red, blue", "-m", "naradio-b", "-m", "radseg-b")
    assert result.exit_code == 1
    assert "No model gave an answer: naradio-b, radseg-b. The first: " in result.stderr
    assert "fault of radseg" not in result.stderr
    assert not Path("sheet.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "toy"], "with -p or --classes"),
        (["-p", "red, blue", "-m", "toy", "-m", "best"], "no model 'best' and no such file"),
        (
            ["-p", "red, blue", "-m", "miniature", "-m", "naclip-b", "--scga", "5"],
            "naclip-b has no scga_temp",
        ),
        (["-p", "red, blue", "-m", "toy", "--aux", "dino-vit-b-8=."], "None of toy uses dino-vit-b-8"),
        (["-p", "red, blue", "-m", "toy", "--drop", "x."], "None of toy reads a published RADIO file"),
        (["-p", "red, blue", "-m", "toy", "-o", "sheet.gif"], "must end in one of .png, .jpg, .jpeg"),
    ],
)
def test_wrong_use_is_explained(radseg: Command, photo: Path, arguments: list[str], message: str) -> None:
    result = radseg("compare", photo, *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_quiet_prints_nothing(radseg: Command, photo: Path) -> None:
    result = radseg("compare", photo, "-p", "red, blue", "-m", "toy", "--quiet")
    assert (result.exit_code, result.stdout) == (0, "")
    assert np.asarray(Image.open("sheet.png")).std() > 10


def test_a_text_dependent_model_has_no_features_to_draw(radseg: Command, photo: Path) -> None:
    result = radseg("segment", photo, "-m", "miniature-resradio", *ROOM, "--save", "pca")
    assert (
        result.exit_code,
        "reads the prompts before it has features: there are none" in result.stderr,
    ) == (2, True), result.output


def test_an_image_beyond_the_memory_budget_is_left_out_before_it_is_decoded(
    radseg: Command, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (5000, 4000)).save("large.png")
    monkeypatch.setattr("radseg.io.image._to_rgb8", lambda *_: pytest.fail("decoded"))
    result = radseg("compare", "large.png", "-p", "red, blue", "-m", "toy", "--memory-budget", "100MiB")
    assert result.exit_code == 1, result.output
    assert "large.png of 5000×4000 pixels, with 2 names, needs" in " ".join(result.stderr.split())
