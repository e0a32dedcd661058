"""What if nothing matches? The same image and words in the three modes."""

import radseg
from radseg.testing import draw_scene

segmenter = radseg.load("toy")
image, words = draw_scene(), ["red house", "orange car"]

for mode in ("assign", "background", "independent"):
    result = segmenter.segment(image, words, mode=mode)
    none = (result.labels == 0).mean()
    print(f"{mode:12} orange car {result.areas['orange car']:6.1%}  none {none:6.1%}")
# assign forces the sky into one of the two words; the other modes leave it alone.
