"""Segmentation: what it says about an image, and that what it saves reads back the same."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from radseg.errors import InputError, MissingExtraError, MissingFileError
from radseg.io import read_label_map
from radseg.objects import object_of
from radseg.result import Segmentation

NAMES = ("sky", "road", "car")


def sample(**changes: object) -> Segmentation:
    """4×6 pixels, 2×3 patches: sky above, road below, one none pixel, no car."""
    labels = np.array([[1] * 6, [1] * 6, [2] * 6, [2] * 5 + [0]], dtype=np.uint8)
    scores = torch.tensor([[[0.9] * 3, [0.2] * 3], [[0.1] * 3, [0.7] * 3], [[0.0] * 3, [0.0] * 3]])
    values: dict[str, object] = {
        "names": NAMES,
        "labels": labels,
        "confidence": np.full((4, 6), 0.75, np.float32),
        "scores": scores,
        "mode": "background",
        "presence": (0.9, 0.7, 0.05),
        "threshold": 0.3,
        "meta": {"preset": "radseg-b", "checkpoint": "ab12", "x": np.float64(0.5), "seconds": {"encode": 1}},
        "image": np.arange(72, dtype=np.uint8).reshape(4, 6, 3),
    }
    return Segmentation(**{**values, **changes})  # type: ignore[arg-type]


def test_areas_are_shares_of_the_image() -> None:
    assert sample().areas == {"sky": 12 / 24, "road": 11 / 24, "car": 0.0}


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3))
)
def test_areas_and_none_make_the_whole(labels: np.ndarray) -> None:
    result = sample(labels=labels, confidence=np.zeros(labels.shape, np.float32), image=None)
    assert sum(result.areas.values()) + np.mean(labels == 0) == pytest.approx(1)


def test_masks_partition_the_named_pixels() -> None:
    result = sample()
    assert result.masks.shape == (3, 4, 6)
    assert np.array_equal(result.masks.sum(axis=0) > 0, result.labels > 0)
    assert np.array_equal(result.mask("road"), result.labels == 2)


def test_independent_masks_overlap_where_both_are_probable() -> None:
    scores = torch.stack([torch.full((2, 3), 0.9), torch.full((2, 3), 0.6), torch.full((2, 3), 0.2)])
    result = sample(mode="independent", scores=scores, threshold=0.5)
    assert result.masks.mean(axis=(1, 2)).tolist() == [1, 1, 0]
    assert result.areas == {"sky": 1, "road": 1, "car": 0}


def test_probabilities_are_bilinear_with_pixel_centres() -> None:
    scores = torch.zeros(3, 1, 2)
    scores[0, 0, 1] = 1
    labels = np.ones((1, 4), np.uint8)
    result = sample(scores=scores, labels=labels, confidence=np.ones((1, 4), np.float32), image=None)
    # centres of 4 pixels on 2 patches: -0.25, 0.25, 0.75, 1.25, held at the ends
    assert result.probabilities()[0, 0].tolist() == [0, 0.25, 0.75, 1]
    assert np.array_equal(result.probability("sky"), result.probabilities()[0])


def test_half_precision_scores_are_upsampled_as_float32() -> None:
    assert sample(scores=sample().scores.bfloat16()).probabilities().dtype == np.float32


def test_presence_comes_from_the_judge_or_else_from_the_scores() -> None:
    assert sample().presence_of("car") == 0.05
    assert sample(presence=None).presence_of("road") == pytest.approx(0.7)


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(InputError, match=r"'roads' is not one of the 3 names; did you mean road\?"):
        sample().mask("roads")


def test_repr_shows_the_classes_with_their_share() -> None:
    assert repr(sample()) == "Segmentation(6×4, background: sky 50.0%, road 45.8%, (none) 4.2%)"


def test_repr_of_many_and_odd_names_is_one_short_line() -> None:
    names = tuple(f"n{i}\n" + "x" * 10_000 for i in range(30))
    labels = np.arange(1, 31, dtype=np.uint8).reshape(5, 6)
    result = sample(
        names=names,
        labels=labels,
        scores=torch.zeros(30, 1, 1),
        presence=None,
        confidence=np.zeros((5, 6), np.float32),
        image=None,
    )
    assert "18 more" in repr(result)
    assert "\n" not in repr(result)
    assert len(repr(result)) < 800


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": np.zeros((4, 6), np.int64)}, "uint8"),
        ({"confidence": np.zeros((4, 5), np.float32)}, "size of the labels"),
        ({"image": np.zeros((6, 4, 3), np.uint8)}, "size of the labels"),
        ({"scores": torch.zeros(2, 2, 3)}, "2 score maps for 3 names"),
        ({"presence": (0.5,)}, "1 presence values for 3 names"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        sample(**changes)


def test_results_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample().threshold = 1.0  # type: ignore[misc]


def test_png_holds_the_labels_and_classes_json_their_meaning(tmp_path: Path) -> None:
    sample().save(tmp_path / "street.png")
    assert np.array_equal(read_label_map(tmp_path / "street.png"), sample().labels)
    classes = json.loads((tmp_path / "street.classes.json").read_text())
    assert [(one["id"], one["name"], one["area"]) for one in classes["classes"]][:2] == [
        (1, "sky", 0.5),
        (2, "road", 0.458333),
    ]
    assert (classes["none"], classes["ignore"], classes["mode"]) == (0, 255, "background")
    assert classes["classes"][2]["presence"] == 0.05
    assert classes["meta"] == {"preset": "radseg-b", "checkpoint": "ab12", "x": 0.5}  # without seconds


def test_the_colour_in_classes_json_is_the_one_in_the_png(tmp_path: Path) -> None:
    sample().save(tmp_path / "street.png")
    classes = json.loads((tmp_path / "street.classes.json").read_text())
    pixel = Image.open(tmp_path / "street.png").convert("RGB").getpixel((0, 0))
    assert classes["classes"][0]["colour"] == "#{:02x}{:02x}{:02x}".format(*pixel)


def test_npz_reads_back_the_same(tmp_path: Path) -> None:
    before = sample(names=("sky", "dōro\0", "車"))
    before.save(tmp_path / "street.npz")
    after = Segmentation.load(tmp_path / "street.npz")
    for one in ("labels", "confidence", "image"):
        assert np.array_equal(getattr(before, one), getattr(after, one))
    assert torch.equal(before.scores, after.scores)
    assert (after.names, after.mode, after.threshold) == (before.names, before.mode, before.threshold)
    assert after.presence == before.presence
    assert dict(after.meta) == {"preset": "radseg-b", "checkpoint": "ab12", "x": 0.5}


def test_npz_without_image_and_presence_reads_back(tmp_path: Path) -> None:
    sample(image=None, presence=None).save_npz(tmp_path / "a.npz")
    after = Segmentation.load(tmp_path / "a.npz")
    assert after.image is None
    assert after.presence is None


def test_json_is_coco(tmp_path: Path) -> None:
    sample().save(tmp_path / "street.json")
    assert len(json.loads((tmp_path / "street.json").read_text())["annotations"]) == 2


def test_unknown_endings_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png, \.npz, \.json"):
        sample().save(tmp_path / "street.svg")
    with pytest.raises(InputError, match=r"\.jpg"):
        sample().save_overlay(tmp_path / "street")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_overlays_are_saved_by_ending(tmp_path: Path, ending: str) -> None:
    sample().save_overlay(tmp_path / f"a.{ending}")
    saved = Image.open(tmp_path / f"a.{ending}")
    assert saved.size == sample().overlay().size == sample().labels.shape[::-1]
    assert saved.format == {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[ending]


def test_loading_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.npz"):
        Segmentation.load(tmp_path / "gone.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match=r"text\.npz"):
        Segmentation.load(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"other\.npz"):
        Segmentation.load(tmp_path / "other.npz")


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_cut_short_results_are_refused(tmp_path: Path, part: float) -> None:
    sample().save(tmp_path / "a.npz")
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[: int(len(content) * part)])
    with pytest.raises(InputError, match=r"a\.npz"):
        Segmentation.load(tmp_path / "a.npz")


def test_pickles_inside_an_npz_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", details=np.array([{"format": "x"}], dtype=object))
    with pytest.raises(InputError, match="not a radseg result"):
        Segmentation.load(tmp_path / "a.npz")


def test_missing_extras_come_with_the_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.mask", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'radseg\[coco\]'"):
        sample().to_coco()


def with_objects() -> Segmentation:
    left, right = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    left[2:, :2], right[2:, 3:5] = True, True
    each = {"name": "road", "label": 2, "how": "SAM prompt"}
    return sample(found=[object_of(left, score=0.75, **each), object_of(right, score=0.5, **each)])  # type: ignore[arg-type]


def test_without_a_search_objects_are_connected_parts_and_stuff_whole() -> None:
    labels = np.zeros((40, 90), np.uint8)
    labels[:, :30], labels[:, 60:] = 3, 3
    result = sample(labels=labels, confidence=np.ones(labels.shape, np.float32), image=None)
    assert [(one.name, one.box, one.how) for one in result.objects()] == [
        ("car", (0, 0, 30, 40), "connected part"),
        ("car", (60, 0, 90, 40), "connected part"),
    ]


def test_objects_that_were_found_are_given_and_exported_one_by_one() -> None:
    pytest.importorskip("pycocotools")
    result = with_objects()
    assert [one.score for one in result.objects()] == [0.75, 0.5]
    coco = result.to_coco()["annotations"]
    assert [(one["bbox"], one["category_id"]) for one in coco] == [([0, 2, 2, 2], 2), ([3, 2, 2, 2], 2)]
    saved = result.objects_json()["objects"]
    assert [(one["id"], one["box"], one["how"]) for one in saved] == [
        (1, (0, 2, 2, 4), "SAM prompt"),
        (2, (3, 2, 5, 4), "SAM prompt"),
    ]
    assert len(result.to_transformers()) == 2


def test_supervision_has_a_row_per_object() -> None:
    pytest.importorskip("supervision")
    rows = with_objects().to_supervision()
    assert rows.xyxy.tolist() == [[0, 2, 1, 3], [3, 2, 4, 3]]
    assert rows.class_id.tolist() == [1, 1]


def test_the_overlay_shows_objects_where_they_were_found() -> None:
    assert with_objects().plot().tobytes() != sample().plot().tobytes()


def test_objects_survive_saving(tmp_path: Path) -> None:
    with_objects().save(tmp_path / "a.npz")
    loaded = Segmentation.load(tmp_path / "a.npz")
    for one, other in zip(with_objects().objects(), loaded.objects(), strict=True):
        assert np.array_equal(one.mask, other.mask)
        assert (one.name, one.label, one.score, one.box, one.stuff, one.how) == (
            other.name, other.label, other.score, other.box, other.stuff, other.how,
        )  # fmt: skip
