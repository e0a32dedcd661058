"""What files, folders, globs and list files become."""

import os
from pathlib import Path

import pytest

from radseg.errors import InputError, MissingFileError, ResourceError
from radseg.jobs.manifest import MANIFEST_NAME, holds_run, read_manifest
from radseg.jobs.sources import collect


def make(root: Path, *names: str) -> None:
    """Make empty files; nothing here opens an image."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path, *sources: str, **options: object) -> list[str]:
    """Return what `collect` finds, relative to `root`."""
    return [str(image.path.relative_to(root)) for image in collect([*sources], **options).images]  # type: ignore[arg-type]


def test_a_folder_gives_its_images_and_those_of_its_subfolders_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a.JPG", "deep/er/c.webp")
    assert found(tmp_path, str(tmp_path)) == ["a.JPG", "b.png", "deep/er/c.webp"]


def test_files_that_are_no_images_are_counted(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "notes.md", ".hidden.jpg", "deep/x.csv")
    names = {path.name for path in collect([str(tmp_path)]).skipped}
    assert names == {"notes.md", ".hidden.jpg", "x.csv"}


def test_a_file_named_alone_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    make(tmp_path, "image.weird")
    assert found(tmp_path, str(tmp_path / "image.weird")) == ["image.weird"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_is_cut_at_line_ends_alone_whatever_its_encoding(tmp_path: Path, encoding: str) -> None:
    names = ["a.png", "b\x0bc.png", "d\x0ce.png", "f\x85g.png", "h\u2028i.png", "j\u2029k.png", "l.png"]
    make(tmp_path, *names)
    text = "a.png\r\nb\x0bc.png\rd\x0ce.png\nf\x85g.png\nh\u2028i.png\nj\u2029k.png\nl.png"
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    assert found(tmp_path, str(tmp_path / "list.txt")) == names


def test_a_list_may_come_from_a_pipe_and_counts_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "deep/a.png", "b.png")
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.write(writing, b"deep/a.png\nb.png\n")
    os.close(writing)
    images = collect([f"@/dev/fd/{reading}"]).images
    os.close(reading)
    assert [(image.path, image.root) for image in images] == [
        (Path("deep/a.png"), Path()),
        (Path("b.png"), Path()),
    ]


def test_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", ".thumbnails/b.jpg")
    assert found(tmp_path, str(tmp_path)) == ["a.jpg"]


def test_a_glob_reaches_subfolders_with_two_stars(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "deep/b.jpg", "deep/c.png", "deep/d.txt")
    assert found(tmp_path, f"{tmp_path}/**/*.jpg") == ["a.jpg", "deep/b.jpg"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "photo[1].jpg", "photo1.jpg")
    assert found(tmp_path, str(tmp_path / "photo[1].jpg")) == ["photo[1].jpg"]


@pytest.mark.parametrize("form", ["@{}/list.lst", "{}/list.txt"])
def test_a_list_file_names_paths_relative_to_its_own_folder(tmp_path: Path, form: str) -> None:
    make(tmp_path, "a.jpg", "deep/b.jpg")
    for name in ("list.lst", "list.txt"):
        (tmp_path / name).write_text("﻿# my photos\n\na.jpg\n deep/b.jpg \n", encoding="utf-8")
    assert found(tmp_path, form.format(tmp_path)) == ["a.jpg", "deep/b.jpg"]


def test_a_missing_file_of_a_list_stays_in_the_run(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("gone.jpg\n")
    assert found(tmp_path, str(tmp_path / "list.txt")) == ["gone.jpg"]


def test_a_list_of_binary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xd8\xff\xe0 not text")
    with pytest.raises(InputError, match=r"list\.txt cannot be read"):
        collect([str(tmp_path / "list.txt")])


def test_mixed_sources_keep_their_order_and_count_repeats(tmp_path: Path) -> None:
    make(tmp_path, "a/x.jpg", "b/y.jpg")
    sources = collect([str(tmp_path / "b/y.jpg"), str(tmp_path), str(tmp_path / "a/../a/x.jpg")])
    assert [image.path.name for image in sources.images] == ["y.jpg", "x.jpg"]
    assert sources.repeated == 2


def test_the_output_folder_and_earlier_outputs_are_not_searched(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "out/a.png", "older/manifest.jsonl", "older/a.png")
    (tmp_path / "older/manifest.jsonl").write_text('{"format": "radseg-run/1", "parameters": {}}\n')
    sources = collect([str(tmp_path)], exclude=[tmp_path / "out"])
    assert [image.path.name for image in sources.images] == ["a.jpg"]
    assert {folder.name for folder in sources.earlier_outputs} == {"out", "older"}


def test_a_folder_with_a_manifest_of_another_program_is_searched(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "manifest.jsonl").write_text('{"file": "a.jpg"}\n')
    assert found(tmp_path, str(tmp_path)) == ["a.jpg"]


def test_a_source_that_is_the_output_folder_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    with pytest.raises(InputError, match="is a source and the output folder"):
        collect([str(tmp_path)], exclude=[tmp_path / "x" / ".."])


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    sources = collect([str(tmp_path)])
    assert [image.path.name for image in sources.images] == ["a.jpg"]
    assert tmp_path / "loop" in sources.skipped


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"no file or folder .*nowhere\.jpg"):
        collect([str(tmp_path / "nowhere.jpg")])


def test_a_glob_without_matches_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"Nothing matches .*\*\.jpg"):
        collect([f"{tmp_path}/*.jpg"])


def test_a_folder_without_images_says_what_is_there(tmp_path: Path) -> None:
    make(tmp_path, "a.md", "b.md")
    with pytest.raises(
        InputError, match=r"No image in .*2 other files are there\. Images end in \.avif, \.bmp"
    ):
        collect([str(tmp_path)])


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(InputError, match="NUL"):
        collect(["a\0.jpg"])


def test_a_name_that_is_too_long_stays_in_a_list_and_is_named_alone(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{'x' * 300}.jpg\na.jpg\n")
    assert len(collect([str(tmp_path / "list.txt")]).images) == 2
    with pytest.raises(MissingFileError, match="There is no file or folder"):
        collect(["x" * 300])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs in folders")
def test_a_fifo_called_like_a_record_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MANIFEST_NAME)
    assert not holds_run(tmp_path)
    with pytest.raises(ResourceError, match="not a regular file"):
        read_manifest(tmp_path / MANIFEST_NAME)


@pytest.mark.parametrize("query", ["", "?size=large"])
def test_an_address_is_called_one(query: str) -> None:
    with pytest.raises(InputError, match=r"photo\.jpg.* is an address"):
        collect([f"https://example.org/photo.jpg{query}"])
