"""A sequence whose images have the sizes of an evaluation protocol (mapping spec 1.0)."""

from dataclasses import dataclass, replace

from radseg.datasets.rgbd.base import RgbdSequence
from radseg.ops.resize import resize_antialiased, resize_nearest
from radseg.types import Frame, Size


@dataclass(frozen=True)
class Sized:
    """RgbdSequence that resizes what another one reads; each axis on its own, as RayFronts does.

    Attributes:
        colour: size of the colour image and of the labels; None keeps theirs.
        depth: size of the depth; None keeps its own. The intrinsics follow without half-pixel shift.
    """

    sequence: RgbdSequence
    colour: Size | None = None
    depth: Size | None = None

    def __len__(self) -> int:
        return len(self.sequence)

    def frame_ids(self) -> tuple[str, ...]:
        """Return the names of the frames."""
        return self.sequence.frame_ids()

    def read(self, frame_id: str) -> Frame:
        """Return one frame at the wanted sizes.

        Raises:
            ImageError, InputError: as the sequence.
        """
        frame = self.sequence.read(frame_id)
        if self.colour is not None:
            camera = frame.colour_intrinsics
            frame = replace(
                frame,
                rgb=resize_antialiased(frame.rgb, self.colour),
                semantics=None if frame.semantics is None else resize_nearest(frame.semantics, self.colour),
                colour_intrinsics=None if camera is None else camera.resized(self.colour),
            )
        if self.depth is not None:
            frame = replace(
                frame,
                depth=resize_nearest(frame.depth, self.depth),
                intrinsics=frame.intrinsics.resized(self.depth),
            )
        return frame
