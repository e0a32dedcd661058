from dataclasses import dataclass

import pytest
import torch

from builders import tiny_radio
from radseg.errors import InputError
from radseg.evaluation.paper import published as paper
from radseg.evaluation.studies import efficiency
from radseg.evaluation.studies.efficiency import (
    BenchRequest,
    Measured,
    bench_table,
    input_size,
    measure,
    parameter_count,
    published,
    random_text,
)
from radseg.methods.radseg import RADSeg
from radseg.metrics.timing import Timing
from radseg.models.radio import Radio
from radseg.models.untrained import UntrainedTextEncoder, untrained_config
from radseg.presets import load as loading
from radseg.presets.load import load, untrained
from radseg.presets.spec import model_spec
from radseg.presets.table import PRESETS
from radseg.refine.radio_sam import SamRefiner
from radseg.text.vocabulary import Vocabulary
from radseg.types import Size


def test_a_network_in_two_places_is_counted_once():
    radio = tiny_radio()
    own = sum(p.numel() for p in radio.parameters())
    assert parameter_count(RADSeg(radio), RADSeg(radio), None) == own

    @dataclass
    class Two:
        first: RADSeg
        head: torch.nn.Module

    assert parameter_count(Two(RADSeg(radio), torch.nn.Linear(3, 2))) == own + 8


@pytest.mark.parametrize(
    ("checkpoint", "millions", "printed"),
    [("c-radio_v3-b", 105.8, 106), ("c-radio_v3-h", 660.6, 664), ("radio_v2.5-h", 660.0, 661)],
)
def test_untrained_shapes_have_about_the_papers_parameters(checkpoint, millions, printed):
    with torch.device("meta"):
        radio = Radio(untrained_config(checkpoint), language=None)
    count = sum(p.numel() for p in radio.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.06)
    assert count == pytest.approx(printed, rel=0.006)


@pytest.mark.parametrize(("checkpoint", "millions"), [("c-radio_v4-so400m", 412), ("c-radio_v4-h", 631)])
def test_radseg_on_radio_v4_can_be_built_at_its_stated_size(checkpoint, millions, monkeypatch):
    (name,) = [one for one, preset in PRESETS.items() if preset.checkpoint == checkpoint]
    seen = []
    monkeypatch.setattr(loading, "untrained_radio", lambda config, **_: seen.append(config) or tiny_radio())
    built = untrained(model_spec(name))
    assert (built.encoder.last_block.temperature, built.encoder.aggregate.temperature) == (10.0, 10.0)
    with torch.device("meta"):
        vit = Radio(seen[0], language=None).vit
    count = sum(p.numel() for key, p in vit.named_parameters() if key != "position")
    assert count / 1e6 == pytest.approx(millions, rel=0.004)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("radio_v2.5-g", "cannot be built from the catalogue's shapes; these can: c-radio_v3-b"),
        ("sam-vit-h", "cannot be built"),
    ],
)
def test_what_has_no_shape_cannot_be_built(name, message):
    with pytest.raises(InputError, match=message):
        untrained_config(name)


def test_a_version_without_sam_has_nothing_to_refine_with():
    assert [a.name for a in untrained_config("c-radio_v3-b", sam=True).adaptors] == ["siglip2", "sam"]
    with pytest.raises(InputError, match="no sam adaptor"):
        untrained_config("c-radio_v4-h", sam=True)


def test_a_preset_of_random_weights_is_the_same_every_time_and_segments():
    model = model_spec("radseg-b-paper", crop=32, stride=16)
    segmenter = untrained(model)
    image = torch.rand(3, 32, 48)
    first = segmenter.segment(image, "sky, grass", mode="assign")
    assert first.labels.shape == (32, 48)
    again = untrained(model).encode(image).features.values
    assert torch.equal(segmenter.encode(image).features.values, again)
    assert segmenter.origin["checkpoint"] == "random weights"
    assert segmenter.encoder.radio.conditioner.mean.dtype == torch.float32


def test_random_text_rows_differ_and_repeat():
    words = UntrainedTextEncoder("siglip2-giant-opt-patch16-384")
    one, two = words.embed(Vocabulary.parse("sky, grass")).values
    assert one.shape == (1536,)
    assert not torch.equal(one, two)
    assert torch.equal(words.embed(Vocabulary.parse("grass")).values[0], two)


