"""Other methods beside the paper: the right row, their own options, and no verdict too many."""

from dataclasses import asdict, replace

import pytest

from evaluation_builders import changed, paper_run
from radseg.datasets.catalog import BENCHMARKS
from radseg.evaluation.paper import published as paper
from radseg.evaluation.paper.methods import OTHERS
from radseg.evaluation.paper.protocols import constants, protocol, released_names
from radseg.evaluation.report.comparison import compare, tolerance
from radseg.evaluation.report.report import render
from radseg.presets.load import check
from radseg.presets.spec import model_spec
from radseg.presets.table import METHODS, PRESETS

VOC = BENCHMARKS["voc20"].names
PUBLISHED = {
    "scclip-b": {"size_rule": "pixel", "enlarge": "cosines"},
    "proxyclip-b": {"size_rule": "pad", "enlarge": "cosines"},
    "proxyclip-h": {"size_rule": "pad", "enlarge": "cosines"},
    "trident-h": {"size_rule": "up", "enlarge": "cosines", "refine": "reference"},
}
"""What a preset without a -paper preset of its method is run with, to be compared."""


def run_of(preset, dataset="context59", name="mid", miou=40.0, **options):
    """A whole run of a preset on a data set, as `radseg eval` would record it."""
    known = PRESETS[preset]
    model = model_spec(preset, defaults=protocol(dataset, name).options, **options)
    run = paper_run(dataset, name=name, miou=miou)
    names = released_names(dataset, BENCHMARKS[dataset].names, known.method)
    run = replace(run, preset=preset, options=asdict(model.options), names=names)
    return changed(run, "model", checkpoint=known.checkpoint, version=known.checkpoint)


@pytest.mark.parametrize(
    ("preset", "dataset", "name", "value"),
    [
        ("naclip-b-paper", "ade20k", "mid", 17.78),
        ("resclip-b-paper", "ade20k", "low", 18.03),
        ("scclip-b", "cityscapes", "high", 41.24),
        ("proxyclip-b", "voc20", "mid", 80.31),
        ("proxyclip-h", "cocostuff", "low", 26.19),
        ("trident-b-paper", "context59", "mid", 42.16),
        ("trident-h", "context59", "mid", 44.32),
        ("textregion-b", "ade20k", "high", 22.55),
        ("textregion-h-paper", "voc20", "low", 89.53),
        ("talk2dino-b", "context59", "high", 40.23),
        ("rayfronts-b-paper", "ade20k", "mid", 24.63),
        ("naradio-b", "ade20k", "mid", 27.19),
        ("proxyradio-d-b", "cityscapes", "mid", 42.87),
        ("proxyradio-s-b", "cityscapes", "mid", 44.04),
        ("resradio-b", "voc20", "mid", 87.96),
    ],
)
def test_a_run_by_the_book_gets_the_papers_value_and_a_verdict(preset, dataset, name, value):
    found = compare(run_of(preset, dataset, name, miou=value, **PUBLISHED.get(preset, {})))
    assert found.row.of(dataset) == value
    assert found.verdict == "agrees", found.reasons


@pytest.mark.parametrize(
    ("preset", "off", "verdict"),
    [("scclip-b", 0.5, "agrees"), ("textregion-b", -0.51, "below"), ("naclip-b-paper", 0.21, "above")],
)
def test_the_tolerance_is_the_methods(preset, off, verdict):
    value = {"scclip-b": 20.68, "textregion-b": 21.74, "naclip-b-paper": 17.78}[preset]
    run = run_of(preset, "ade20k", miou=value + off, **PUBLISHED.get(preset, {}))
    assert compare(run).verdict == verdict


