"""The miniature world: small furnished rooms, ray-traced in numpy, with exact labels, depth and poses."""

from radseg.miniature.world.cameras import captions, free_camera, sequence, sequence_cameras
from radseg.miniature.world.names import held_out_names, structure_names, training_names
from radseg.miniature.world.render import View, render, render_smooth
from radseg.miniature.world.scene import (
    FIRST_OBJECT,
    Camera,
    Room,
    SceneObject,
    Split,
    make_room,
    pose_towards,
)

__all__ = [
    "FIRST_OBJECT",
    "Camera",
    "Room",
    "SceneObject",
    "Split",
    "View",
    "captions",
    "free_camera",
    "held_out_names",
    "make_room",
    "pose_towards",
    "render",
    "render_smooth",
    "sequence",
    "sequence_cameras",
    "structure_names",
    "training_names",
]
