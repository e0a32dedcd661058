"""Encode once, ask many times; look at the features themselves."""

from PIL import Image

import radseg
from radseg.testing import draw_scene
from radseg.types import Size
from radseg.visual import pca_image

segmenter = radseg.load("toy")
image = draw_scene()
features = segmenter.encode(image)  # the expensive part

size = Size(*image.shape[:2])
for prompts in ("blue sky, green grass", "red house", "yellow sun, white cloud"):
    text, contrast = segmenter.embed(prompts, mode="background")
    print(segmenter.decode(features, size, text, contrast, mode="background"))

Image.fromarray(pca_image(features.values, size)).save("features.png")
