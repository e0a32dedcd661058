"""Writing files whole or not at all, and label maps that read back the same."""

import errno
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from radseg.errors import ImageError, InputError, ResourceError
from radseg.io import label_dtype, read_label_png, write_atomically, write_label_png


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestAtomicWrites:
    def test_content_arrives_and_nothing_else(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "a.bin", lambda stream: stream.write(b"one") and None)
        write_atomically(tmp_path / "a.bin", lambda stream: stream.write(b"two") and None)
        assert (tmp_path / "a.bin").read_bytes() == b"two"
        assert entries(tmp_path) == ["a.bin"]

    @pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), OSError(errno.EIO, "io")])
    def test_a_failed_write_keeps_the_old_file(self, tmp_path: Path, failure: BaseException) -> None:
        (tmp_path / "a.bin").write_bytes(b"old")

        def fail(stream: Any) -> None:
            stream.write(b"half")
            raise failure

        with pytest.raises((type(failure), ResourceError)):
            write_atomically(tmp_path / "a.bin", fail)
        assert (tmp_path / "a.bin").read_bytes() == b"old"
        assert entries(tmp_path) == ["a.bin"]

    def test_full_disk_is_named(self, tmp_path: Path) -> None:
        def overflow(_: Any) -> None:
            with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - the kernel's own full disk
                full.write(b"x")

        with pytest.raises(ResourceError, match=r"disk is full.*a\.bin"):
            write_atomically(tmp_path / "a.bin", overflow)
        assert entries(tmp_path) == []

    def test_disk_that_fills_up_at_sync_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(ResourceError, match="disk is full"):
            write_atomically(tmp_path / "a.bin", lambda stream: stream.write(b"x") and None)
        assert entries(tmp_path) == []

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
    def test_reasons_are_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
    ) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(ResourceError, match=words) as caught:
            write_atomically(tmp_path / "a.bin", lambda stream: None)
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
    def test_impossible_places_are_named(
        self, tmp_path: Path, make: Callable[[Path], Path], words: str
    ) -> None:
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
        with pytest.raises(ResourceError, match=words):
            write_atomically(make(tmp_path), lambda stream: None)
        assert entries(tmp_path) == ["file", "folder"]

    def test_our_own_errors_pass_through(self, tmp_path: Path) -> None:
        def fail(_: Any) -> None:
            raise InputError("mine")

        with pytest.raises(InputError, match="mine"):
            write_atomically(tmp_path / "a.bin", fail)

    @pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
    def test_others_may_read_the_file_as_with_plain_open(self, tmp_path: Path) -> None:
        (tmp_path / "plain").touch()
        write_atomically(tmp_path / "ours", lambda stream: None)
        assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


class TestLabelPng:
    def test_values_survive_and_the_palette_shows_them(self, tmp_path: Path) -> None:
        labels = np.array([[0, 1, 2, 255]], dtype=np.uint8)
        write_label_png(tmp_path / "a.png", labels, ("sky", "road"))
        assert np.array_equal(read_label_png(tmp_path / "a.png"), labels)
        shown = Image.open(tmp_path / "a.png").convert("RGB")
        assert shown.getpixel((0, 0)) == (0, 0, 0)
        assert len({shown.getpixel((column, 0)) for column in range(4)}) == 4

    @pytest.mark.parametrize(("names", "kind"), [(254, np.uint8), (255, np.uint16), (65534, np.uint16)])
    def test_the_type_grows_with_the_names(self, names: int, kind: type) -> None:
        assert label_dtype(names) is kind

    def test_many_names_give_sixteen_bits_that_survive(self, tmp_path: Path) -> None:
        labels = np.array([[0, 255, 256, 300]], dtype=np.uint16)
        write_label_png(tmp_path / "a.png", labels, tuple(f"n{i}" for i in range(300)))
        assert np.array_equal(read_label_png(tmp_path / "a.png"), labels)
        assert Image.open(tmp_path / "a.png").mode == "I;16"

    def test_more_names_than_any_type_holds_are_refused(self) -> None:
        with pytest.raises(InputError, match="65,534"):
            label_dtype(65535)

    def test_a_wrong_type_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="uint16"):
            write_label_png(tmp_path / "a.png", np.zeros((2, 2), np.uint16), ("sky",))

    def test_a_photo_is_no_label_map(self, tmp_path: Path) -> None:
        Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
        with pytest.raises(ImageError, match="RGB"):
            read_label_png(tmp_path / "a.png")

    def test_a_hostile_file_is_an_error_in_words(self, tmp_path: Path) -> None:
        write_label_png(tmp_path / "a.png", np.zeros((4, 4), np.uint8), ("sky",))
        whole = (tmp_path / "a.png").read_bytes()
        bomb = zlib.compress(bytes(100 * 2**20))  # a comment that unfolds to 100 MB
        for kind, data in ((b"zTXt", b"a\0\0" + bomb), (b"pHYs", b"1")):
            part = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            (tmp_path / "a.png").write_bytes(whole[:33] + part + whole[33:])
            with pytest.raises(ImageError, match="not a label map that can be read"):
                read_label_png(tmp_path / "a.png")
