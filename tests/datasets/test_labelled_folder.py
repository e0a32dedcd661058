"""A person's own labelled images."""

import numpy as np
import pytest
from PIL import Image
from trees import labels, write_photo

from radseg.datasets.base import IGNORE
from radseg.datasets.check import check_set
from radseg.datasets.folder import open_folder
from radseg.errors import ImageError, InputError, MissingFileError

NAMES = ("sky", "road", "car")


def one(data, values, image="images/a/b.jpg", label="annotations/a/b.png"):
    write_photo(data / image)
    labels(data / label, values)


def truth(images):
    return set(np.unique(images.read(images.ids[0]).truth).tolist())


def test_values_count_from_0_and_255_is_not_judged(tmp_path):
    one(tmp_path, [0, 1, 2, 255])
    images = open_folder(tmp_path, NAMES)
    assert images.ids == ("a/b",)
    assert truth(images) == {0, 1, 2, IGNORE}


def test_values_may_count_from_1_as_radseg_writes_them(tmp_path):
    one(tmp_path, [0, 1, 2, 3], label="masks/a/b.png")
    assert truth(open_folder(tmp_path, NAMES, first_label=1)) == {0, 1, 2, IGNORE}


def test_a_value_beyond_the_classes_is_refused_until_it_is_ignored(tmp_path):
    one(tmp_path, [0, 1, 2, 3])
    with pytest.raises(ImageError, match=r"holds the label 3; legal are 0 to 2 .*--ignore"):
        truth(open_folder(tmp_path, NAMES))
    assert truth(open_folder(tmp_path, NAMES, ignore=(3,))) == {0, 1, 2, IGNORE}


def test_more_classes_than_8_bits_hold(tmp_path):
    write_photo(tmp_path / "images/a.png", (1, 3))
    (tmp_path / "labels").mkdir()
    Image.fromarray(np.array([[255, 299, 65535]], np.uint16)).save(tmp_path / "labels/a.png")
    images = open_folder(tmp_path, [f"name {i}" for i in range(300)])
    assert images.read("a").truth.tolist() == [[255, 299, IGNORE]]


def test_two_images_for_one_label_file_are_refused(tmp_path):
    one(tmp_path, [0])
    write_photo(tmp_path / "images/a/b.png")
    with pytest.raises(InputError, match="share one label file"):
        open_folder(tmp_path, NAMES)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="annotations"):
        open_folder(tmp_path, NAMES)
    (tmp_path / "labels").mkdir()
    with pytest.raises(MissingFileError, match="no folder .*images"):
        open_folder(tmp_path, NAMES)
    (tmp_path / "images").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        open_folder(tmp_path, NAMES)


CAMVID = "sky building pole road pavement tree sign fence car pedestrian bicyclist"


def test_the_camvid_sample_reads_with_its_void_class_ignored(shared):
    names = CAMVID.split()
    images = open_folder(shared / "data/camvid_sample", names, ignore=(11,))
    report = check_set(images)
    assert report.images == 12
    assert report.problems == {}
    assert report.absent == ()
    assert len(check_set(open_folder(shared / "data/camvid_sample", names)).problems) == 12
