"""Output names: short, unique, and inside the folder."""

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radseg.errors import InputError
from radseg.jobs.naming import OUTPUT_SUFFIXES, inside, output_names
from radseg.jobs.sources import SourceImage
from radseg.runs.outputs import KINDS, heat_ending, places_of

ROOT = Path("/photos")


def names(*paths: str, root: str | None = None) -> list[str]:
    """Return the names of files, each named on its own unless a common root is given."""
    return list(output_names([SourceImage(Path(p), Path(root) if root else Path(p).parent) for p in paths]))


def test_a_file_alone_gives_its_stem() -> None:
    assert names("/photos/deep/photo.jpg") == ["photo"]


def test_files_of_a_folder_keep_their_relative_path() -> None:
    assert names("/photos/a.jpg", "/photos/day/a.jpg", root="/photos") == ["a", "day/a"]


def test_two_formats_of_one_photo_keep_their_suffixes() -> None:
    assert names("/photos/photo.jpg", "/photos/photo.png") == ["photo.jpg", "photo.png"]


def test_equal_names_of_two_folders_get_their_folders() -> None:
    assert names("/photos/a/x.jpg", "/photos/b/x.jpg", "/photos/b/y.jpg") == ["a/x", "b/x", "y"]


def test_upper_and_lower_case_count_as_equal() -> None:
    assert names("/photos/Photo.jpg", "/photos/photo.png") == ["Photo.jpg", "photo.png"]


def test_names_given_earlier_stay_when_the_folder_grows() -> None:
    images = [SourceImage(Path("/photos/photo.jpg"), ROOT), SourceImage(Path("/photos/photo.png"), ROOT)]
    assert output_names(images, known=("photo", None), taken=("photo",)) == ("photo", "photo.png")
    assert output_names(images[1:], taken=("photo",)) == ("photo.png",)


def test_a_path_that_climbs_gives_its_last_part() -> None:
    assert output_names([SourceImage(Path("/photos/../etc/x.jpg"), ROOT)]) == ("x",)


@pytest.mark.parametrize("folder", ["a.png", "A.JPG", ".radseg-1.part"])
def test_a_folder_that_ends_like_a_file_of_the_run_never_stands_in_its_way(folder: str) -> None:
    assert names(f"/photos/{folder}/a.jpg", root="/photos") == [f"{folder}_/a"]
    both = names(f"/photos/{folder}/a.jpg", f"/photos/{folder}_/a.png", root="/photos")
    assert both == [f"{folder}_/a.jpg", f"{folder}_/a.png"]


def test_every_file_of_a_run_ends_in_what_no_folder_does() -> None:
    endings = [*filter(None, places_of(KINDS).values()), heat_ending(1, "sky")]
    assert all(ending.endswith(OUTPUT_SUFFIXES) for ending in endings)


@pytest.mark.parametrize("letter", ["x", "é", "\udce9"])
def test_a_long_name_leaves_room_for_every_ending_and_stays_unique(letter: str) -> None:
    long = letter * (250 // len(os.fsencode(letter)))
    given_names = names(f"/photos/{long}1.jpg", f"/photos/{long}2.jpg")
    assert len(set(given_names)) == 2
    assert all(len(os.fsencode(name + heat_ending(99999, "n" * 99))) <= 255 for name in given_names)


PLACES = (("masks", ".png"), ("heatmaps", heat_ending(1, "sky")), ("heatmaps", heat_ending(2, "b")))
part = st.sampled_from(["a", "b", "A", "a.001-sky", "a.jpg", "a.png", "a.png_", "é", "é"])
suffix = st.sampled_from([".jpg", ".png", ".JPG", ""])
paths = st.lists(st.tuples(st.lists(part, max_size=2), part, suffix), min_size=1, max_size=12, unique_by=str)


@given(paths, st.booleans())
def test_no_two_images_share_an_output_and_none_leaves_the_folder(
    drawn: list[tuple[list[str], str, str]], each_alone: bool
) -> None:
    files = {ROOT.joinpath(*folders, stem + end) for folders, stem, end in drawn}
    given_names = output_names([SourceImage(p, p.parent if each_alone else ROOT) for p in sorted(files)])
    outputs = [f"{kind}/{name}{end}".casefold() for name in given_names for kind, end in PLACES]
    folders = {parent for one in outputs for parent in PurePosixPath(one).parents}
    assert len(set(outputs)) == len(outputs)
    assert not folders & {PurePosixPath(one) for one in outputs}
    assert all(inside(Path("/out"), name).is_relative_to("/out") for name in given_names)


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x.png", "", "a\0b"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="would leave the output folder"):
        inside(tmp_path, name)


def test_a_link_in_the_output_folder_that_leads_out_is_refused(tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    out.mkdir()
    other.mkdir()
    (out / "day").symlink_to(other, target_is_directory=True)
    with pytest.raises(InputError, match=r"outside .*out: a link in the output folder"):
        inside(out, "day/x.png")
