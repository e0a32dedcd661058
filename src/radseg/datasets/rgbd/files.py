"""What RGB-D folders are made of: matrices in text files, depth images, and what their numbers mean."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from radseg.datasets.rgbd.depth_files import DEPTH_MODES, Numbers, depth_header, depth_numbers
from radseg.errors import ImageError, InputError
from radseg.files import bytes_of, open_regular, shown, text_of
from radseg.types import Intrinsics, Size

Direction = Literal["camera-to-world", "world-to-camera"]
Axes = Literal["opencv", "opengl", "left-handed"]
World = Literal["right-handed", "left-handed"]


@dataclass(frozen=True)
class PoseReading:
    """What the 4 × 4 numbers of a pose mean.

    Attributes:
        direction: whether the matrix moves points from the camera to the world or back.
        axes: of the camera: "opencv" x right, y down, z forward; "opengl" x right, y up, z backward (ARKit,
            Blender and nerfstudio use these); "left-handed" x right, y up, z forward (Unity, POV-Ray).
        world: a left-handed one is mirrored in its y axis, so that what is mapped is no mirror image.
    """

    direction: Direction = "camera-to-world"
    axes: Axes = "opencv"
    world: World = "right-handed"

    def __post_init__(self) -> None:
        given = (
            ("poses", self.direction, Direction),
            ("axes", self.axes, Axes),
            ("world", self.world, World),
        )
        for name, value, choices in given:
            if value not in get_args(choices):
                raise InputError(f"{name} is {value!r}; choose from {', '.join(get_args(choices))}.")

    @property
    def mirrors(self) -> bool:
        """Whether the files' matrices have determinant -1: either camera or world is left-handed."""
        return (self.axes == "left-handed") != (self.world == "left-handed")

    def to_camera_to_world(self, matrix: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
        """Return the camera-to-world matrix with OpenCV axes; float64."""
        pose = matrix.to(torch.float64)
        if self.direction == "world-to-camera":
            pose = inverse_pose(pose)
        return self._flipped(pose)

    def to_file(self, camera_to_world: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
        """Return the matrix that `to_camera_to_world` turns into `camera_to_world`."""
        pose = self._flipped(camera_to_world)
        return inverse_pose(pose) if self.direction == "world-to-camera" else pose

    def _flipped(self, pose: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
        """Return a camera-to-world matrix from the file's axes to ours; every flip is its own inverse."""
        if self.axes != "opencv":
            pose = pose @ (AXIS_FLIP if self.axes == "opengl" else MIRROR)
        return MIRROR @ pose if self.world == "left-handed" else pose


AXIS_FLIP = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))
"""Turns OpenGL camera axes into OpenCV ones, and back."""

MIRROR = torch.diag(torch.tensor([1.0, -1.0, 1.0, 1.0], dtype=torch.float64))
"""Turns a left-handed frame into a right-handed one by its y axis, and back."""


def inverse_pose(pose: Float[Tensor, "4 4"]) -> Float[Tensor, "4 4"]:
    """Return the inverse of a pose; a matrix that has none gives NaN, which `rigid` refuses."""
    inverse, trouble = torch.linalg.inv_ex(pose)
    return inverse if int(trouble) == 0 else torch.full_like(pose, math.nan)


@dataclass(frozen=True)
class DepthFormat:
    """How the numbers of a depth file become metres along the optical axis.

    Attributes:
        per_metre: units per metre: 1000 for millimetres, 5000 in TUM RGB-D, 6553.5 in Replica.
        invalid: numbers that stand for "unknown"; they become NaN.
        limit: metres beyond which depth becomes infinite, that is, is dropped; None keeps all.
        numbers: of the files; one of the other kind is refused, since its unit would be another.
    """

    per_metre: float = 1000.0
    invalid: tuple[int, ...] = (0,)
    limit: float | None = None
    numbers: Numbers = "integer"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_metre) and self.per_metre > 0):
            raise InputError(
                f"Depth has {self.per_metre} units per metre; it must be positive: 1000 for millimetres."
            )
        if self.limit is not None and not self.limit > 0:
            raise InputError(f"The depth limit is {self.limit} m; it must be above 0.")

    def read(self, path: Path, size: Size) -> Float[Tensor, "H W"]:
        """Return the depth in a PNG, PGM, TIFF or NPY file, metres, NaN where unknown.

        Raises:
            ImageError: missing, damaged, cut short, 8 bits, several channels, or not of `size`.
        """
        try:
            self._require_fitting(path, size)
            values = depth_numbers(path)
        except (RecursionError, MemoryError):
            raise
        except ImageError:
            raise
        except InputError as error:
            raise ImageError(str(error)) from error
        except FileNotFoundError as error:
            raise ImageError(f"There is no depth image {shown(path)}.") from error
        except Exception as error:  # Pillow's decoders raise whatever a damaged file provokes
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            raise ImageError(
                f"The depth image {shown(path)} is damaged or cut short ({reason}); copy it again."
            ) from error
        return self.metres(values)

    def metres(self, values: np.ndarray) -> Float[Tensor, "H W"]:
        """Return the numbers of a depth file as metres, NaN where unknown or below 0."""
        metres = torch.from_numpy(values.astype(np.float32)) / self.per_metre
        metres[torch.from_numpy(np.isin(values, self.invalid)) | (metres < 0)] = math.nan
        if self.limit is not None:
            metres[metres > self.limit] = math.inf
        return metres

    def _require_fitting(self, path: Path, size: Size) -> None:
        found, numbers = depth_header(path)
        if found != size:
            raise ImageError(
                f"The depth image {shown(path)} is {found} pixels, but its camera is calibrated "
                f"for {size}; the intrinsics belong to another size, or the file to another camera."
            )
        if numbers != self.numbers:
            raise ImageError(
                f"The depth file {shown(path)} holds {numbers} numbers, the recording's first {self.numbers} "
                "ones: the unit would change. Export all frames alike."
            )


