"""RADSeg as an auto-annotation function of CVAT: masks for the names that you type.

    pip install radseg "cvat-sdk[masks]" cvat-cli
    cvat-cli task auto-annotate 137 --function-file radseg_function.py \\
        -p prompts=str:"car, road, traffic light" -p model=str:radseg-b

The task needs labels of these names. A mask is an object: of SAM with a model that ends in +, else a
connected part of at least 900 pixels.
"""

import cvat_sdk.auto_annotation as cvataa
import PIL.Image
from cvat_sdk.masks import encode_mask
from cvat_sdk.models import LabeledShapeRequest

import radseg
from radseg.io.formats.yolo import polygons
from radseg.objects import ImageObject
from radseg.text.pack import VocabularyPack


class RadsegFunction:
    """Finds objects by name.

    Args:
        prompts: names, comma separated.
        model: a preset of `radseg models list`.
        device: such as "cpu" or "cuda"; "auto" chooses.
    """

    def __init__(self, prompts: str, model: str = "radseg-b", device: str = "auto") -> None:
        self._segmenter = radseg.load(model, device=device).with_objects()
        vocabulary = radseg.Vocabulary.parse(prompts)
        self._pack = VocabularyPack(*self._segmenter.embed(vocabulary, mode="background"))
        self._labels = [
            cvataa.label_spec(name, number, type="mask") for number, name in enumerate(vocabulary.names)
        ]

    @property
    def spec(self) -> cvataa.DetectionFunctionSpec:
        """The labels that it knows."""
        return cvataa.DetectionFunctionSpec(labels=self._labels)

    def detect(
        self, context: cvataa.DetectionFunctionContext, image: PIL.Image.Image
    ) -> list[LabeledShapeRequest]:
        """Return the objects of one image, best first, as masks or, if CVAT wants that, as polygons."""
        result = self._segmenter.segment(image, self._pack)
        surest = context.conf_threshold or 0.0
        found = [one for one in result.objects() if one.score >= surest]
        if context.conv_mask_to_poly:
            return [shape for one in found for shape in _polygons(one)]
        return [cvataa.mask(one.label - 1, encode_mask(one.mask, one.box)) for one in found]


def _polygons(one: ImageObject) -> list[LabeledShapeRequest]:
    rings = (ring + one.box[:2] + 0.5 for ring in polygons(one.crop))  # centres of pixels
    return [cvataa.polygon(one.label - 1, ring.ravel().tolist()) for ring in rings]


create = RadsegFunction
