"""Files are written whole or not at all, never through a link, and every failure names file and way out."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radseg.errors import InputError, MissingFileError, ResourceError
from radseg.files import (
    bytes_of,
    clear_parts,
    counted,
    json_of,
    make_folder,
    open_regular,
    without_folders,
    write_bytes,
    write_pieces,
)


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_is_counted_without_the_plural() -> None:
    assert [counted(n, "frame") for n in (0, 1, 1200)] == ["0 frames", "1 frame", "1,200 frames"]


def test_content_arrives_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.bin", b"one")
    write_pieces(tmp_path / "a.bin", iter([b"t", b"", b"wo"]))
    assert (tmp_path / "a.bin").read_bytes() == b"two"
    assert entries(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), OSError(errno.EIO, "io")])
def test_a_failed_write_keeps_the_old_file(tmp_path: Path, failure: BaseException) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")

    def fail() -> Iterator[bytes]:
        yield b"half"
        raise failure

    with pytest.raises((type(failure), ResourceError)):
        write_pieces(tmp_path / "a.bin", fail())
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert entries(tmp_path) == ["a.bin"]


def test_a_short_write_is_carried_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a quota or a signal may cut a call short; Pillow's JPEG encoder took no notice."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:3]))
    write_bytes(tmp_path / "a.bin", b"0123456789")
    assert (tmp_path / "a.bin").read_bytes() == b"0123456789"


def test_a_disk_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write

    def half(handle: int, data: bytes) -> int:
        if len(data) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data[: len(data) // 2])

    (tmp_path / "a.jpg").write_bytes(b"old")
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(ResourceError, match=r"disk is full.*a\.jpg"):
        write_bytes(tmp_path / "a.jpg", b"0123456789")
    assert (tmp_path / "a.jpg").read_bytes() == b"old"
    assert entries(tmp_path) == ["a.jpg"]


def test_a_disk_that_fills_up_at_sync_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="disk is full"):
        write_bytes(tmp_path / "a.bin", b"x")
    assert entries(tmp_path) == []
    write_bytes(tmp_path / "a.bin", b"x", durable=False)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EROFS, "read-only"),
        (errno.EACCES, "No permission"),
        (errno.EPERM, "No permission"),
        (errno.EDQUOT, "disk is full"),
        (errno.EIO, "was not written"),
    ],
)
def test_reasons_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ResourceError, match=words) as caught:
        write_bytes(tmp_path / "a.bin", b"")
    assert "a.bin" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing" / "a.bin", "mkdir -p"),
        (lambda folder: folder / "file" / "a.bin", "not a folder"),
        (lambda folder: folder / ("a" * 300), "255 bytes"),
        (lambda folder: folder / "folder", "is a folder"),
        (lambda folder: folder / "a\0b", "cannot be the name"),
    ],
)
def test_impossible_places_are_named(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError, match=words):
        write_bytes(make(tmp_path), b"")
    assert entries(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("ours", [InputError("mine"), MissingFileError("mine")])
def test_our_own_errors_pass_through(tmp_path: Path, ours: Exception) -> None:
    def fail() -> Iterator[bytes]:
        raise ours
        yield b""

    with pytest.raises(type(ours), match="mine"):
        write_pieces(tmp_path / "a.bin", fail())


def test_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "a.bin").symlink_to(tmp_path / "victim")
    write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "a.bin").is_symlink()


def test_a_planted_part_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever guesses the hidden name can put a link there: the file must be a new one."""
    monkeypatch.setattr("radseg.files.secrets.token_hex", lambda _: "guessed")
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".radseg-guessed.part").symlink_to(tmp_path / "victim")
    with pytest.raises(ResourceError, match=r"a\.bin was not written"):
        write_bytes(tmp_path / "a.bin", b"new")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_what_a_kill_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in (".radseg-0123.part", ".radseg-lock", "mine.part"):
        (tmp_path / name).touch()
    (tmp_path / ".radseg-folder.part").mkdir()
    clear_parts(tmp_path)
    clear_parts(tmp_path / ("x" * 300))
    clear_parts(tmp_path / "missing")
    assert entries(tmp_path) == [".radseg-folder.part", ".radseg-lock", "mine.part"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_others_may_read_the_file_as_with_plain_open(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_a_file_is_wrong_use_and_one_that_cannot_be_made_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        make_folder(tmp_path / "file")
    with pytest.raises(ResourceError, match="cannot be made"):
        make_folder(tmp_path / "file" / "folder")
    make_folder(tmp_path / "deep" / "folder")
    make_folder(tmp_path / "deep" / "folder")


@pytest.mark.skipif(os.name != "posix", reason="devices are files on POSIX")
def test_only_regular_files_up_to_a_size_are_opened(tmp_path: Path) -> None:
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("endless", "."):
        with pytest.raises(InputError, match="is not a regular file"):
            open_regular(tmp_path / name)
    with pytest.raises(InputError, match="5 bytes; at most 4 are read"):
        bytes_of(tmp_path / "large", most=4)
    assert bytes_of(tmp_path / "large", most=5) == b"12345"


def test_json_nested_too_deeply_is_a_text_that_is_wrong() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        json_of("[" * 99_999 + "]" * 99_999)


def test_a_message_loses_the_folders_of_the_disk_and_keeps_what_is_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.chdir(tmp_path)
    data, link = tmp_path / "my data", tmp_path / "link"
    data.mkdir()
    link.symlink_to(data)
    text = f"{data}/a/x.png (looked in {data}); {link}/b.png; {tmp_path}2/c.png; /somebody/.cache/d.pth"
    told = without_folders(text, Path("link"), Path("my data"))
    assert told == f"a/x.png (looked in my data); b.png; {tmp_path}2/c.png; ~/.cache/d.pth"


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be the name of a file"):
        open_regular(tmp_path / "a\0b")
