"""The demo: a picture drawn here, words, and every kind of output, with nothing downloaded."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from radseg.runs.outputs import Segmented, files_of

if TYPE_CHECKING:
    import numpy as np

    from radseg.result import Segmentation

WORDS = ("blue sky", "white cloud", "yellow sun", "green grass", "red house", "brown roof", "orange car")
"""What the demo asks for; there is no orange car in the picture."""


class Demo(NamedTuple):
    """What the demo made, and what to say about it."""

    result: "Segmentation"
    files: tuple[Path, ...]
    about: str = "A drawn picture, the toy model (it knows colours, nothing else)"
    next_command: str = 'radseg segment photo.jpg -p "sky, grass, sheep" (fetches model and text tower once)'


def run_demo(folder: Path) -> Demo:
    """Segment the drawn picture with the toy model and write every kind of picture into `folder`."""
    from PIL import Image  # noqa: PLC0415

    from radseg.presets import load  # noqa: PLC0415

    picture = draw_scene()
    segmenter = load("toy")
    result = segmenter.segment(picture, WORDS)
    folder.mkdir(parents=True, exist_ok=True)
    scene = folder / "scene.png"
    Image.fromarray(picture).save(scene)
    written = [scene]
    segmented = Segmented(result, segmenter.encode(picture))
    for ending, write in files_of(segmented, scene, ("labels", "overlay", "heatmaps", "pca")):
        path = folder / f"scene{'.labels' if ending == '.png' else ''}{ending}"
        write(path)
        written.append(path)
    return Demo(result, tuple(written))


def draw_scene(height: int = 480, width: int = 640) -> "np.ndarray":
    """Return a drawn landscape with a house, uint8 H×W×3, the same every time; colours vary as light does."""
    import numpy as np  # noqa: PLC0415
    from PIL import Image, ImageDraw  # noqa: PLC0415

    y, x = np.mgrid[0:height, 0:width] / height
    sky = np.stack([70 - 40 * (1 - y), 100 - 40 * (1 - y), 225 - 10 * y], axis=-1)
    hill = y > 0.62 + 0.07 * np.sin(3.1 * x)
    grass = np.stack([45 - 20 * y, 185 - 40 * y, 70 - 30 * y], axis=-1)
    picture = Image.fromarray(np.where(hill[..., None], grass, sky).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for left, top, size in ((80, 80, 46), (120, 60, 60), (170, 84, 44)):
        draw.ellipse((left, top, left + 2 * size, top + size), fill=(246, 246, 250))
    draw.ellipse((500, 40, 590, 130), fill=(243, 222, 44))
    draw.rectangle((350, 250, 540, 400), fill=(214, 38, 36))
    draw.polygon([(325, 255), (565, 255), (445, 165)], fill=(122, 76, 38))
    noise = np.random.default_rng(0).normal(0, 4, (height, width, 1))
    return np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
