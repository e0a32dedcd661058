"""RADSeg as a source of FiftyOne's model zoo: semantic segmentation and detections for names that you give.

    import fiftyone.zoo as foz

    foz.register_zoo_model_source(ADDRESS_OF_THIS_FOLDER)
    model = foz.load_zoo_model("radseg/radseg-b", prompts="car, road, traffic light")
    dataset.apply_model(model, label_field="radseg")

That fills `radseg_segmentation`, whose values are `model.mask_targets`, and `radseg_detections`. The source
is called `radseg_models`, because FiftyOne imports this folder under that name, and `radseg` is taken.
"""

from pathlib import Path
from typing import Any

import numpy as np

import fiftyone.core.labels as fol
import fiftyone.core.models as fom
import radseg
from fiftyone.operators import types
from radseg.modes import MODES
from radseg.objects import ImageObject
from radseg.presets.load import ensure
from radseg.presets.spec import model_spec
from radseg.text.pack import VocabularyPack


class RadsegModel(fom.Model):
    """One model with its names.

    Args:
        preset: a preset of `radseg models list`.
        prompts: names: "a, b, c", or a list.
        mode: "background" lets a pixel be none of the names, "assign" gives it one.
        **choices: what `radseg.load` takes, such as `device`.
    """

    media_type = "image"
    ragged_batches = True
    transforms = None
    preprocess = False

    def __init__(self, preset: str, prompts: Any, mode: str = "background", **choices: Any) -> None:
        self._mode = mode
        self._segmenter = radseg.load(preset, **choices).with_objects()
        vocabulary = radseg.Vocabulary.parse(prompts)
        self._pack = VocabularyPack(*self._segmenter.embed(vocabulary, mode=mode))
        self.mask_targets = dict(enumerate(vocabulary.names, start=1))

    def predict(self, arg: np.ndarray) -> dict[str, Any]:
        """Return the labels of one image, uint8 H×W×3."""
        result = self._segmenter.segment(arg, self._pack, mode=self._mode)
        return {
            "segmentation": fol.Segmentation(mask=result.labels),
            "detections": fol.Detections(detections=[_detection(one) for one in result.objects()]),
        }


def _detection(one: ImageObject) -> fol.Detection:
    (x0, y0, x1, y1), (height, width) = one.box, one.size
    box = [x0 / width, y0 / height, (x1 - x0) / width, (y1 - y0) / height]
    return fol.Detection(label=one.name, bounding_box=box, mask=one.crop, confidence=one.score)


def download_model(model_name: str, model_path: str) -> None:
    """Fetch the weights into radseg's own store, and note that at `model_path`."""
    preset = model_name.rpartition("/")[2]
    ensure(model_spec(preset))
    Path(model_path).write_text(f"The weights of {preset} are in the store of radseg: radseg models list\n")


def load_model(model_name: str, model_path: str, prompts: Any, **choices: Any) -> RadsegModel:
    """Return the model; see RadsegModel for what it takes."""
    return RadsegModel(model_name.rpartition("/")[2], prompts, **choices)


def resolve_input(model_name: str, ctx: Any) -> types.Property:
    """Return what FiftyOne's App asks for before the model is applied."""
    inputs = types.Object()
    inputs.str("prompts", label="Names", description="Comma separated", required=True)
    inputs.enum("mode", MODES[:2][::-1], default="background", label="How names compete")
    return types.Property(inputs)
