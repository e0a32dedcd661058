"""The sweeps: what they change, that rows are compared image by image, and what is written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation_builders import changed, paper_run
from radseg.errors import InputError
from radseg.evaluation.images.counts import ImageCounts
from radseg.evaluation.images.request import EvalRequest
from radseg.evaluation.images.rooms import Rooms
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.protocols import protocol
from radseg.evaluation.studies.ablations import SWEEPS, Variant, sweep
from radseg.evaluation.studies.sweeps import Row, markdown, paired, request_of, sweep_table
from radseg.presets.options import RadsegOptions
from radseg.presets.spec import model_spec
from radseg.presets.table import PRESETS
from radseg.weights import catalog

ROWS = [(s, v) for s in SWEEPS.values() for v in s.variants]


@pytest.mark.parametrize(("s", "variant"), ROWS, ids=lambda x: x.name)
def test_every_row_is_a_legal_change_of_a_preset(s, variant):
    preset = PRESETS["radseg-b-paper" if s.published_only else "miniature"]
    assert isinstance(preset.options.changed(variant.options), RadsegOptions)
    if variant.checkpoint is not None:
        assert catalog.row(variant.checkpoint).supported


@pytest.mark.parametrize("s", SWEEPS.values(), ids=lambda s: s.name)
def test_rows_of_a_sweep_differ_and_have_folders_of_their_own(s):
    assert len({v.folder for v in s.variants}) == len({v.name for v in s.variants}) == len(s.variants)
    changes = {json.dumps([dict(v.options), v.checkpoint], sort_keys=True) for v in s.variants}
    assert len(changes) == len(s.variants)
    assert all((v.position is None) == (s.axis is None) for v in s.variants)


def test_rows_stand_beside_the_papers_numbers():
    printed = {(s.name, v.name): v.paper for s, v in ROWS if v.paper is not None}
    assert printed["components", "SCRA"] == 46.63
    assert printed["refinement", "as released"] == 50.01
    assert printed["recursion", "3"] == 47.0
    assert printed["windows", "single pass, no SCGA"] == 47.85
    assert printed["versions", "radio_v2.5-l SCRA and SCGA"] == 45.05
    assert printed["versions", "c-radio_v3-h plain"] == 41.24
    assert printed["adaptors", "c-radio_v3-b clip, CLS head"] == 42.32
    assert printed["adaptors", "radio_v2.5-l siglip, patch head"] == 0.31
    assert sum(sweep == "adaptors" for sweep, _ in printed) == len(paper.TABLE_A7)
    assert ("versions", "c-radio_v4-h plain") not in printed
    assert ("scra-temperature", "10") not in printed, "the figure prints no values"
    assert set(printed.values()) <= {
        *(r.average for r in paper.TABLES), *paper.TABLE_A5.values(),
    }  # fmt: skip


def test_the_first_row_of_a_temperature_sweep_is_radsegs_own():
    for name in ("scra-temperature", "scga-temperature"):
        assert SWEEPS[name].variants[0].position == 10.0
        assert SWEEPS[name].variants[0].options["scra_temperature"] == 10.0


def test_unknown_sweeps_and_those_without_weights_are_refused():
    with pytest.raises(InputError, match="no ablation 'speed'; choose from components"):
        sweep("speed", embedded=True)
    with pytest.raises(InputError, match="needs published weights"):
        sweep("versions", embedded=True)
    assert sweep("versions", embedded=False).name == "versions"


def test_refinement_runs_on_the_embedded_model_that_refines(tmp_path):
    base = replace(request(tmp_path), model=model_spec("miniature+"))
    rows = [request_of(base, v).model.options for v in sweep("refinement", embedded=True).variants]
    assert [row.refine for row in rows] == ["none", "reference", "corrected", "despeckle"]


def request(tmp_path, **options):
    own = protocol("miniature", "own")
    model = model_spec("miniature", defaults=own.options, **options)
    return EvalRequest(images=Rooms(2), protocol=own, model=model, output=tmp_path)


def test_a_row_is_an_evaluation_with_its_options_in_its_folder(tmp_path):
    variant = Variant("single pass, no SCGA", {"crop": None, "scga_temperature": None})
    one = request_of(request(tmp_path, denoising=0.2), variant)
    assert one.output == tmp_path / "single-pass-no-scga"
    options = one.model.options
    assert (options.crop, options.scga_temperature, options.denoising) == (None, None, 0.2)


def test_a_person_and_the_sweep_must_not_set_the_same(tmp_path):
    for name, option in (("scga-temperature", "scga_temperature"), ("stride=112,80", "stride")):
        with pytest.raises(InputError, match=f"sets {option} itself"):
            sweep(name, embedded=True, given=(option, "denoising"))
        assert sweep(name, embedded=True, given=("denoising",)).variants
    own = request(tmp_path)
    own = replace(own, model=own.model.at(checkpoint="radio_v2.5-b"))
    with pytest.raises(InputError, match="sets checkpoint itself"):
        request_of(own, SWEEPS["versions"].variants[0])


def test_the_values_of_any_option_are_a_sweep():
    numbers = sweep("stride=112,80", embedded=True)
    assert [(v.name, v.options["stride"], v.position) for v in numbers.variants] == [
        ("112", 112, 112.0), ("80", 80, 80.0),
    ]  # fmt: skip
    assert (numbers.axis, numbers.name) == ("stride", "stride")
    words = sweep("refine = none, corrected", embedded=True)
    assert [v.options["refine"] for v in words.variants] == ["none", "corrected"]
    assert words.axis is None
    assert [v.options["crop"] for v in sweep("crop=null,160", embedded=True).variants] == [None, 160]
    for wrong in ("stride=", "stride=112", "=1,2"):
        with pytest.raises(InputError, match="varies nothing; write an option and its values"):
            sweep(wrong, embedded=True)


def shown(sweep, checkpoint):
    run = changed(paper_run(), "model", checkpoint=checkpoint, version=checkpoint)
    run = changed(run, "scores", boundary_iou=run.scores["miou"])
    rows = [Row(variant, run, None) for variant in sweep.variants]
    table = sweep_table(rows)
    return [record["paper"] for record in table.records()], markdown(sweep, rows, table)


def test_the_papers_numbers_stand_beside_its_own_weights_alone():
    numbers, page = shown(SWEEPS["components"], "c-radio_v3-b")
    assert numbers == [v.paper for v in SWEEPS["components"].variants]
    assert "The last column is the paper's (Table 4)" in page
    for other in ("c-radio_v3-h", "miniature"):
        numbers, page = shown(SWEEPS["components"], other)
        assert set(numbers) == {None}
        assert "the paper's" not in page
    # Rows that name their checkpoint have been run with it.
    assert shown(SWEEPS["versions"], "c-radio_v3-h")[0] == [v.paper for v in SWEEPS["versions"].variants]


def counts(id, truth, found):
    return ImageCounts.of(id, np.array([truth]), np.array([found]) + 1, classes=2)


def by_id(*counts):
    return {one.id: one for one in counts}


def test_the_gain_is_that_of_the_pooled_counts():
    """By hand. First: class 0 has 2 of 5, class 1 has 1 of 4. Other: all right."""
    first = by_id(counts("a", [0, 0, 1, 1], [0, 1, 0, 1]), counts("b", [0, 0], [0, 1]))
    other = by_id(counts("a", [0, 0, 1, 1], [0, 0, 1, 1]), counts("b", [0, 0], [0, 0]))
    gain = paired(first, other, 2)
    assert gain.value == pytest.approx(1 - (2 / 5 + 1 / 4) / 2)
    assert gain.low <= gain.value <= gain.high


def test_equal_rows_gain_nothing_for_certain():
    first = by_id(*(counts(str(i), [0, 1, i % 2], [0, i % 2, 1]) for i in range(6)))
    assert paired(first, dict(first), 2) == paired(first, first, 2)
    assert (paired(first, first, 2).value, paired(first, first, 2).low, paired(first, first, 2).high) == (
        0,
        0,
        0,
    )


def test_a_constant_gain_is_certain_however_much_images_differ():
    """Paired: hard and easy images in one set do not blur a gain that every image has."""
    easy, hard = [0] * 10, [1] * 10
    first = by_id(*(counts(str(i), easy + hard, [1] * (1 + i) + [0] * (9 - i) + hard) for i in range(8)))
    other = by_id(*(counts(str(i), easy + hard, [1] * i + [0] * (10 - i) + hard) for i in range(8)))
    gain = paired(first, other, 2)
    assert gain.low > 0.03
    assert gain.high - gain.low < 0.02


def test_only_images_that_both_could_do_are_compared():
    first = by_id(counts("a", [0, 1], [0, 1]), counts("b", [0, 1], [1, 0]))
    other = by_id(counts("a", [0, 1], [0, 1]), ImageCounts("b", "damaged"))
    assert paired(first, other, 2) == paired(by_id(first["a"]), by_id(other["a"]), 2)
    assert paired(first, other, 2).low is None  # one image has no interval
    with pytest.raises(InputError, match="No image was evaluated by both"):
        paired(by_id(ImageCounts("b", "damaged")), other, 2)
