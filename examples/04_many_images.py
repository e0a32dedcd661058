"""Many images: an iterator that reads as it goes, with the answers of one at a time."""

from PIL import Image

import radseg
from radseg.testing import draw_scene

paths = []
for i, height in enumerate((240, 480, 360)):
    paths.append(f"scene-{i}.png")
    Image.fromarray(draw_scene(height, height * 4 // 3)).save(paths[-1])

segmenter = radseg.load("toy")
results = segmenter.segment_many(paths, ["blue sky", "green grass", "red house"], at_once=2)
for path, result in zip(paths, results, strict=True):
    print(path, result)
