"""Encode once, ask many times; look at the features themselves."""

from PIL import Image

import radseg
from radseg.testing import draw_scene
from radseg.types import Size
from radseg.visual import pca_picture

segmenter = radseg.load("toy")
picture = draw_scene()
features = segmenter.encode(picture)  # the expensive part

size = Size(*picture.shape[:2])
for words in ("blue sky, green grass", "red house", "yellow sun, white cloud"):
    text, contrast = segmenter.embed(words, mode="background")
    print(segmenter.finish(features, size, text, contrast, mode="background"))

Image.fromarray(pca_picture(features.values, size)).save("features.png")
