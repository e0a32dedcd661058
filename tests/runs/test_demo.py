"""What `make demo` shows: a refined image with its heat maps, and a map that finds objects."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radseg.io import read_label_map
from radseg.runs.demo import PROMPTS, SOUGHT, run_demo, run_map_demo
from written_paths import named


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def image(folder):
    return run_demo(folder)


@pytest.fixture(scope="module")
def mapped(folder):
    return run_map_demo(folder)


def test_the_objects_of_the_room_are_named_and_the_absent_door_is_not(image):
    areas = image.result.areas
    assert areas["purple door"] < 0.01
    assert all(areas[name] > 0.01 for name in PROMPTS[:6])
    assert image.result.meta["refined_regions"] > 3


def test_every_image_is_written(folder, image):
    assert {path.relative_to(folder).as_posix() for path in image.files} >= {
        "room.png",
        "masks/room.png",
        "overlays/room.jpg",
        "overlays/room.unrefined.jpg",
        "legends/room.png",
        "pca/room.png",
    }
    assert sum(path.parent.name == "heatmaps" for path in image.files) == len(PROMPTS)
    assert read_label_map(folder / "masks/room.png").max() <= len(PROMPTS)


def test_refinement_changes_the_overlay(folder, image):
    refined, coarse = (
        np.asarray(Image.open(folder / f"overlays/room.{part}jpg")) for part in ("", "unrefined.")
    )
    assert (refined != coarse).any()


@pytest.mark.parametrize("begin", ["red ball", "an image of it"])
def test_the_red_ball_is_found_within_five_centimetres_by_word_and_by_image(mapped, begin):
    (line,) = (line for line in mapped.lines if line.startswith(begin))
    assert int(re.search(r"(\d+) cm from where", line)[1]) <= 5


def test_what_is_not_in_the_room_is_not_found(mapped):
    assert [line.split(":")[0] for line in mapped.lines if "not found" in line] == ["purple door"]


def test_the_map_is_drawn_and_kept(folder, mapped):
    assert (folder / "map" / "map.json").is_file()
    assert sum("heat" in path.name for path in mapped.files) == len(SOUGHT)
    assert np.asarray(Image.open(folder / "map.colour.across.png")).std() > 20
    assert (folder / "map.objects.across.png").is_file()
    assert (folder / "ball.png").is_file()


def test_no_file_names_a_folder_of_the_disk(folder, image, mapped):
    assert named(folder, folder) == named(folder, Path.home()) == 0
