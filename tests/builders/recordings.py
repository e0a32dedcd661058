"""A small RGB-D recording in the plain folder layout."""

from pathlib import Path

import numpy as np
from PIL import Image

FRAMES = 4
RED, BLUE = (220, 30, 30), (30, 60, 220)


def write_recording(folder: Path) -> Path:
    """Write a camera that moves 10 cm to the right per frame, 2 m before a wall that is red left of x = 0."""
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", [[60, 0, 48], [0, 60, 32], [0, 0, 1]])
    columns = np.arange(96)
    for index in range(FRAMES):
        x = (columns - 48) / 60 * 2 + 0.1 * index
        row = np.where((x < 0)[:, None], RED, BLUE).astype(np.uint8)
        stem = folder / f"frame-{index:06}"
        Image.fromarray(np.repeat(row[None], 64, 0)).save(f"{stem}.color.jpg", quality=95)
        Image.fromarray(np.full((64, 96), 2000, np.uint16)).save(f"{stem}.depth.png")
        pose = np.eye(4)
        pose[0, 3] = 0.1 * index
        np.savetxt(f"{stem}.pose.txt", pose)
    return folder
