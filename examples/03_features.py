"""Encode once, ask many times; look at the features themselves."""

from PIL import Image

import radseg
from radseg.testing import draw_scene
from radseg.types import Size
from radseg.visual import pca_image

segmenter = radseg.load("toy")
image = draw_scene()
encoded = segmenter.encode(image)  # the expensive part

for prompts in ("blue sky, green grass", "red house", "yellow sun, white cloud"):
    print(segmenter.segment(encoded, prompts))

Image.fromarray(pca_image(encoded.features.values, Size(*image.shape[:2]))).save("features.png")