def test_tolerances_of_methods_are_those_of_the_spec():
    wide = {m for m in METHODS if tolerance("ade20k", m) == 0.5}
    assert wide == {
        "scclip",
        "resclip",
        "resclip-paper",
        "textregion",
        "textregion-paper",
        "textregion-paper-unit",
        "resradio",
    }
    assert tolerance("voc20", "naclip") == 0.3


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_of("resclip-b", "ade20k"), "resclip-b-paper computes it as published"),
        (run_of("rayfronts-b", "ade20k"), "rayfronts-b-paper computes it as published"),
        (run_of("trident-b"), "refine is 'corrected', not 'reference'"),
        (run_of("trident-b-paper", "cityscapes"), "cuts these wide images in halves"),
        (run_of("resclip-b-paper", residual_share=0.3), "residual_share is 0.3, not 0.4"),
        (run_of("trident-b-paper", "ade20k", below_zero=None), "below_zero is None, not 0.6"),
        (run_of("naclip-b"), "enlarge is 'probabilities', not 'cosines'; size_rule is 'patch', not 'pixel'"),
        (run_of("proxyclip-h"), "size_rule is 'patch', not 'pad'"),
        (run_of("trident-h", refine="reference", enlarge="cosines"), "size_rule is 'patch', not 'up'"),
        (run_of("naclip-b", "voc20", "low"), "NACLIP's own, of whole images"),
        (
            replace(run_of("naclip-b", "voc20"), names=released_names("voc20", VOC)),
            "asked for by other names",
        ),
        (run_of("naclip-b", stride=336), "stride is 336, not 224"),
        (run_of("naclip-b", temperature=100.0), "temperature is 100.0, not 40.0"),
        (run_of("proxyradio-d-b", scga_temperature=10.0), "scga_temperature is 10.0, not None"),
    ],
)
def test_what_differs_from_the_published_run_forbids_a_verdict_and_is_named(run, reason):
    found = compare(run)
    assert found.verdict == "not comparable"
    assert reason in "; ".join(found.reasons)
    assert found.difference is not None


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (run_of("sclip-b"), "the paper does not compare the method 'sclip'"),
        (run_of("naradio-b", name="low"), "no such method"),
        (changed(run_of("naclip-b"), "model", checkpoint="clip-vit-l-14", version=None), "for naclip"),
    ],
)
def test_what_the_paper_has_not_measured_gets_no_number(run, reason):
    found = compare(run)
    assert (found.row, found.verdict) == (None, "not comparable")
    assert reason in "; ".join(found.reasons)


def test_without_a_data_set_of_the_paper_no_option_is_held_against_a_run():
    own = replace(run_of("naradio-b"), dataset="folder", protocol=protocol("folder", "own").as_dict())
    assert compare(own).reasons == ("the paper has no data set 'folder'",)


def test_every_method_of_the_papers_tables_can_be_compared():
    printed = {(row.table, row.method) for row in (*paper.TABLE_A2, *paper.TABLE_A8)}
    ours = {(one.table, one.name) for one in OTHERS.values()}
    again_in_a8 = {("A.8", name) for name in ("NACLIP", "ProxyCLIP", "ResCLIP", "RADSeg")}
    assert printed - ours - again_in_a8 == {("A.2", "RADSeg"), ("A.2", "RADSeg+")}


def test_memory_does_not_matter():
    run = run_of("naclip-b-paper", "ade20k", miou=17.78, memory_budget=1)
    assert compare(run).verdict == "agrees"


def test_the_report_shows_another_methods_row():
    page = render([run_of("proxyclip-b", "voc20", miou=80.31)])
    assert "A.2: ProxyCLIP, base" in page
    assert "agrees" in page


def tables_of(preset):
    """The tables of the paper that have a row for a preset's method on its backbone."""
    if preset.method == "radseg":
        rows = (
            [paper.TABLE_A4] if preset.options.scra_temperature is None else [paper.TABLE_A2, paper.TABLE_A4]
        )
        measured = {"c-radio_v3-b", "c-radio_v3-h", "radio_v2.5-b", "radio_v2.5-l", "radio_v2.5-h"}
        return {table[0].table for table in rows if preset.checkpoint in measured}
    if preset.method in ("scclip-paper", "proxyclip-paper"):  # means over all windows, as only A.3 has them
        return {"A.3"}
    known = OTHERS.get(preset.method) or OTHERS.get(preset.method.partition("-paper")[0])
    return {known.table} if known and preset.checkpoint in known.sizes else set()


