"""EvalResult survives its file, and files that are none are refused in words."""

import json

import pytest

from radseg.errors import InputError, MissingFileError
from radseg.evaluation.images.result import ClassScore, EvalResult, Images, Score, Seconds


def result() -> EvalResult:
    return EvalResult(
        dataset="ade20k",
        split="validation",
        protocol={"name": "mid", "short_side": 576},
        preset="radseg-b",
        options={"crop": 336, "threshold": None},
        model={"checkpoint": "c-radio_v3-b", "sha256": None, "version": "3", "space": "siglip2"},
        names=("wall", "sky"),
        per_class=(ClassScore("wall", 0.5, 0.75, 12), ClassScore("sky", None, None, 0)),
        scores={"miou": Score(0.5, 0.4, 0.6), "boundary_iou": Score(0.25)},
        images=Images(3, 2, {"a": "damaged"}),
        seconds=Seconds(2.0, 2.1, 1.0),
        environment={"torch": "2.13", "threads": 1},
    )


def test_a_result_comes_back_as_it_was_written():
    assert EvalResult.from_json(result().to_json()) == result()


def test_a_folder_stands_for_the_result_in_it(tmp_path):
    (tmp_path / "result.json").write_text(result().to_json())
    assert EvalResult.read(tmp_path) == result() == EvalResult.read(tmp_path / "result.json")


def test_an_absent_result_says_how_to_get_one(tmp_path):
    with pytest.raises(MissingFileError, match="--resume"):
        EvalResult.read(tmp_path)


@pytest.mark.parametrize("text", ["[1]", "{}", '{"format": "radseg-eval/2"}', "no json"])
def test_what_is_no_result_is_refused(text):
    with pytest.raises(InputError, match=r"a\.json"):
        EvalResult.from_json(text, source="a.json")


@pytest.mark.parametrize("field", ["scores", "names", "seconds", "dataset"])
def test_a_missing_field_is_named(field):
    raw = json.loads(result().to_json())
    del raw[field]
    with pytest.raises(InputError, match=field):
        EvalResult.from_json(json.dumps(raw))


WRONG = [
    ("dataset", []),
    ("preset", {}),
    ("protocol", 1.5),
    ("model", {"checkpoint": {}}),
    ("model", {"given": ["sam"]}),
    ("model", {"given": {"sam": {}}}),
    ("names", ["wall"]),
    ("names", ["wall", None]),
    ("per_class", [{"name": "wall", "iou": "1", "accuracy": None, "pixels": 1}] * 2),
    ("per_class", [{"name": "wall", "iou": None, "accuracy": None, "pixels": -1}] * 2),
    ("scores", {"fmiou": {"value": 0.5}}),
    ("scores", {"miou": {"value": float("nan")}}),
    ("scores", {"miou": {"value": 10**400}}),
    ("scores", {"miou": {"value": 0.5, "low": "<script>"}}),
    ("scores", {"miou": {"value": -0.1}}),
    ("scores", {"miou": {"value": True}}),
    ("images", {"total": 2, "done": 2, "failed": ["a"]}),
    ("images", {"total": 2, "done": None, "failed": {}}),
    ("seconds", {"model": 1, "loop": 1, "per_image": "1"}),
    ("environment", "linux"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_value_that_no_evaluation_has_is_refused(field, value):
    text = json.dumps({**json.loads(result().to_json()), field: value})
    with pytest.raises(InputError, match=r"a\.json is not a whole result"):
        EvalResult.from_json(text, source="a.json")


def test_a_result_nested_without_end_is_refused():
    with pytest.raises(InputError, match="not a whole result"):
        EvalResult.from_json("[" * 100_000)