def is_depth(path: Path) -> bool | None:
    """Say whether a PNG or JPEG has one channel of 16 bits; None where it cannot be read."""
    try:
        with open_regular(path, most=None) as stream, Image.open(stream, formats=("PNG", "JPEG")) as image:
            return image.mode in DEPTH_MODES
    except Exception:  # whatever is wrong with it is said when it is read as a frame
        return None


def read_image_size(path: Path) -> Size:
    """Return the size in the header of a PNG or JPEG.

    Raises:
        ImageError: not an image, or no such file.
    """
    try:
        with open_regular(path, most=None) as stream, Image.open(stream, formats=("PNG", "JPEG")) as image:
            return Size(image.height, image.width)
    except Exception as error:
        raise ImageError(f"{shown(path)} is not an image whose size can be read: {error}.") from error


def rigid(pose: Float[Tensor, "4 4"], what: str) -> Float[Tensor, "4 4"]:
    """Return `pose` if it is one.

    Raises:
        InputError: not finite (lost tracking), not a rotation, mirrored, or with a wrong last row.
    """
    if not bool(torch.isfinite(pose).all()):
        raise InputError(f"{what} is not finite: tracking was lost there. The frame cannot be placed.")
    rotation = pose[:3, :3]
    # 1e-2: poses of real recordings are orthonormal to about 5e-4 (7-Scenes), never to 1e-2.
    off = float((rotation.T @ rotation - torch.eye(3, dtype=pose.dtype)).abs().max())
    if off > 1e-2:
        raise InputError(
            f"{what} is no rotation and shift: its axes are {off:.3g} off perpendicular unit vectors. "
            "A scale in the matrix, or another order of the numbers?"
        )
    if float(torch.linalg.det(rotation)) < 0:
        raise InputError(
            f"{what} mirrors the world (its determinant is -1): either the camera's axes or the world's are "
            "left-handed. Say which: --axes left-handed or --world left-handed."
        )
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=pose.dtype)
    if float((pose[3] - last).abs().max()) > 1e-4:
        raise InputError(f"{what} ends in {pose[3].tolist()}, not 0 0 0 1; transposed (column-major)?")
    return pose


def read_text(path: Path) -> str:
    """Return a text file; a byte-order mark is left out.

    Raises:
        InputError: missing, not a regular file, too large, or not text.
    """
    try:
        return text_of(bytes_of(path))
    except FileNotFoundError as error:
        raise InputError(f"There is no file {shown(path)}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not text.") from error
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or error}.") from error


def read_matrix(path: Path, rows: int, columns: int) -> Float[Tensor, "rows columns"]:
    """Return a matrix of numbers separated by blanks or commas; float64, possibly not finite.

    Raises:
        InputError: missing, not numbers, or another count of them.
    """
    numbers = _numbers(path)
    if len(numbers) != rows * columns:
        raise InputError(f"{shown(path)} holds {len(numbers)} numbers; {rows}×{columns} are needed.")
    return torch.tensor(numbers, dtype=torch.float64).reshape(rows, columns)


def _numbers(path: Path) -> list[float]:
    try:
        return [float(word) for word in read_text(path).replace(",", " ").split()]
    except ValueError as error:
        raise InputError(f"{shown(path)} holds something that is no number: {error}.") from error


