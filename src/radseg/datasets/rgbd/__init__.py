"""Posed RGB-D images: one reader per folder layout, and a check of their conventions."""

from radseg.datasets.rgbd.base import FileSequence, RgbdSequence
from radseg.datasets.rgbd.cameras import CAMERAS
from radseg.datasets.rgbd.conventions import ConventionReport, check_conventions
from radseg.datasets.rgbd.files import PoseReading
from radseg.datasets.rgbd.folder import with_colour_camera
from radseg.datasets.rgbd.layouts import LAYOUTS, Cameras, open_sequence
from radseg.datasets.rgbd.sized import Sized

__all__ = [
    "CAMERAS",
    "LAYOUTS",
    "Cameras",
    "ConventionReport",
    "FileSequence",
    "PoseReading",
    "RgbdSequence",
    "Sized",
    "check_conventions",
    "open_sequence",
    "with_colour_camera",
]
