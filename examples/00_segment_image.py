"""Segment one image by prompts, look at the result, save it."""

import radseg
from radseg.testing import draw_scene

segmenter = radseg.load("toy")  # colours only, no weights; "radseg-b" for photographs
result = segmenter.segment(draw_scene(), ["blue sky", "green grass", "red house", "orange car"])

print(result)
for name, share in result.areas.items():
    print(f"{name:12} {share:6.1%}  present: {result.presence_of(name):.2f}")

result.save("scene.png")  # indexed PNG, and classes.json beside it
result.save_overlay("scene.overlay.png")
