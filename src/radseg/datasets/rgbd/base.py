"""What every RGB-D reader is, and the one that reads files: lists of colour, depth and pose per frame."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from radseg.datasets.rgbd.files import DepthFormat, PoseReading, read_pose, rigid
from radseg.errors import InputError, MissingFileError
from radseg.files import open_regular, shown
from radseg.io import read_image
from radseg.types import Frame, Intrinsics, Rgb, Size


class RgbdSequence(Protocol):
    """Posed RGB-D frames of one place, read one at a time."""

    def __len__(self) -> int:
        """Return how many frames there are."""

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames in the order of the recording."""

    def read(self, frame_id: str) -> Frame:
        """Return one frame.

        Raises:
            ImageError, InputError: this frame is not usable; the others may be.
        """


@dataclass(frozen=True)
class FrameFiles:
    """Where one frame is.

    Attributes:
        pose: returns the 4 × 4 matrix as it stands in its file; raises InputError where there is none.
        semantics: file of class labels, where the layout has one.
        timestamp: seconds, where known.
        camera: returns the frame's own depth camera, where each frame has one; raises InputError.
    """

    colour: Path
    depth: Path
    pose: Callable[[], Float[Tensor, "4 4"]]
    semantics: Path | None = None
    timestamp: float | None = None
    camera: Callable[[], Intrinsics] | None = None


@dataclass(frozen=True, eq=False)
class FileSequence:
    """RgbdSequence over files that were listed before; nothing is decoded until `read`.

    Attributes:
        frames: by id, in order.
        intrinsics: of the depth camera, at the size of its files; of frames that bring none.
        depth: how numbers in the depth files become metres.
        reading: what the numbers in the pose files mean.
        colour_intrinsics, depth_to_colour: of a separate colour camera (see Frame).
        read_semantics: turns a label file into class indices.
        notes: what a person should know about this recording; for reports.
    """

    frames: Mapping[str, FrameFiles]
    intrinsics: Intrinsics
    depth: DepthFormat
    reading: PoseReading = field(default_factory=PoseReading)
    colour_intrinsics: Intrinsics | None = None
    depth_to_colour: Float[Tensor, "4 4"] | None = None
    read_semantics: Callable[[Path], Int[Tensor, "H W"]] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frames)

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames in the order of the recording."""
        return tuple(self.frames)

    def digest(self) -> str:
        """Return a SHA-256 of the first frame that is whole: equal for one recording wherever it lies.

        Files as they are, and the numbers of the pose; a recording that grows keeps it.
        """
        for files in self.frames.values():
            whole = hashlib.sha256()
            try:
                for file in (files.colour, files.depth):
                    whole.update(self.sha256(file))
                whole.update(files.pose().contiguous().numpy().tobytes())
            except (InputError, OSError):
                continue
            return whole.hexdigest()
        return ""

    def read(self, frame_id: str) -> Frame:
        """Return one frame: pose first, since it fails cheapest.

        Raises:
            ImageError, InputError: a file is missing, damaged or of the wrong size, or the pose is none.
        """
        if frame_id not in self.frames:
            raise InputError(f"There is no frame {frame_id!r} in this sequence of {len(self)}.")
        files = self.frames[frame_id]
        pose = rigid(self.reading.to_camera_to_world(files.pose()), f"The pose of frame {frame_id}")
        camera = self.intrinsics if files.camera is None else files.camera()
        try:
            depth = self.read_depth(files.depth, camera.size)
            rgb = self.read_colour(files.colour)
        except MissingFileError as error:  # one missing file is a fault of this frame, not of the run
            raise InputError(str(error)) from error
        self._require_colour_size(rgb, files.colour)
        semantics = None
        if self.read_semantics is not None and files.semantics is not None:
            semantics = self.read_semantics(files.semantics)
        return Frame(
            id=frame_id,
            rgb=rgb,
            depth=depth,
            intrinsics=camera,
            camera_to_world=pose,
            colour_intrinsics=self.colour_intrinsics,
            depth_to_colour=self.depth_to_colour,
            timestamp=files.timestamp,
            semantics=semantics,
        )

    def read_colour(self, path: Path) -> Rgb:
        """Return a colour image; raises as `read_image`."""
        return read_image(path)

    def read_depth(self, path: Path, size: Size) -> Float[Tensor, "H W"]:
        """Return the depth in a file, metres; raises as `DepthFormat.read`."""
        return self.depth.read(path, size)

    def sha256(self, path: Path) -> bytes:
        """Return the SHA-256 of a colour or depth file; raises as `open_regular`."""
        with open_regular(path, most=None) as stream:
            return hashlib.file_digest(stream, "sha256").digest()

    def every(self, frame_skip: int) -> "FileSequence":
        """Return the sequence with `frame_skip` frames left out after each one that is kept.

        Frame f stays if and only if f mod (frame_skip + 1) = 0, as RayFronts counts (mapping spec 1.0): 10
        keeps 0, 11, 22. HOV-SG's `skip_frames: 10` keeps 0, 10, 20; that is 9 here.

        Raises:
            InputError: a negative number.
        """
        if frame_skip < 0:
            raise InputError(f"frame_skip is {frame_skip}; it is the number of frames left out, 0 or more.")
        kept = list(self.frames)[:: frame_skip + 1]
        return replace(self, frames={name: self.frames[name] for name in kept})

    def _require_colour_size(self, rgb: Tensor, path: Path) -> None:
        camera = self.colour_intrinsics
        if camera is not None and tuple(rgb.shape[1:]) != tuple(camera.size):
            raise InputError(
                f"{shown(path)} is {rgb.shape[1]}×{rgb.shape[2]} pixels, but the colour camera is calibrated "
                f"for {camera.size}."
            )


def fixed_pose(matrix: Float[Tensor, "4 4"]) -> Callable[[], Float[Tensor, "4 4"]]:
    """Return a pose that is known already."""
    return lambda: matrix.to(torch.float64)


def pose_file(path: Path) -> Callable[[], Float[Tensor, "4 4"]]:
    """Return a pose that is read from its file when it is asked for."""
    return lambda: read_pose(path)


def missing_pose(message: str) -> Callable[[], Float[Tensor, "4 4"]]:
    """Return a pose that is not there: asking for it raises InputError with `message`."""

    def refuse() -> Float[Tensor, "4 4"]:
        raise InputError(message)

    return refuse
