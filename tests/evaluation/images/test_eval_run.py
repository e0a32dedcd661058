"""A run over a folder: shards, resuming, failures, and what the result says about it."""

import json

import filelock
import numpy as np
import pytest
from PIL import Image

from eval_cases import NAMES, Silent, colour_folder, confusion, request, shards
from oracles import pixel_counting
from radseg.errors import InputError, ResourceError
from radseg.evaluation.images.log import known_counts, read_logs
from radseg.evaluation.images.result import EvalResult
from radseg.evaluation.images.run import run_evaluation
from radseg.evaluation.paper.protocols import protocol
from radseg.presets.load import load
from radseg.text.vocabulary import Vocabulary


@pytest.fixture
def data(tmp_path):
    return colour_folder(tmp_path / "data", 7)


def run(*args, **changes):
    silent = Silent()
    return run_evaluation(request(*args, **changes), silent, silent), silent


def test_the_scores_are_those_of_segmenting_each_image_and_counting_pixels(data, tmp_path):
    outcome, _ = run(data, tmp_path / "out")
    segmenter = load("toy", all_denoised="first")
    pairs = []
    for file in sorted((data / "images").iterdir()):
        labels = segmenter.segment(file, NAMES, mode="assign").labels
        pairs.append((np.asarray(Image.open(data / "annotations" / file.name)), labels))
    expected = pixel_counting.scores(pairs, len(NAMES), 255)
    for name in ("miou", "fmiou", "pixel_accuracy", "mean_accuracy"):
        assert outcome.result.scores[name].value == pytest.approx(float(expected[name]), abs=1e-12)
    boundary = pixel_counting.boundary_iou(pairs, len(NAMES), 255, 2)
    assert outcome.result.scores["boundary_iou"].value == pytest.approx(float(boundary), abs=1e-12)
    ious = [one.iou for one in outcome.result.per_class]
    assert ious == pytest.approx([float(v) for v in expected["iou"]], abs=1e-12)
    assert all(score.low < score.value < score.high for score in outcome.result.scores.values())


