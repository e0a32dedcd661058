"""Depth cameras known by name, for recordings that bring no calibration."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from radseg.datasets.rgbd.base import FileSequence
from radseg.datasets.rgbd.files import PoseReading, at_size, camera_numbers, intrinsics_of
from radseg.errors import InputError
from radseg.files import shown
from radseg.types import Intrinsics, Size

MIRRORED = PoseReading(axes="left-handed", world="left-handed")
"""What a negative fy means: the camera's y axis points up while z points forward, and the world is alike."""


@dataclass(frozen=True)
class DepthCamera:
    """A depth camera, and what it says of the poses beside it.

    Attributes:
        intrinsics: at the size it was published for.
        reading: of the poses.
    """

    intrinsics: Intrinsics
    reading: PoseReading = field(default_factory=PoseReading)


def _vga(fx: float, fy: float, cx: float, cy: float) -> Intrinsics:
    return Intrinsics(fx, fy, cx, cy, Size(480, 640))


CAMERAS: dict[str, DepthCamera] = {
    # 7-Scenes' page: principal point (320, 240), focal length 585.
    "7-scenes": DepthCamera(_vga(585.0, 585.0, 320.0, 240.0)),
    # TUM RGB-D's page "File formats": the colour cameras that depth is registered to, and the ROS default.
    "freiburg1": DepthCamera(_vga(517.3, 516.5, 318.6, 255.3)),
    "freiburg2": DepthCamera(_vga(520.9, 521.0, 325.1, 249.7)),
    "freiburg3": DepthCamera(_vga(535.4, 539.2, 320.1, 247.6)),
    "primesense": DepthCamera(_vga(525.0, 525.0, 319.5, 239.5)),
    # ICL-NUIM's page: K with fy = -480.
    "icl-nuim": DepthCamera(_vga(481.2, 480.0, 319.5, 239.5), MIRRORED),
}
"""By name. primesense is the default that drivers of Kinect 1 and Xtion have, uncalibrated."""


def read_camera(path: Path, size: Size) -> DepthCamera:
    """Return the camera of a file, at the size of the depth images; see `camera_numbers`.

    Raises:
        InputError: missing, not finite, or no camera of such images.
    """
    (fx, fy, cx, cy), own = camera_numbers(path, size)
    reading = PoseReading()
    if fy < 0 < fx:
        fy, reading = -fy, MIRRORED
    return DepthCamera(intrinsics_of((fx, fy, cx, cy), own, size, shown(path)), reading)


def known_camera(name: str) -> DepthCamera:
    """Return a camera by name.

    Raises:
        InputError: there is none of that name.
    """
    if name not in CAMERAS:
        raise InputError(f"There is no camera {name!r}; choose from {', '.join(CAMERAS)}.")
    return CAMERAS[name]


def with_camera(sequence: FileSequence, camera: DepthCamera) -> FileSequence:
    """Return the sequence with this depth camera, scaled, in place of what its folder says of it.

    A folder that says what its poses mean is still believed in that.

    Raises:
        InputError: the camera's images and the folder's depth have different shapes.
    """
    frames = {name: replace(files, camera=None) for name, files in sequence.frames.items()}
    intrinsics = at_size(camera.intrinsics, sequence.intrinsics.size)
    return replace(sequence, intrinsics=intrinsics, frames=frames)
