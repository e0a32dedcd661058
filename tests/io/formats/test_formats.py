"""Other tools read our results: each export is judged by the library it is made for."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radseg.io.formats.classes import json_bytes
from radseg.result import Segmentation

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools

LABELS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=16), elements=st.integers(0, 3)
)


def result_of(labels: np.ndarray) -> Segmentation:
    return Segmentation(
        names=("sky", "road", "car"),
        labels=labels,
        confidence=np.linspace(0, 1, labels.size, dtype=np.float32).reshape(labels.shape),
        scores=torch.full((3, 1, 1), 0.5),
        mode="assign",
    )


@given(LABELS)
def test_coco_run_lengths_decode_to_the_masks(labels: np.ndarray) -> None:
    codec = pytest.importorskip("pycocotools.mask")
    data = json.loads(json.dumps(result_of(labels).to_coco()))
    decoded = np.zeros_like(labels)
    for one in data["annotations"]:
        mask = codec.decode(one["segmentation"]).astype(bool)
        assert one["area"] == mask.sum()
        decoded[mask] = one["category_id"]
    assert np.array_equal(decoded, labels)


def test_coco_is_read_by_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    labels = np.array([[0, 1, 1], [0, 3, 3]], dtype=np.uint8)
    library: Any = coco.COCO()
    library.dataset = result_of(labels).to_coco(image_id=7, file_name="street.jpg")
    library.createIndex()
    assert {library.cats[one]["name"] for one in library.getCatIds()} == {"sky", "road", "car"}
    first, second = library.loadAnns(library.getAnnIds(imgIds=[7]))
    assert first["bbox"] == [1, 0, 2, 1]
    assert np.array_equal(library.annToMask(second), labels == 3)
    assert library.imgs[7]["file_name"] == "street.jpg"


def test_scores_are_the_mean_confidence_inside_the_mask() -> None:
    result = result_of(np.array([[1, 1, 2, 0]], dtype=np.uint8))
    scores = [one["score"] for one in result.to_transformers()]
    assert scores == pytest.approx([1 / 6, 2 / 3])


@given(LABELS)
def test_supervision_agrees_on_boxes_and_areas(labels: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it recommends OpenCV
        library = pytest.importorskip("supervision")
    detections = result_of(labels).to_supervision()
    present = [label for label in (1, 2, 3) if (labels == label).any()]
    assert detections.class_id.tolist() == [label - 1 for label in present]
    assert len(detections) == len(present)
    if present:
        assert np.array_equal(detections.mask, np.stack([labels == label for label in present]))
        assert np.array_equal(detections.xyxy, library.mask_to_xyxy(detections.mask))
        assert detections.data["class_name"].tolist() == [("sky", "road", "car")[n - 1] for n in present]


def test_transformers_entries_have_the_keys_and_masks_of_its_pipeline() -> None:
    labels = np.array([[0, 1], [3, 3]], dtype=np.uint8)
    entries = result_of(labels).to_transformers()
    assert [one["label"] for one in entries] == ["sky", "car"]
    assert all(set(one) == {"score", "label", "mask"} for one in entries)
    mask = entries[1]["mask"]
    assert (mask.mode, mask.size) == ("L", (2, 2))
    assert np.array_equal(np.asarray(mask), (labels == 3) * np.uint8(255))


def test_transformers_segments_name_every_value_of_the_map() -> None:
    labels = np.array([[0, 1], [3, 3]], dtype=np.uint8)
    segments = result_of(labels).to_transformers_segments()
    assert segments["segmentation"].dtype == torch.int64
    assert segments["segmentation"].tolist() == labels.tolist()
    assert [(one["id"], one["label"]) for one in segments["segments_info"]] == [(1, "sky"), (3, "car")]


def test_independent_masks_are_exported_with_their_overlap() -> None:
    result = Segmentation(
        names=("sky", "cloud"),
        labels=np.ones((2, 2), np.uint8),
        confidence=np.full((2, 2), 0.9, np.float32),
        scores=torch.tensor([[[0.9]], [[0.6]]]),
        mode="independent",
        threshold=0.5,
    )
    assert [one["area"] for one in result.to_coco()["annotations"]] == [4, 4]
    assert [round(one["score"], 2) for one in result.to_coco()["annotations"]] == [0.9, 0.6]


def test_json_takes_numpy_torch_and_paths() -> None:
    values = {"a": np.float32(0.5), "b": torch.tensor([1, 2]), "c": np.arange(2), "d": Path("x")}
    assert json.loads(json_bytes(values))["b"] == [1, 2]
    assert json.loads(json_bytes({"name": "\ud800 車"}))["name"].endswith("車")