def read_pose(path: Path) -> Float[Tensor, "4 4"]:
    """Return the matrix of a pose file, 4 × 4 or its upper 3 × 4; float64, possibly not finite.

    Raises:
        InputError: missing, not numbers, or another count of them.
    """
    numbers = _numbers(path)
    if len(numbers) == 12:
        numbers += [0.0, 0.0, 0.0, 1.0]
    if len(numbers) != 16:
        raise InputError(f"{shown(path)} holds {len(numbers)} numbers; a pose has 4×4 or 3×4.")
    return torch.tensor(numbers, dtype=torch.float64).reshape(4, 4)


def read_intrinsics(path: Path, size: Size) -> Intrinsics:
    """Return the pinhole camera of a file, at the size of the images; see `camera_numbers`.

    Raises:
        InputError: missing, not finite, or no camera of such images.
    """
    numbers, own = camera_numbers(path, size)
    return intrinsics_of(numbers, own, size, shown(path))


def camera_numbers(path: Path, size: Size) -> tuple[tuple[float, float, float, float], Size]:
    """Return fx, fy, cx, cy of a file and the size of the images that they are of.

    The file holds a 3 × 3 or 4 × 4 matrix, or fx fy cx cy, all for images of `size`; or fx fy cx cy width
    height, for images of that size.

    Raises:
        InputError: missing, or another count of numbers.
    """
    numbers = _numbers(path)
    if len(numbers) not in (4, 6, 9, 16):
        raise InputError(
            f"{shown(path)} holds {len(numbers)} numbers; 3×3, 4×4 or fx fy cx cy are needed, "
            "or fx fy cx cy width height."
        )
    if len(numbers) == 6:
        try:
            return (*numbers[:4],), Size(int(numbers[5]), int(numbers[4]))  # type: ignore[return-value]
        except (ValueError, OverflowError) as error:
            raise InputError(f"{shown(path)} has a width or height that is no whole number.") from error
    side = 4 if len(numbers) == 16 else 3
    fx, fy, cx, cy = numbers if len(numbers) == 4 else (numbers[i] for i in (0, side + 1, 2, side + 2))
    if cx > size.width or cy > size.height:
        raise InputError(
            f"{shown(path)} has its middle at column {cx:g}, row {cy:g}, outside of the {size} images: these "
            "numbers are of another size. Write them as fx fy cx cy width height, with that size."
        )
    return (fx, fy, cx, cy), size


def intrinsics_of(numbers: tuple[float, float, float, float], own: Size, size: Size, what: str) -> Intrinsics:
    """Return the camera that has fx, fy, cx, cy in images of size `own`, for those of `size`.

    Raises:
        InputError: not finite, not positive, or images of another shape.
    """
    try:
        return at_size(Intrinsics(*numbers, own), size)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def at_size(camera: Intrinsics, size: Size) -> Intrinsics:
    """Return a camera for images of another size that show the same.

    Raises:
        InputError: their shape differs.
    """
    if camera.size == size:
        return camera
    # 2 %: 1296 × 968 and 640 × 480 show the same and differ by 0.4; a crop from 4:3 to 3:2 differs by 12.
    across, down = size.width * camera.size.height, size.height * camera.size.width
    if not all(1 <= side < 2**20 for side in camera.size) or abs(across / down - 1) > 0.02:
        raise InputError(
            f"The camera is calibrated for {camera.size} images, and these are {size}, of another shape: "
            "they cannot show the same. Give the numbers for these images."
        )
    return camera.resized(size)


def pinhole(
    numbers: Mapping[str, Any], names: tuple[str, str, str, str], size: Size, file: Path
) -> Intrinsics:
    """Return the camera whose fx, fy, cx, cy stand in `numbers` under `names`.

    Raises:
        InputError: one is missing or not finite.
    """
    try:
        fx, fy, cx, cy = (float(numbers[name]) for name in names)
        return Intrinsics(fx, fy, cx, cy, size)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{shown(file)} needs {', '.join(names)} as finite numbers: {error}.") from error


def pose_of_quaternion(quaternion: Sequence[float], shift: Sequence[float]) -> Float[Tensor, "4 4"]:
    """Return the matrix of a rotation (w, x, y, z; any length but 0) and a shift; NaN where not finite."""
    q = torch.tensor(quaternion, dtype=torch.float64)
    w, x, y, z = (q / q.norm()).tolist()  # 0/0 is NaN, which `rigid` refuses
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), shift[0]),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), shift[1]),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), shift[2]),
        (0.0, 0.0, 0.0, 1.0),
    )
    return torch.tensor(rows, dtype=torch.float64)
