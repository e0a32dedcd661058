"""ScanNet++: undistorted DSLR images, COLMAP poses, rendered depth (mapping spec 1.3)."""

from collections.abc import Collection
from pathlib import Path

from torch import Tensor

from radseg.datasets.rgbd.base import FileSequence, FrameFiles, fixed_pose
from radseg.datasets.rgbd.classes import ClassTable, class_table
from radseg.datasets.rgbd.files import DepthFormat, PoseReading, pinhole, pose_of_quaternion, read_text
from radseg.datasets.rgbd.replica import read_json
from radseg.errors import InputError
from radseg.files import lines_of, shown
from radseg.types import Intrinsics, Size

FISHEYE = (
    "ScanNet++ depth must be rendered with the undistorted pinhole camera "
    "(nerfstudio/transforms_undistorted.json). The toolkit's render script uses COLMAP's fisheye camera: its "
    "depth does not fit the undistorted images and bends the map towards the image's borders."
)
"""The trap of this data set; every sequence carries it as a note."""

_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")


def is_scannetpp(path: Path) -> bool:
    """Say whether `path` looks like a scene of this layout."""
    return (path / "dslr" / "colmap" / "images.txt").is_file()


def scannetpp_scene(path: Path, *, depth: DepthFormat | None = None) -> FileSequence:
    """Return a scene: the images of COLMAP's images.txt in the order of their numbers.

    Colour, depth and pose belong together by file name. Depth lies in depth/<scene>/dslr/render_depth beside
    the scene, or in the scene's own dslr/render_depth; millimetres, 0 unknown.

    Differs from RayFronts, which pairs three lists by rank: one missing file there shifts all after it.

    Raises:
        InputError: no poses, no camera file, or a camera with distortion.
    """
    dslr = path / "dslr"
    depths = path.parent / "depth" / path.name / "dslr" / "render_depth"
    if not depths.is_dir():
        depths = dslr / "render_depth"
    frames = {}
    for name, pose in sorted(_poses(dslr / "colmap" / "images.txt"), key=lambda row: row[0]):
        image = dslr / "undistorted_images" / name[1]
        stem = Path(name[1]).stem
        frames[stem] = FrameFiles(image, depths / f"{stem}.png", fixed_pose(pose))
    reading = PoseReading("world-to-camera")
    camera = _camera(dslr / "nerfstudio" / "transforms_undistorted.json")
    return FileSequence(frames, camera, depth or DepthFormat(1000.0), reading, notes=(FISHEYE,))


def scannetpp_classes(file: Path, *, ignore: Collection[str] = ()) -> ClassTable:
    """Return the classes of metadata/semantic_benchmark/top100.txt: line i, from 0, has the number i + 1."""
    lines = [line.strip() for line in lines_of(read_text(file))]
    return class_table({i + 1: name for i, name in enumerate(lines) if name}, ignore=ignore)


def _poses(file: Path) -> list[tuple[tuple[int, str], Tensor]]:
    """Return ((number, image name), world-to-camera) of each image; every second line holds points."""
    lines = [line for line in lines_of(read_text(file).rstrip()) if not line.lstrip().startswith("#")]
    rows = []
    for line in lines[::2]:
        words = line.split()
        try:
            number, values = int(words[0]), [float(word) for word in words[1:8]]
            name = words[9]
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{shown(file)} has a line that is not 'id qw qx qy qz tx ty tz camera name': {line[:80]!r}."
            ) from error
        if Path(name).name != name:
            raise InputError(f"{shown(file)} names the image {name!r}; a plain file name is needed.")
        rows.append(((number, name), pose_of_quaternion(values[:4], values[4:])))
    if not rows:
        raise InputError(f"{shown(file)} holds no poses.")
    return rows


def _camera(file: Path) -> Intrinsics:
    numbers = read_json(file)
    try:
        distorted = [name for name in _DISTORTION if float(numbers.get(name, 0) or 0) != 0]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} has a lens parameter that is no number: {error}.") from error
    if distorted:
        raise InputError(
            f"{shown(file)} describes a lens with distortion ({', '.join(distorted)}); the undistorted "
            "pinhole camera is needed (transforms_undistorted.json)."
        )
    try:
        size = Size(int(numbers["h"]), int(numbers["w"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} needs w and h: {error!r}.") from error
    return pinhole(numbers, ("fl_x", "fl_y", "cx", "cy"), size, file)