@pytest.mark.parametrize("preset", [p for p in PRESETS.values() if p.published], ids=lambda p: p.name)
def test_a_preset_names_its_table_of_the_paper_or_says_that_it_is_unmeasured(preset):
    known = tables_of(preset)
    assert preset.paper in known if known else preset.paper is None
    assert ("unmeasured" in preset.note) == (not known)


def options_of(preset, name="low", dataset="ade20k"):
    """Options of a preset under a protocol."""
    return model_spec(preset, defaults=protocol(dataset, name).options).options


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_takes_the_protocols(preset):
    for name in ("low", "high-released", "mid-patch"):
        check(model_spec(preset, defaults=protocol("ade20k", name).options))
        assert (options_of(preset, name).short_side, options_of(preset, name).all_denoised) == (None, "first")


def test_a_protocol_leaves_another_method_its_own_numbers():
    options = options_of("naclip-b")
    assert (options.temperature, options.denoising, options.size_rule) == (40.0, 0.0, "patch")
    assert (options.crop, options.stride, options.short_side) == (224, 112, None)
    assert options_of("talk2dino-b").templates == "imagenet7"
    radio = options_of("rayfronts-b")
    assert (radio.temperature, radio.crop, radio.size_rule) == (100.0, 224, "stride")


@pytest.mark.parametrize("preset", ["resclip-b-paper", "trident-b-paper"])
@pytest.mark.parametrize("dataset", BENCHMARKS)
def test_constants_tuned_per_data_set_are_those_of_the_row(preset, dataset):
    tuned = constants(PRESETS[preset].method, dataset)
    options = asdict(options_of(preset, dataset=dataset))
    assert tuned
    assert {name: options[name] for name in tuned} == tuned
    reasons = compare(run_of(preset, dataset)).reasons
    assert [("halves" in why) for why in reasons] == [True] * ((preset[0], dataset) == ("t", "cityscapes"))


def test_they_are_the_published_ones_where_data_sets_differ():
    shares = [constants("resclip", name)["residual_share"] for name in BENCHMARKS]
    assert shares == [0.6, 0.4, 0.4, 0.3, 0.2]
    guidance = [tuple(constants("trident-paper", name).values()) for name in BENCHMARKS]
    assert guidance == [(0.0, None), (1.2, None), (1.2, None), (1.2, 0.6), (3.0, 0.6)]
    assert (constants("naclip", "voc20"), constants("trident", "folder")) == ({}, {})
    defaults = asdict(PRESETS["resclip-b"].options)
    assert constants("resclip", "ade20k").items() <= defaults.items()


def test_the_methods_in_sclips_harness_ask_for_vocs_person_by_seven_phrases():
    counts = [name.count(", ") + 1 for name in released_names("voc20", VOC, "resclip-paper")]
    assert (counts[14], counts[19], sum(counts)) == (7, 5, 30)
    plain = [name for name in released_names("voc20", VOC, "naclip") if ", " not in name]
    assert plain == [name for name in released_names("voc20", VOC) if name not in ("person", "tvmonitor")]
    assert released_names("ade20k", BENCHMARKS["ade20k"].names, "naclip")[0] == "wall"


@pytest.mark.parametrize(("dataset", "at"), [("voc20", 14), ("cityscapes", 11), ("ade20k", 12)])
def test_corrclip_asks_for_people_on_the_two_sets_where_that_is_known(dataset, at):
    names = BENCHMARKS[dataset].names
    assert names[at] == "person"
    people = released_names(dataset, names, "corrclip-radio")
    assert people[at] == ("person" if dataset == "ade20k" else "people")
    plain = released_names(dataset, names)
    assert [*people[:at], *people[at + 1 :]] == [*plain[:at], *plain[at + 1 :]]
