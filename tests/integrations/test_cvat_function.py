"""The function file for CVAT, loaded as cvat-cli loads it, judged by the checks of CVAT's SDK."""

import logging
from collections.abc import Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import cv2
import cvat_sdk.auto_annotation as cvataa
import numpy as np
import pytest
from cvat_sdk import models
from cvat_sdk.auto_annotation import driver
from cvat_sdk.masks import decode_mask
from PIL import Image

FILE = Path(__file__).resolve().parents[2] / "integrations/cvat/radseg_function.py"
HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def function() -> Any:
    description = spec_from_file_location("radseg_function", FILE)
    assert description is not None
    assert description.loader is not None
    module = module_from_spec(description)
    description.loader.exec_module(module)
    return module.create(prompts="red, blue, green", model="toy", device="cpu")


@pytest.fixture
def image() -> Image.Image:
    whole = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))
    whole.paste((255, 0, 0), (0, 0, 48, HEIGHT))
    return whole


def sent(function: Any, image: Image.Image, **context: Any) -> Sequence[models.LabeledShapeRequest]:
    """Return the shapes for frame 3 of a task whose labels 100, 101, … are of any type."""
    labels = [
        models.Label(id=100 + number, name=label.name, type="any", attributes=[], sublabels=[])
        for number, label in enumerate(function.spec.labels)
    ]
    mapper = driver._AnnotationMapper(
        logging.getLogger(),
        function.spec.labels,
        labels,
        allow_unmatched_labels=False,
        conv_mask_to_poly=context.get("conv_mask_to_poly", False),
    )
    made = driver._DetectionFunctionContextImpl(frame_name="a.png", **context)
    _, shapes = mapper.validate_and_remap(function.detect(made, image), 3)
    return shapes


def halves() -> dict[int, np.ndarray]:
    left = np.zeros((HEIGHT, WIDTH), bool)
    left[:, :48] = True
    return {100: left, 101: ~left}


def test_labels_are_masks_of_the_prompts(function: Any) -> None:
    assert isinstance(function.spec, cvataa.DetectionFunctionSpec)
    assert [(one.name, one.type) for one in function.spec.labels] == [
        ("red", "mask"),
        ("blue", "mask"),
        ("green", "mask"),
    ]


def test_cvat_takes_the_masks_of_the_objects(function: Any, image: Image.Image) -> None:
    shapes = sent(function, image)
    masks = {one.label_id: decode_mask(one.points, image_width=WIDTH, image_height=HEIGHT) for one in shapes}
    assert set(masks) == {100, 101}
    assert all(np.array_equal(masks[label], mask) for label, mask in halves().items())
    assert {one.frame for one in shapes} == {3}


def test_cvat_gets_polygons_where_it_wants_them(function: Any, image: Image.Image) -> None:
    shapes = sent(function, image, conv_mask_to_poly=True)
    assert {one.label_id for one in shapes} == {100, 101}
    for one in shapes:
        filled = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(filled, [np.array(one.points).reshape(-1, 2).astype(np.int32)], 1)
        assert np.array_equal(filled.astype(bool), halves()[one.label_id])


def test_objects_less_sure_than_wanted_are_left_out(function: Any, image: Image.Image) -> None:
    assert not sent(function, image, conf_threshold=1.0)
