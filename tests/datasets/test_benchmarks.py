"""The five datasets from format-faithful trees, with the traps of each."""

import numpy as np
import pytest
from PIL import Image
from trees import SIZE, TREES, labels, write_photo

from radseg.datasets.base import IGNORE
from radseg.datasets.benchmark import listed
from radseg.datasets.catalog import BENCHMARKS
from radseg.datasets.check import check_set
from radseg.errors import ImageError, InputError, MissingFileError

EVERY = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


def opened(tree, root, count=3):
    for i in range(1, count + 1):
        tree.write(root, i, list(tree.codes))
    return BENCHMARKS[tree.dataset].open(root, partial=True)


@EVERY
def test_file_values_become_the_classes_they_stand_for(tree, tmp_path):
    images = opened(tree, tmp_path)
    assert len(images.ids) == 3
    expected = [IGNORE if index is None else index for index in tree.codes.values()]
    for id in images.ids:
        example = images.read(id)
        assert example.image.shape == (*SIZE, 3)
        assert np.array_equal(example.truth, np.resize(expected, SIZE))


@EVERY
def test_a_value_that_stands_for_no_class_is_an_error_of_that_image(tree, tmp_path):
    images = opened(tree, tmp_path)
    _, label = tree.write(tmp_path, 2, [*tree.codes, tree.illegal])
    wrong = next(item.id for item in images.items if item.labels == label)
    with pytest.raises(ImageError, match=f"holds the label {tree.illegal}; legal are"):
        images.read(wrong)
    assert list(check_set(images).problems) == [wrong]


@EVERY
def test_check_lists_a_missing_annotation_and_a_wrong_size_and_reads_the_rest(tree, tmp_path):
    images = opened(tree, tmp_path, count=4)
    images.by_id[images.ids[0]].labels.unlink()
    write_photo(images.by_id[images.ids[2]].image, (20, 30))
    images = BENCHMARKS[tree.dataset].open(tmp_path, partial=True)  # as a person would call it
    if tree.dataset in ("cocostuff", "cityscapes"):  # there the other kind of label file would be taken
        for item in images.items[:1]:
            item.labels.unlink(missing_ok=True)
    report = check_set(images)
    assert report.images == 4
    assert list(report.problems) == [images.ids[0], images.ids[2]]
    assert "missing" in report.problems[images.ids[0]]
    assert "20×30" in report.problems[images.ids[2]]


@EVERY
def test_hidden_files_are_no_images(tree, tmp_path):
    image = opened(tree, tmp_path).items[0].image
    (image.parent / f"._{image.name}").write_bytes(b"\0\5\x16\7 AppleDouble")
    assert len(BENCHMARKS[tree.dataset].open(tmp_path, partial=True).ids) == 3


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_list_of_images_is_cut_at_line_ends_alone_whatever_its_encoding(tmp_path, encoding):
    names = ("a", "b\x85c", "d\u2028e", "f\x0bg")
    (tmp_path / "val.txt").write_bytes("\r\n".join(names).encode(encoding))
    assert listed(tmp_path / "val.txt") == names
    (tmp_path / "val.txt").write_bytes(b"\xff\xfd")
    with pytest.raises(InputError, match="val.txt is not a list of names"):
        listed(tmp_path / "val.txt")


@EVERY
def test_the_official_number_of_images_is_required(tree, tmp_path):
    opened(tree, tmp_path)
    benchmark = BENCHMARKS[tree.dataset]
    with pytest.raises(InputError, match=rf"has {benchmark.images} images, .* lists 3.*--partial"):
        benchmark.open(tmp_path)
    assert benchmark.open(tmp_path, partial=True).split.endswith(f"(3 of {benchmark.images} images)")


@EVERY
def test_the_top_folder_itself_may_be_named(tree, tmp_path):
    images = opened(tree, tmp_path)
    top = BENCHMARKS[tree.dataset].root(tmp_path)
    assert BENCHMARKS[tree.dataset].open(top, partial=True).ids == images.ids


@pytest.mark.parametrize("benchmark", BENCHMARKS.values(), ids=BENCHMARKS)
def test_an_empty_folder_is_told_what_is_missing_and_where_to_get_it(benchmark, tmp_path):
    with pytest.raises(MissingFileError) as raised:
        benchmark.open(tmp_path)
    assert benchmark.needs[0][0] in str(raised.value)
    assert benchmark.source in str(raised.value)


def test_a_half_unpacked_folder_is_told_only_what_it_lacks(tmp_path):
    (tmp_path / "ade/ADEChallengeData2016/images/validation").mkdir(parents=True)
    with pytest.raises(MissingFileError) as raised:
        BENCHMARKS["ade20k"].open(tmp_path)
    assert "there is no annotations/validation in" in str(raised.value)


def test_a_colour_image_in_place_of_labels_is_refused(tmp_path):
    images = opened(TREES["voc20"], tmp_path)
    path = images.by_id[images.ids[0]].labels
    write_photo(path)  # RGB, as tools that "decode" the palette write
    with pytest.raises(ImageError, match="mode RGB"):
        images.read(images.ids[0])


def test_labels_that_cannot_be_read_are_that_images_own(tmp_path, monkeypatch):
    images = opened(TREES["ade20k"], tmp_path, count=4)
    images.items[0].labels.write_bytes(b"no png")
    images.items[1].labels.write_bytes(images.items[1].labels.read_bytes()[:60])
    labels(images.items[2].labels, [1], (60, 60))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses twice as many as a bomb
    assert list(check_set(images).problems) == list(images.ids[:3])


def test_prepared_labels_are_preferred_to_the_official_ones_beside_them(tmp_path):
    for name in ("cocostuff-prepared", "cityscapes-trainids"):
        images = opened(TREES[name], tmp_path / name)
        assert all("labelTrainIds" in item.labels.name for item in images.items)


def test_train_ids_that_were_not_converted_are_noticed(tmp_path):
    images = opened(TREES["cityscapes-trainids"], tmp_path)
    labels(images.items[0].labels, [7, 26])  # official ids under the name of train ids
    with pytest.raises(ImageError, match="holds the label 26"):
        images.read(images.ids[0])


def test_real_ade_samples_read_as_published(shared):
    images = BENCHMARKS["ade20k"].open(shared / "data/ade20k_sample", partial=True)
    report = check_set(images)
    assert report.problems == {}
    # Two houses under the open sky, in a street and in a garden, when looked at.
    seen = {"wall", "building", "sky", "tree", "road", "grass", "earth", "plant"}
    assert set(images.names) - set(report.absent) == seen
    assert 0.9 < report.judged < 1