def test_refinement_is_part_of_a_refining_preset(monkeypatch):
    monkeypatch.setattr(loading, "untrained_radio", lambda config, **_: tiny_radio())
    built = untrained(model_spec("radseg-b+"))
    assert isinstance(built.refine, SamRefiner)
    assert built.refine.sam.grid_position.isfinite().all()
    for wrong in (
        model_spec("miniature"),
        model_spec("radseg-b", language="clip"),
        model_spec("radseg-b", language_head="patch"),
    ):
        with pytest.raises(InputError, match=r"own weights|one language adaptor"):
            untrained(wrong)


def test_input_sizes_are_those_of_the_protocols():
    assert input_size("ade20k", "mid") == Size(576, 768)
    assert input_size("cityscapes", "mid") == Size(688, 1376)
    assert input_size("cocostuff", "high-released") == Size(896, 1195)


def test_the_toy_is_measured_at_every_size():
    rows = list(measure(BenchRequest(model_spec("toy"), ("voc20", "context59"), repeats=2)))
    assert [(row.dataset, row.input, row.names) for row in rows] == [
        ("voc20", Size(336, 448), 20), ("context59", Size(576, 768), 59),
    ]  # fmt: skip
    assert all(row.timing.repeats == 2 and row.timing.median > 0 for row in rows)


def test_the_protocol_leaves_the_options_that_are_given(monkeypatch):
    seen = []
    monkeypatch.setattr(efficiency, "untrained", lambda model: seen.append(model.options))
    model = model_spec("radseg-b-paper", crop=112, scra_temperature=None)
    for given in ((), ("crop",)):
        request = BenchRequest(model, ("voc20",), "low", given, random_weights=True)
        efficiency._load(request, "voc20")
    assert [(one.crop, one.stride, one.scra_temperature) for one in seen] == [
        (224, 112, None), (112, 112, None),
    ]  # fmt: skip


@pytest.mark.parametrize("preset", ["miniature", "miniature-resradio"])
def test_random_text_fits_the_model(preset):
    segmenter = load(preset)
    text = random_text(segmenter, 3)
    assert text.values.shape == (3, 96)
    assert text.space == segmenter.encoder.space


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"datasets": ("camvid",)}, "no data set 'camvid'; choose from context59"),
        ({"resolution": "huge"}, "no protocol 'huge'"),
        ({"repeats": 0}, "at least one call"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_loaded(wrong, message):
    with pytest.raises(InputError, match=message):
        BenchRequest(model_spec("toy"), **wrong)


def measured(dataset, seconds, preset="radseg-b-paper"):
    timing = Timing(seconds, seconds, seconds, 5)
    return Measured(preset, "random", dataset, Size(1, 1), 20, 105_805_808, timing, 778.2, "cpu", 1)


def test_the_paper_and_the_mean_stand_beside_our_seconds():
    rows = bench_table([measured(d, s) for d, s in zip(paper.DATASETS, (1.0, 2, 3, 4, 5), strict=True)])
    *single, mean = rows.records()
    assert [row["paper s (V100)"] for row in single] == [0.109, 0.036, 0.088, 0.112, 0.228]
    assert (single[0]["M params"], single[0]["peak MB"], single[0]["paper M"]) == (105.8, 778, 106)
    assert (mean["data set"], mean["median s"], mean["paper s (V100)"]) == ("mean", 3.0, 0.115)
    partly = bench_table([measured("voc20", 1.0), measured("ade20k", 2.0)]).records()
    assert [row["data set"] for row in partly] == ["voc20", "ade20k"]


def test_only_presets_of_the_papers_models_stand_beside_it():
    assert published("radseg-b+").parameters == 119
    assert published("radseg-h-paper").average == 0.647
    assert (published("naclip-b").parameters, published("trident-h").parameters) == (86, 1349)
    assert published("sclip-b") is published("naradio-b") is None
    assert published("radio-b") is published("miniature") is published("nothing") is None


def test_a_method_that_needs_the_prompts_is_measured():
    (row,) = measure(BenchRequest(model_spec("miniature-resradio"), ("voc20",), warmup=0, repeats=1))
    assert (row.names, row.timing.repeats) == (20, 1)
    plain = next(measure(BenchRequest(model_spec("miniature"), ("voc20",), repeats=1)))
    assert row.parameters == plain.parameters


def test_random_weights_are_for_radseg_alone():
    with pytest.raises(InputError, match="naclip-b has no shapes to build from; RADSeg's presets have"):
        list(measure(BenchRequest(model_spec("naclip-b"), ("voc20",), random_weights=True)))
