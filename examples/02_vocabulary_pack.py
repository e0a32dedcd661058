"""Embed prompts once, carry them to a machine without a text tower."""

import radseg
from radseg.testing import draw_scene
from radseg.text.pack import VocabularyPack, save_pack

segmenter = radseg.load("toy")
vocabulary = radseg.Vocabulary.parse([["red house", "brown house"], "green grass"])  # a name and its synonym

encoder = segmenter.text_encoder
save_pack("house.safetensors", VocabularyPack(*encoder.embed_with_contrast(vocabulary), "none"))

pack = radseg.load_pack("house.safetensors")
print(segmenter.segment(draw_scene(), pack))
