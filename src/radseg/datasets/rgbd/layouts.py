"""`open_sequence`: recognise the layout of a folder and read it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from radseg.datasets.rgbd.arkit import arkit_scene, is_arkit
from radseg.datasets.rgbd.base import FileSequence
from radseg.datasets.rgbd.cameras import DepthCamera, known_camera, with_camera
from radseg.datasets.rgbd.files import Axes, Direction, PoseReading, World, rigid
from radseg.datasets.rgbd.folder import is_plain_folder, plain_folder
from radseg.datasets.rgbd.record3d import is_record3d, record3d_scene
from radseg.datasets.rgbd.replica import is_replica, replica_scene
from radseg.datasets.rgbd.scannet import is_scannet, scannet_scan
from radseg.datasets.rgbd.scannetpp import is_scannetpp, scannetpp_scene
from radseg.datasets.rgbd.scannetpp_iphone import is_scannetpp_iphone, scannetpp_iphone_scene
from radseg.datasets.rgbd.tum import is_tum, tum_sequence
from radseg.errors import InputError, MissingFileError
from radseg.files import shown
from radseg.types import Intrinsics


@dataclass(frozen=True, eq=False)
class Cameras:
    """Calibration that a folder lacks; None leaves what the folder says.

    Attributes:
        depth: of the depth camera, for images that show what its files show, scaled to their size; or its
            name (`cameras.CAMERAS`), which says too what poses mean.
        colour, depth_to_colour: of a separate colour camera, where colour is not registered to depth.
    """

    depth: Intrinsics | str | None = None
    colour: Intrinsics | None = None
    depth_to_colour: Float[Tensor, "4 4"] | None = None

    def depth_camera(self) -> DepthCamera | None:
        """Return the depth camera, looked up where it is named.

        Raises:
            InputError: there is none of that name.
        """
        if isinstance(self.depth, str):
            return known_camera(self.depth)
        return None if self.depth is None else DepthCamera(self.depth)


class Layout(NamedTuple):
    """A way of laying out a recording."""

    needs: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], FileSequence]


RECORD3D = "record3d"
"""The one layout that may be a file."""

LAYOUTS: dict[str, Layout] = {
    "replica": Layout("results/, traj.txt and ../cam_params.json", is_replica, replica_scene),
    "scannet": Layout("color/, depth/, pose/ and intrinsic/", is_scannet, scannet_scan),
    "scannetpp": Layout("dslr/ with colmap/images.txt", is_scannetpp, scannetpp_scene),
    "scannetpp-iphone": Layout(
        "rgb/, depth/ and pose_intrinsic_imu.json", is_scannetpp_iphone, scannetpp_iphone_scene
    ),
    "arkit": Layout("lowres_wide/, lowres_depth/ and lowres_wide.traj", is_arkit, arkit_scene),
    RECORD3D: Layout("an archive .r3d, or metadata and rgbd/", is_record3d, record3d_scene),
    "tum": Layout("rgb.txt, depth.txt and groundtruth.txt", is_tum, tum_sequence),
    "folder": Layout("frame-000000.color.jpg, .depth.png, .pose.txt …", is_plain_folder, plain_folder),
}
"""The layouts by name, in the order in which "auto" tries them."""


def open_sequence(
    path: str | Path,
    *,
    layout: str = "auto",
    frame_skip: int = 0,
    depth_scale: float | None = None,
    poses: Direction | None = None,
    axes: Axes | None = None,
    world: World | None = None,
    cameras: Cameras | None = None,
) -> FileSequence:
    """Return the RGB-D sequence in a folder, or in an archive of Record3D.

    Everything but the path has the layout's own convention as default; what is given replaces it.

    Args:
        layout: one of LAYOUTS, or "auto".
        frame_skip: frames left out after each one that is kept; 10 keeps 0, 11, 22 (mapping spec 1.0).
        depth_scale: units of the depth files per metre: 1000 for millimetres.
        poses: "camera-to-world" or "world-to-camera".
        axes: of the camera: "opencv" (x right, y down, z forward), "opengl" (y up, z backward) or
            "left-handed" (y up, z forward).
        world: of the poses; a "left-handed" one is mirrored.
        cameras: calibration that the folder lacks.

    Raises:
        MissingFileError: no such folder.
        InputError: no known layout, a broken camera file, or an option out of range.
    """
    folder = Path(path)
    if not folder.exists():
        raise MissingFileError(f"There is no folder {shown(folder)}.")
    readable = layout == RECORD3D or (layout == "auto" and is_record3d(folder))
    if not folder.is_dir() and not readable:
        raise InputError(f"{shown(folder)} is a file; name the folder that holds the RGB-D frames.")
    given = cameras or Cameras()
    sequence = _recognised(folder, layout, given.depth_camera())
    if depth_scale is not None:
        sequence = replace(sequence, depth=replace(sequence.depth, per_metre=depth_scale))
    reading = sequence.reading
    reading = PoseReading(poses or reading.direction, axes or reading.axes, world or reading.world)
    if given.colour is not None:
        sequence = replace(sequence, colour_intrinsics=given.colour)
    shift = sequence.depth_to_colour if given.depth_to_colour is None else given.depth_to_colour
    if shift is not None:
        shift = rigid(shift, "The shift from depth camera to colour camera")
        if sequence.colour_intrinsics is None:
            raise InputError("A shift from depth to colour camera needs the colour camera's intrinsics too.")
    return replace(sequence, reading=reading, depth_to_colour=shift).every(frame_skip)


def _recognised(folder: Path, layout: str, camera: DepthCamera | None) -> FileSequence:
    if layout == "auto":
        layout = next((name for name, known in LAYOUTS.items() if known.fits(folder)), "")
        if not layout:
            known = "; ".join(f"{name}: {entry.needs}" for name, entry in LAYOUTS.items())
            raise InputError(f"{shown(folder)} has none of the known layouts. {known}.")
    if layout not in LAYOUTS:
        raise InputError(f"There is no layout {layout!r}; choose from auto, {', '.join(LAYOUTS)}.")
    if layout == "tum":
        return tum_sequence(folder, camera=camera)
    if layout == "folder":
        return plain_folder(folder, camera=camera)
    sequence = LAYOUTS[layout].read(folder)
    if camera is None:
        return sequence
    return with_camera(sequence, camera)