def test_the_files_beside_the_result_hold_the_matrix_and_a_line_per_image(data, tmp_path):
    outcome, _ = run(data, tmp_path / "out")
    matrix = confusion(tmp_path / "out")
    assert matrix.dtype == np.int64
    assert matrix.shape == (5, 6)
    assert [one.pixels for one in outcome.result.per_class] == matrix.sum(1).tolist()
    lines = [json.loads(line) for line in (tmp_path / "out/images.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [f"{i:02}" for i in range(7)]
    assert all(0 < line["miou"] < 1 and line["seconds"] > 0 for line in lines)
    assert EvalResult.read(tmp_path / "out") == outcome.result


@pytest.mark.parametrize("count", [2, 3, 9])
def test_shards_in_any_order_give_the_matrix_of_one_process(data, tmp_path, count):
    run(data, tmp_path / "whole")
    outcomes = [run(data, tmp_path / "out", shard=s)[0] for s in reversed(shards(count))]
    missing = [o.missing for o in outcomes]
    assert missing == sorted(missing, reverse=True)
    assert all((o.result is None) == (o.missing > 0) for o in outcomes)
    assert outcomes[0].result is None
    assert outcomes[-1].result.images.done == 7
    assert np.array_equal(confusion(tmp_path / "out"), confusion(tmp_path / "whole"))


def test_one_process_finishes_what_a_shard_began(data, tmp_path):
    run(data, tmp_path / "whole")
    run(data, tmp_path / "out", shard=shards(2)[0])
    outcome, told = run(data, tmp_path / "out", existing="resume")
    assert told.counts["todo"] == 3
    assert outcome.result.environment["processes"] == 2
    assert np.array_equal(confusion(tmp_path / "out"), confusion(tmp_path / "whole"))


def test_merge_alone_names_what_is_missing_and_evaluates_nothing(data, tmp_path):
    run(data, tmp_path / "out", shard=shards(2)[1])
    with pytest.raises(InputError, match="4 of 7 images are not done yet, such as 00"):
        run(data, tmp_path / "out", merge_only=True)
    run(data, tmp_path / "out", shard=shards(2)[0])
    (tmp_path / "out/result.json").unlink()
    outcome, told = run(data, tmp_path / "out", merge_only=True)
    assert outcome.result.images.done == 7
    assert "loaded" not in told.counts


def test_an_image_in_two_logs_counts_once(data, tmp_path):
    run(data, tmp_path / "out")
    log = tmp_path / "out/shards/1-of-1.jsonl"
    before = confusion(tmp_path / "out")
    log.with_name("1-of-2.jsonl").write_bytes(log.read_bytes())
    log.write_bytes(log.read_bytes() + log.read_bytes().splitlines(keepends=True)[-1])
    run(data, tmp_path / "out", existing="resume")
    assert np.array_equal(confusion(tmp_path / "out"), before)


def test_a_torn_line_is_done_again(data, tmp_path):
    run(data, tmp_path / "out")
    before = confusion(tmp_path / "out")
    log = tmp_path / "out/shards/1-of-1.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    _, told = run(data, tmp_path / "out", existing="resume")
    assert [record.source for record in told.records] == ["06"]
    assert np.array_equal(confusion(tmp_path / "out"), before)


def test_a_damaged_line_in_the_middle_is_named(data, tmp_path):
    run(data, tmp_path / "out")
    log = tmp_path / "out/shards/1-of-1.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"cells"', b'"cell"', 1))
    with pytest.raises(ResourceError, match=r"Line 3 of .*1-of-1\.jsonl.*--overwrite"):
        run(data, tmp_path / "out", existing="resume")


def test_bad_images_are_listed_and_the_rest_is_measured(data, tmp_path):
    (data / "images/02.png").write_bytes(b"no image")
    (data / "annotations/04.png").unlink()
    outcome, told = run(data, tmp_path / "out")
    assert sorted(outcome.result.images.failed) == ["02", "04"]
    assert outcome.result.images.done == 5
    assert "02.png" in outcome.result.images.failed["02"]
    assert "missing" in outcome.result.images.failed["04"]
    assert [record.status for record in told.records].count("failed") == 2
    fresh = colour_folder(tmp_path / "fresh", 7)
    for name in ("images/02.png", "annotations/04.png"):
        (data / name).write_bytes((fresh / name).read_bytes())
    outcome, told = run(data, tmp_path / "out", existing="resume")
    assert outcome.result.images.failed == {}
    assert len(told.records) == 2


def test_nothing_readable_is_an_error_and_not_a_score(data, tmp_path):
    for file in (data / "annotations").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="None of 7 images could be evaluated"):
        run(data, tmp_path / "out")


def test_an_earlier_evaluation_is_not_touched_unasked(data, tmp_path):
    run(data, tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    with pytest.raises(InputError, match="--resume"):
        run(data, tmp_path / "out")
    with pytest.raises(InputError, match="denoising"):
        run(data, tmp_path / "out", existing="resume", options={"denoising": 0.0})
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before
    outcome, told = run(data, tmp_path / "out", existing="overwrite", options={"denoising": 0.0})
    assert len(told.records) == 7
    assert outcome.result.options["denoising"] == 0.0


@pytest.mark.parametrize("before", [1, 2])
def test_overwriting_in_shards_forgets_every_other_division(data, tmp_path, before):
    for shard in shards(before):
        run(data, tmp_path / "out", shard=shard)
    for file in (data / "annotations").iterdir():
        Image.fromarray(np.zeros_like(np.asarray(Image.open(file)))).save(file)
    outcomes = [run(data, tmp_path / "out", shard=s, existing="overwrite")[0] for s in shards(3)]
    assert [outcome.missing for outcome in outcomes] == [4, 2, 0]
    run(data, tmp_path / "fresh")
    assert np.array_equal(confusion(tmp_path / "out"), confusion(tmp_path / "fresh"))
    assert confusion(tmp_path / "out")[1:].sum() == 0


def test_merging_deletes_nothing_whatever_else_is_asked(data, tmp_path):
    run(data, tmp_path / "out")
    outcome, _ = run(data, tmp_path / "out", merge_only=True, existing="overwrite")
    assert outcome.result.images.done == 7


def test_two_processes_cannot_do_the_same_shard(data, tmp_path):
    (tmp_path / "out").mkdir()
    with (
        filelock.FileLock(tmp_path / "out/.radseg-lock-1-of-1"),
        pytest.raises(ResourceError, match="Another radseg"),
    ):
        run(data, tmp_path / "out")


def test_a_resumed_run_that_is_done_loads_no_model(data, tmp_path):
    run(data, tmp_path / "out")
    _, told = run(data, tmp_path / "out", existing="resume")
    assert "loaded" not in told.counts


def test_limit_takes_the_first_images(data, tmp_path):
    outcome, told = run(data, tmp_path / "out", limit=2)
    assert [record.source for record in told.records] == ["00", "01"]
    assert outcome.result.images.total == 2


def test_the_result_names_everything_that_decided_it(data, tmp_path):
    result = run(data, tmp_path / "out", options={"denoising": 0.25})[0].result
    assert result.protocol == protocol("folder", "own").as_dict()
    assert result.options["denoising"] == 0.25
    assert result.options["all_denoised"] == "first"
    assert result.preset == "toy"
    assert result.names == NAMES
    assert result.model["space"] == "toy-colour"
    assert {"radseg", "commit", "torch", "python", "device", "dtype", "threads"} <= set(result.environment)
    assert result.environment["dtype"] == "float32"
    assert 0 < result.seconds.model < result.seconds.loop


def test_names_may_be_replaced_one_per_class(data, tmp_path):
    words = Vocabulary.parse(["pink", "green", "blue", "yellow", ("white", "grey")])
    result = run(data, tmp_path / "out", vocabulary=words)[0].result
    assert result.names == ("pink", "green", "blue", "yellow", "white, grey")
    assert [one.name for one in result.per_class] == list(NAMES)
    with pytest.raises(InputError, match="4 names are given for the 5 classes"):
        run(data, tmp_path / "other", vocabulary=Vocabulary.parse(["pink", "green", "blue", "yellow"]))


def test_counts_of_a_done_image_beat_a_failed_one(data, tmp_path):
    good = (data / "images/00.png").read_bytes()
    (data / "images/00.png").write_bytes(b"")
    run(data, tmp_path / "out", shard=shards(2)[0])
    (data / "images/00.png").write_bytes(good)
    run(data, tmp_path / "out", existing="resume")  # its log comes first by name
    known = known_counts(read_logs(tmp_path / "out"), ["00"])
    assert known["00"].message == ""
