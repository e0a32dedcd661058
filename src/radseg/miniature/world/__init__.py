"""The miniature world: small furnished rooms, ray-traced in numpy, with exact labels, depth and poses."""

from radseg.miniature.world.cameras import captions, free_camera, sequence, sequence_cameras, thing_camera
from radseg.miniature.world.names import held_out_names, structure_names, training_names, words
from radseg.miniature.world.render import View, render, render_smooth
from radseg.miniature.world.scene import FIRST_THING, Camera, Room, Split, Thing, look_at, make_room

__all__ = [
    "FIRST_THING",
    "Camera",
    "Room",
    "Split",
    "Thing",
    "View",
    "captions",
    "free_camera",
    "held_out_names",
    "look_at",
    "make_room",
    "render",
    "render_smooth",
    "sequence",
    "sequence_cameras",
    "structure_names",
    "thing_camera",
    "training_names",
    "words",
]
