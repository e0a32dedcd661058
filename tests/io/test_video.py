"""Videos: what is read of them, and that FFmpeg opens nothing but the file it was given."""

import ctypes
import io
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from radseg.errors import ImageError, MemoryBudgetError, MissingExtraError, MissingFileError
from radseg.io.video import container_of, frames, video_writer
from radseg.types import Size

av = pytest.importorskip("av")
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
    'mimeType="video/mp4"><Representation id="1"><BaseURL>{}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)
IN_OPEN = 0x20  # of inotify


def picture(index: int, height: int = 32, width: int = 48) -> np.ndarray:
    pixels = np.full((height, width, 3), 40, np.uint8)
    pixels[:, : width // 2] = (20 * index % 256, 200, 90)
    return pixels


def film(
    container: str = "mp4", codec: str = "mpeg4", count: int = 5, sizes: tuple[int, int] = (32, 48)
) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as writer:
        track = writer.add_stream(codec, rate=10)
        track.height, track.width = sizes
        track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index, *sizes), format="rgb24")
            writer.mux(track.encode(frame))
        writer.mux(track.encode())
    return stream.getvalue()


MP4 = film()


def stored(folder: Path, content: bytes, name: str = "film.bin") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("container", "codec"),
    [("mp4", "mpeg4"), ("mov", "mjpeg"), ("matroska", "mpeg4"), ("avi", "mjpeg"), ("mpegts", "mpeg2video")],
)
def test_every_frame_comes_in_order_whatever_the_name(tmp_path: Path, container: str, codec: str) -> None:
    found = list(frames(stored(tmp_path, film(container, codec))))
    assert [one.index for one in found] == list(range(5))
    for one in found:
        assert np.abs(one.pixels.astype(int) - picture(one.index)).mean() < 12
    assert found[-1].rate == pytest.approx(10, abs=0.1)


def test_a_video_that_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with path.open("wb") as stream, video_writer(stream, Size(33, 49), 10) as append:
        for index in range(3):
            append(picture(index, 33, 49))
    found = [one.pixels for one in frames(path)]
    assert len(found) == 3
    assert found[0].shape == (32, 48, 3)


def test_a_frame_is_admitted_before_it_is_decoded(tmp_path: Path) -> None:
    def refuse(size: Size, decoding: int) -> None:
        assert size == Size(32, 48)
        assert decoding > 6 * 32 * 48
        raise MemoryBudgetError("too large")

    with pytest.raises(MemoryBudgetError):
        next(frames(stored(tmp_path, MP4), refuse))


def test_a_film_cut_short_ends_early_or_is_refused(tmp_path: Path) -> None:
    whole = film("matroska")
    assert len(list(frames(stored(tmp_path, whole[: int(len(whole) * 0.7)])))) < 5
    for part in (0.02, 0.2):
        with pytest.raises(ImageError, match=r"film\.bin"):
            list(frames(stored(tmp_path, MP4[: int(len(MP4) * part)])))


def test_codecs_outside_the_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="the codec ffv1"):
        next(frames(stored(tmp_path, film("matroska", "ffv1"))))


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingFileError):
        next(frames(tmp_path / "none.mp4"))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"radseg\[video\]"):
        next(frames(stored(tmp_path, MP4)))


def playlists(address: str, secret: str) -> Iterator[bytes]:
    """Yield files that tell FFmpeg to open others: by address, and on this disk."""
    for target in (
        address,
        f"file://{secret}",
        secret,
        f"concat:{secret}|{secret}",
        f"subfile,,start,0,end,9,,:{secret}",
    ):
        yield f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n".encode()
        yield f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n#EXTINF:9,\n{target}\n'.encode()
        yield f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n".encode()
        yield f"ffconcat version 1.0\nfile '{target}'\n".encode()
        yield f"file '{target}'\n".encode()
        yield DASH.format(target).encode()
        yield f"v=0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{target}\nm=video 1 RTP/AVP 96\n".encode()
        yield f"RTSPtext\n{target}\n[playlist]\nFile1={target}\n".encode()
    yield from _movies(secret)


def _movies(secret: str) -> Iterator[bytes]:
    """Yield films that say their data lies in another file, and playlists behind the head of a film."""
    for kind in (b"alis", b"url ", b"urn "):
        reference = len(secret) + 13
        entry = reference.to_bytes(4) + kind + b"\0\0\0\0" + secret.encode() + b"\0"
        at = MP4.index(b"dref")
        yield MP4[: at + 12] + entry + MP4[at + 24 :]
    for head in (b"\0\0\0\x18ftypisom", b"\x1aE\xdf\xa3", b"RIFF\0\0\0\0AVI "):
        yield head + f"\n#EXTM3U\n#EXTINF:9,\n{secret}\n".encode()
    yield b"".join((b"G" + f"#EXTM3U\n{secret}\n".encode()).ljust(188, b"\n") for _ in range(9))


def name_of(content: bytes) -> str:
    """Return a name by which FFmpeg would take the file for what it is."""
    marks = {b"#EXTM3U": "m3u8", b"ffconcat": "ffconcat", b"<?xml": "mpd", b"v=0": "sdp"}
    return next((f"list.{ending}" for mark, ending in marks.items() if mark in content), "list.mp4")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a file was opened")
def test_hostile_playlists_open_nothing_else(tmp_path: Path) -> None:
    secret = stored(tmp_path, film(count=2), "secret.mp4")
    library = ctypes.CDLL(None)
    watch = library.inotify_init1(os.O_NONBLOCK)
    assert library.inotify_add_watch(watch, bytes(secret), IN_OPEN) > 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.01)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/a.ts"
        cases = list(playlists(address, str(secret)))
        assert len(cases) >= 30
        for content in cases:
            with pytest.raises(ImageError):
                list(frames(stored(tmp_path, content, name_of(content))))
        with pytest.raises(TimeoutError):
            listener.accept()
    with pytest.raises(BlockingIOError):
        os.read(watch, 4096)
    os.close(watch)


def test_playlists_have_no_container() -> None:
    cases = list(playlists("http://127.0.0.1/a", "/secret"))
    assert [container_of(one) for one in cases[:40]] == [None] * 40
