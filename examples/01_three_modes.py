"""What if nothing matches? The same image and prompts in the three modes."""

import radseg
from radseg.testing import draw_scene

segmenter = radseg.load("toy")
image, prompts = draw_scene(), ["red house", "orange car"]

for mode in ("assign", "background", "independent"):
    result = segmenter.segment(image, prompts, mode=mode)
    none = (result.labels == 0).mean()
    print(f"{mode:12} orange car {result.areas['orange car']:6.1%}  none {none:6.1%}")
# assign forces the sky into one of the two names; the other modes leave it alone.
