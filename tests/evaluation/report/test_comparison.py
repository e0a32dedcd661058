"""A verdict only where a run is the paper's in every respect; else every reason why not."""

from dataclasses import replace

import pytest

from evaluation_builders import changed, paper_run
from radseg.evaluation.images.result import Images
from radseg.evaluation.paper.protocols import protocol
from radseg.evaluation.report.comparison import compare, tolerance
from radseg.weights import catalog

HUGE = {"checkpoint": "c-radio_v3-h", "version": "c-radio_v3-h"}


@pytest.mark.parametrize(
    ("miou", "verdict"),
    [(28.96, "agrees"), (29.16, "agrees"), (28.76, "agrees"), (29.17, "above"), (28.75, "below")],
)
def test_the_verdict_follows_from_the_tolerance(miou, verdict):
    found = compare(paper_run(miou=miou))
    assert found.verdict == verdict
    assert found.difference == pytest.approx(miou - 28.96)


def test_tolerances_are_those_of_the_spec():
    assert [tolerance(n) for n in ("voc20", "cityscapes", "ade20k", "context59", "cocostuff")] == [
        0.3, 0.3, 0.2, 0.2, 0.2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "name", "place", "value"),
    [
        ({}, "low", ("A.2", "RADSeg", "low"), 27.16),
        ({}, "high", ("A.2", "RADSeg", "high"), 28.93),
        ({}, "high-released", ("A.2", "RADSeg", "high"), 28.93),
        ({"refine": "reference"}, "mid", ("A.2", "RADSeg+", "mid"), 30.83),
        ({"scra_temperature": None, "scga_temperature": None}, "mid", ("A.4", "Rv3, plain", "mid"), 27.30),
        ({"scga_temperature": None}, "mid", ("4", "+ SCRA", "mid"), 27.69),
        ({"crop": None}, "mid", ("A.6", "single pass", "mid"), 29.51),
        ({"crop": None, "scga_temperature": None}, "mid", ("A.6", "single pass, no SCGA", "mid"), 28.81),
    ],
)
def test_what_was_computed_decides_the_row(options, name, place, value):
    found = compare(paper_run(name=name, miou=value, **options))
    assert (found.row.table, found.row.method, found.row.resolution) == place
    assert found.row.of("ade20k") == value
    assert found.verdict == "agrees", found.reasons


def test_the_weights_decide_the_size():
    assert compare(changed(paper_run(), "model", **HUGE)).row.size == "huge"
    local = changed(paper_run(), "model", checkpoint="weights/file.pth.tar")
    assert compare(local).row.size == "base"
    assert compare(local).verdict == "not comparable"
    assert "a file of your own, which no published digest confirms" in "; ".join(compare(local).reasons)
    v25 = changed(paper_run(miou=28.27), "model", checkpoint="radio_v2.5-b", version="radio_v2.5-b")
    assert (compare(v25).row.method, compare(v25).verdict) == ("Rv2.5, + SCRA + SCGA", "agrees")


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (paper_run(refine="corrected"), "refine is 'corrected', not 'reference'"),
        (paper_run(scra_temperature=5.0), "scra_temperature is 5.0, not 10.0"),
        (paper_run(scra_recursions=2), "scra_recursions is 2, not 1"),
        (paper_run(language="clip"), "language is 'clip', not None"),
        (paper_run(language_head="patch"), "language_head is 'patch', not 'cls'"),
        (paper_run(stride=112), "stride is 112, not 224"),
        (paper_run(templates="simple"), "templates is 'simple', not 'imagenet80'"),
        (paper_run(denoising=0.0), "denoising is 0.0, not 0.5"),
        (paper_run(short_side=300), "short_side is 300, not None"),
        (paper_run(threshold=0.5), "threshold is 0.5, not None"),
        (paper_run(all_denoised="none"), "all_denoised is 'none', not 'first'"),
        (paper_run(name="mid-patch"), "size_rule is 'patch', not 'stride'"),
        (changed(paper_run(), "protocol", short_side=600), "protocol's short_side is 600, not 576"),
        (replace(paper_run(), names=("wall",)), "asked for by other names"),
        (changed(paper_run(), "environment", text_dtype="int8"), "the prompts are embedded in int8"),
        (replace(paper_run(), images=Images(2000, 1999, {"a": "bad"})), "1999 of the official 2000 images"),
        (
            replace(paper_run(), images=Images(2001, 2000)),
            "2000 of the official 2000 images, of 2001 listed,",
        ),
        (replace(paper_run(), images=Images(40, 40)), "40 of the official 2000 images, of 40 listed"),
        (paper_run(refine="reference", coarse_threshold=0.1), "coarse_threshold is 0.1, not 0.05"),
    ],
)
def test_any_change_forbids_a_verdict_and_is_named(run, reason):
    found = compare(run)
    assert found.verdict == "not comparable"
    assert reason in "; ".join(found.reasons)
    assert found.difference is not None  # still shown beside the paper's value


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (changed(paper_run(), "model", checkpoint="miniature", version="miniature"), "no model 'miniature'"),
        (changed(paper_run(), "model", checkpoint=None, version=None), "no model 'None'"),
        (replace(paper_run(), dataset="folder"), "no data set 'folder'"),
        (replace(paper_run(), protocol=protocol("folder", "own").as_dict()), "no protocol 'own'"),
        (
            replace(paper_run(), preset="mine"),
            "preset 'mine' is not known here, so neither is its method",
        ),
        (replace(paper_run(), preset="toy"), "the paper does not compare the method 'toy'"),
        (paper_run(crop=None, refine="reference"), "no such method"),
        (paper_run(scra_temperature=None), "no such method"),
        (paper_run(name="low", scga_temperature=None), "no such method"),
    ],
)
def test_what_the_paper_has_not_measured_gets_no_number(run, reason):
    found = compare(run)
    assert (found.row, found.difference, found.verdict) == (None, None, "not comparable")
    assert reason in "; ".join(found.reasons)


def test_a_pinned_digest_confirms_a_file_of_ones_own(monkeypatch):
    rows = tuple(replace(r, sha256="ab" * 32) if r.name == "c-radio_v3-b" else r for r in catalog.ROWS)
    monkeypatch.setattr(catalog, "ROWS", rows)
    local = changed(paper_run(), "model", checkpoint="weights/file.pth.tar")
    assert compare(local).verdict == "agrees"
    assert "not the published file" in "; ".join(compare(changed(local, "model", sha256="cd" * 32)).reasons)


@pytest.mark.parametrize("part", ["sam", "text_tower"])
def test_other_parts_of_ones_own_forbid_the_verdict(part):
    local = changed(paper_run(), "model", given={part: "weights/part"})
    assert compare(local).verdict == "not comparable"
    assert f"{part} is a file of your own, weights/part, which no" in "; ".join(compare(local).reasons)


def test_what_is_given_by_its_catalogue_name_keeps_the_verdict():
    named = {"checkpoint": "c-radio_v3-b", "sam": "sam-vit-h"}
    assert compare(changed(paper_run(), "model", given=named)).verdict == "agrees"


def test_options_of_refinement_do_not_matter_without_it():
    assert compare(paper_run(coarse_threshold=0.3, min_area=1)).verdict == "agrees"
