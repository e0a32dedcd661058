from dataclasses import replace

import pytest

from evaluation_builders import changed, paper_run
from radseg.evaluation.images.result import Images, Score
from radseg.evaluation.paper import published as paper
from radseg.evaluation.report.comparison import compare
from radseg.evaluation.report.report import averages, beside, per_class, render, runs, scores

MID = {name: paper.find("RADSeg", "base").of(name) for name in paper.DATASETS}


def all_five(**offsets):
    return [paper_run(name, miou=value + offsets.get(name, 0)) for name, value in MID.items()]


def compared(results):
    return [(result, compare(result)) for result in results]


def test_a_row_holds_both_numbers_the_difference_and_the_verdict():
    (row,) = beside(compared([paper_run(miou=29.06)])).records()
    assert row["mIoU"] == 29.06
    assert row["paper"] == 28.96
    assert row["difference"] == 0.10
    assert row["±"] == 0.2
    assert row["verdict"] == "agrees"
    assert row["95 %"] == "28.06 to 30.06"
    assert row["its row"] == "A.2: RADSeg, base"


def test_without_a_verdict_there_is_no_tolerance_and_the_reasons_are_listed():
    run = replace(paper_run(), images=Images(40, 40))
    (row,) = beside(compared([run])).records()
    assert (row["verdict"], row["±"]) == ("not comparable", None)
    assert (
        "- ade20k mid, radseg-b-paper: 40 of the official 2000 images, of 40 listed, were evaluated."
        in render([run])
    )


def test_the_average_of_five_stands_beside_the_mean_of_the_papers_five():
    (row,) = averages(compared(all_five(voc20=0.25))).records()
    assert row["mean mIoU"] == pytest.approx(48.00 + 0.05, abs=0.006)
    assert row["paper, mean of its five"] == 48.00
    assert row["difference"] == pytest.approx(0.05, abs=0.006)


@pytest.mark.parametrize("spoil", ["one missing", "one partial", "one refined"])
def test_there_is_no_average_of_less_than_five_like_results(spoil):
    results = all_five()
    if spoil == "one missing":
        results.pop()
    elif spoil == "one partial":
        results[0] = replace(results[0], images=Images(9, 9))
    else:
        results[0] = paper_run(results[0].dataset, miou=50.0, refine="reference")
    assert averages(compared(results)).rows == ()


def test_results_of_another_protocol_do_not_enter_an_average():
    """Both protocols stand beside the paper's one high row, and only one of them has all five."""
    five = [paper_run(one, miou=50.0, name="high") for one in paper.DATASETS]
    two = [paper_run(one, miou=10.0, name="high-released") for one in paper.DATASETS[:2]]
    (row,) = averages(compared([*five, *two])).records()
    assert (row["protocol"], row["mean mIoU"]) == ("high", 50.0)


def test_results_of_another_method_do_not_cost_an_average():
    refined = paper_run("voc20", miou=50.0, refine="reference")
    (row,) = averages(compared([*all_five(), refined])).records()
    assert row["its row"] == "A.2: RADSeg, base"
    assert row["mean mIoU"] == pytest.approx(48.00, abs=0.006)
    plus = [paper_run(name, miou=50.0, refine="reference") for name in paper.DATASETS]
    both = averages(compared([*all_five(), *plus])).records()
    assert [one["its row"] for one in both] == ["A.2: RADSeg, base", "A.2: RADSeg+, base"]


def test_a_misprinted_average_is_never_shown_as_the_papers():
    runs_of_plus = [
        changed(
            paper_run(name, miou=30.0, refine="reference"), "model",
            checkpoint="c-radio_v3-h", version="c-radio_v3-h",
        )
        for name in paper.DATASETS
    ]  # fmt: skip
    (row,) = averages(compared(runs_of_plus)).records()
    assert row["paper, mean of its five"] == 49.05
    assert row["note"] == "printed 49.38"


def test_scores_are_percent_and_absent_ones_empty():
    (row,) = scores([paper_run()]).records()
    assert (row["mIoU"], row["f-mIoU"], row["boundary IoU"]) == (28.96, 60.0, None)


def test_how_it_was_run_is_told():
    (row,) = runs([paper_run()]).records()
    assert row["weights"] == "c-radio_v3-b"
    assert row["sha256"] == "abababababab"
    assert (row["images"], row["s/image"], row["device"]) == ("2000 of 2000", 0.05, "NVIDIA")


def test_classes_are_listed_on_request_with_the_name_asked_for():
    (first, *_) = per_class(paper_run("voc20", miou=89.0)).records()
    assert (first["class"], first["IoU"], first["pixels"]) == ("aeroplane", 25.0, 10)
    text = render([paper_run("voc20")], classes=True)
    assert "| boat" in text
    assert "ship" in text
    assert "| boat" not in render([paper_run("voc20")])


def test_failed_images_are_listed_and_no_html_comes_through():
    text = render([replace(paper_run(), images=Images(2000, 1999, {"<b>": "cut | short"}))])
    assert "- ade20k mid, radseg-b-paper: &lt;b>: cut \\| short" in text


def test_one_image_has_no_interval():
    run = replace(paper_run(), scores={"miou": Score(0.5)})
    assert beside(compared([run])).records()[0]["95 %"] is None
