"""COCO panoptic in its own layout: ids in colours, classes in a JSON, void and crowds."""

import json

import numpy as np
import pytest
from PIL import Image
from trees import write_photo

from radseg.datasets.base import IGNORE
from radseg.datasets.coco_panoptic import open_coco_panoptic
from radseg.errors import ImageError, InputError, MissingFileError

CATEGORIES = [
    {"id": 200, "name": "rug-merged", "isthing": 0, "supercategory": "textile"},
    {"id": 1, "name": "person", "isthing": 1, "supercategory": "person"},
    {"id": 199, "name": "wall-other-merged", "isthing": 0, "supercategory": "wall"},
    {"id": 175, "name": "wall-brick", "isthing": 0, "supercategory": "wall"},
]
IDS = [[0, 0, 3_000_007, 3_000_007], [256, 256, 256, 65_535]]
SEGMENTS = [
    {"id": 256, "category_id": 199, "iscrowd": 0, "area": 3, "bbox": [0, 1, 3, 1]},
    {"id": 3_000_007, "category_id": 1, "iscrowd": 0, "area": 2, "bbox": [2, 0, 2, 1]},
    {"id": 65_535, "category_id": 1, "iscrowd": 1, "area": 1, "bbox": [3, 1, 1, 1]},
]


def write_coco(root, ids=IDS, segments=SEGMENTS):
    folder = root / "annotations" / "panoptic_val2017"
    folder.mkdir(parents=True)
    values = np.array(ids)
    colours = np.stack([values % 256, values // 256 % 256, values // 256**2], 2).astype(np.uint8)
    Image.fromarray(colours).save(folder / "000000000139.png")
    write_photo(root / "val2017/000000000139.jpg", size=(2, 4))
    entry = {"image_id": 139, "file_name": "000000000139.png", "segments_info": segments}
    content = {"images": [], "annotations": [entry], "categories": CATEGORIES}
    folder.with_suffix(".json").write_text(json.dumps(content))
    return root


def test_segments_and_classes_follow_the_json(tmp_path):
    images = open_coco_panoptic(write_coco(tmp_path))
    assert images.names == ("person", "wall brick", "wall", "rug")
    assert images.stuff == (False, True, True, True)
    example = images.read(*images.ids)
    assert example.segments.ids.tolist() == [[0, 0, 2, 2], [1, 1, 1, 3]]
    assert example.segments.labels.tolist() == [2, 0, 0]
    assert example.segments.crowd.tolist() == [False, False, True]
    assert example.truth.tolist() == [[IGNORE, IGNORE, 0, 0], [2, 2, 2, 0]]


def test_a_segment_that_the_json_lacks_is_named(tmp_path):
    images = open_coco_panoptic(write_coco(tmp_path, segments=SEGMENTS[1:]))
    with pytest.raises(ImageError, match=r"holds the segments \[256\]"):
        images.read("000000000139")


def test_a_category_that_does_not_exist_is_named(tmp_path):
    strange = [SEGMENTS[0] | {"category_id": 9}, *SEGMENTS[1:]]
    with pytest.raises(ImageError, match="category 9"):
        open_coco_panoptic(write_coco(tmp_path, segments=strange)).read("000000000139")


def test_labels_of_another_size_are_refused(tmp_path):
    images = open_coco_panoptic(write_coco(tmp_path))
    write_photo(tmp_path / "val2017/000000000139.jpg", size=(3, 4))
    with pytest.raises(ImageError, match="2×4 pixels, its image 3×4"):
        images.read("000000000139")


def test_a_folder_without_the_set_says_what_is_missing(tmp_path):
    with pytest.raises(MissingFileError, match="panoptic_val2017.json"):
        open_coco_panoptic(tmp_path)
    with pytest.raises(InputError, match="--data"):
        open_coco_panoptic(None)


@pytest.mark.parametrize(
    "content", ["[]", '{"categories": 3}', '{"categories": [], "annotations": [{}]}', "{"]
)
def test_a_foreign_json_is_refused(tmp_path, content):
    write_coco(tmp_path)
    (tmp_path / "annotations/panoptic_val2017.json").write_text(content)
    with pytest.raises(InputError, match="no JSON of COCO panoptic"):
        open_coco_panoptic(tmp_path)
