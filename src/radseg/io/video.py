"""Frames of a video file, one at a time, and a video of frames, through PyAV (an extra; FFmpeg is inside).

FFmpeg is given an open file and the one container that its first bytes name. It guesses nothing, so no
playlist is ever read, and it is refused whatever else it wants opened. Only listed codecs are decoded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from radseg.errors import ImageError, InputError, MissingFileError, ResourceError
from radseg.extras import require
from radseg.files import open_regular, shortened, shown
from radseg.io.image import Admit, DecodedImage, require_size
from radseg.types import Size

CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg2video", "mjpeg", "prores"}
)
"""Video codecs that are decoded, by FFmpeg's names; all others are refused before a decoder sees a byte."""
_PACKET = 188  # bytes of a packet of an MPEG transport stream; each begins with "G"
_DECODING = 12
"""Bytes a pixel while a frame is decoded: planes of the frame and those it is predicted from, and RGB."""


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame, upright.

    Attributes:
        index: counted from 0 over all frames of the file.
        seconds: from the beginning; None where the file does not say.
        rate: frames of the file a second, on average; 25 where it does not say.
    """

    index: int
    seconds: float | None
    rate: float
    pixels: DecodedImage


def container_of(head: bytes) -> str | None:
    """Return FFmpeg's name of the container that a file begins as; None for none that is read."""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if len(head) > 2 * _PACKET and all(head[i * _PACKET] == ord("G") for i in range(3)):
        return "mpegts"
    return None


def frames(path: Path, admit: Admit | None = None) -> Iterator[VideoFrame]:
    """Yield every frame of a video file's first video track, turned upright; memory does not grow with it.

    A file cut short ends at its last whole frame.

    Args:
        admit: is called with the size and the bytes that decoding takes, before it; may refuse.

    Raises:
        MissingExtraError: PyAV is not installed.
        MissingFileError: there is no such file.
        ImageError: not a video of the listed containers and codecs, damaged, too large, or of changing size.
    """
    name = shown(path)
    av = require("av", "video")
    try:
        stream = open_regular(path, most=None)
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no file {name}.") from error
    except OSError as error:
        raise ImageError(f"{name} cannot be read: {error.strerror or error}.") from error
    with stream, _damage_named(name, av), _opened(av, stream, name) as container:
        yield from _decoded(container, name, admit)


def _opened(av: Any, stream: BinaryIO, name: str) -> Any:
    head = stream.read(3 * _PACKET)
    stream.seek(0)
    container = container_of(head)
    if container is None:
        raise ImageError(f"{name} is no video that is read: MP4 or MOV, Matroska or WebM, AVI, MPEG-TS.")
    options = {"protocol_whitelist": "none", "format_whitelist": container_names(av, container)}
    return av.open(stream, format=container, container_options=options, io_open=_refuse)


def container_names(av: Any, container: str) -> str:
    """Return all names of a container, as FFmpeg's own check of a list wants them."""
    return str(av.format.ContainerFormat(container, "r").name)


def _refuse(url: str, *_: object) -> None:
    raise PermissionError(f"the file wants {shortened(url)} opened")


def _decoded(container: Any, name: str, admit: Admit | None) -> Iterator[VideoFrame]:
    if not container.streams.video:
        raise ImageError(f"{name} has no video track.")
    track = container.streams.video[0]
    codec = track.codec_context
    if codec is None or codec.codec.name not in CODECS:
        what = "an unknown codec" if codec is None else f"the codec {codec.codec.name}"
        raise ImageError(f"{name} has {what}; decoded are {', '.join(sorted(CODECS))}.")
    size = (codec.width, codec.height)
    require_size(size, name)
    if admit is not None:
        admit(Size(codec.height, codec.width), _DECODING * codec.width * codec.height)
    rate = float(track.average_rate or 25)
    codec.thread_count = 1  # every further one holds frames of its own
    for index, frame in enumerate(container.decode(track)):
        if (frame.width, frame.height) != size:
            raise ImageError(f"{name} changes its size from {size} to {(frame.width, frame.height)}.")
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90) % 4)
        yield VideoFrame(index, frame.time, rate, np.ascontiguousarray(pixels))


@contextmanager
def _damage_named(name: str, av: Any) -> Iterator[None]:
    try:
        yield
    except (av.error.FFmpegError, PermissionError) as error:
        raise ImageError(f"{name} is damaged, or no such video ({shortened(str(error))}).") from error


@contextmanager
def video_writer(stream: BinaryIO, size: Size, rate: float) -> Iterator[Any]:
    """Give a function that appends 8-bit RGB frames of one size to an MP4 file: H.264, or MPEG-4.

    Args:
        size: rows and columns; an odd last one is left out, which the format cannot hold.
        rate: frames a second.

    Raises:
        InputError: a frame smaller than 2 × 2.
        ResourceError: the video cannot be encoded.
    """
    av = require("av", "video")
    height, width = size.height // 2 * 2, size.width // 2 * 2
    if not (height and width):
        raise InputError(
            f"A video needs frames of at least 2×2 pixels; these are {size.width}×{size.height}."
        )
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    try:
        with av.open(stream, "w", format="mp4") as container:
            track = container.add_stream(codec, rate=round(rate) or 1)
            track.width, track.height, track.pix_fmt = width, height, "yuv420p"

            def append(pixels: DecodedImage) -> None:
                rows = np.ascontiguousarray(pixels[:height, :width])
                container.mux(track.encode(av.VideoFrame.from_ndarray(rows, format="rgb24")))

            yield append
            container.mux(track.encode())
    except av.error.FFmpegError as error:
        raise ResourceError(f"The video cannot be encoded: {shortened(str(error))}.") from error
