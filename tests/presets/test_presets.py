from pathlib import Path

import pytest
import torch

from builders import tiny_radio
from preset_builders import text_width, tiny_part
from radseg.errors import InputError
from radseg.methods.base import Scorer
from radseg.methods.radseg import SelfCorrelatingAggregation, SelfCorrelatingAttention
from radseg.nn.vit import standard_block
from radseg.presets.load import load
from radseg.presets.options import RadsegOptions
from radseg.presets.spec import model_spec, stated, titles_of
from radseg.presets.table import BACKBONES, METHODS, PRESETS
from radseg.types import TextEmbeddings


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_every_preset_names_a_backbone_that_is_known_and_options_of_its_method(preset):
    assert preset.published or preset.checkpoint in BACKBONES
    assert isinstance(preset.options, METHODS[preset.method].options)


@pytest.mark.parametrize("name", [n for n, p in PRESETS.items() if p.published])
def test_every_preset_builds_its_method(name):
    preset = PRESETS[name]
    parts = [tiny_part(row) for row in preset.auxiliary]
    options = preset.options.changed(preset.options.taken({"crop": None, "stride": 112}))
    row = METHODS[preset.method]
    built = row.build(tiny_part(preset.checkpoint, row.adaptors), parts, options)
    assert isinstance(built, Scorer) == row.needs_prompts(options)
    image, values = torch.rand(3, 112, 112), torch.randn(2, text_width(preset))
    text = TextEmbeddings(("a", "b"), values, (0, 1), built.space)
    found = built.score([image], text)[0] if isinstance(built, Scorer) else built.encode([image])[0].values
    assert found.isfinite().all()


def method(radio, options):
    return METHODS["radseg"].build(radio, (), options)


def test_plain_radio_has_neither_self_correlation():
    plain, full = (method(tiny_radio(), PRESETS[n].options) for n in ("radio-b", "radseg-b"))
    assert plain.last_block is standard_block
    assert plain.aggregate is None
    assert isinstance(full.last_block, SelfCorrelatingAttention)
    assert isinstance(full.aggregate, SelfCorrelatingAggregation)


def test_paper_presets_compute_as_the_released_code():
    options = PRESETS["radseg-b-paper"].options
    assert options.size_rule == "stride"
    assert options.short_side is None
    assert options.all_denoised == "first"


def test_every_option_reaches_the_method_or_the_segmenter():
    changes = {"crop": 96, "stride": 32, "size_rule": "stride", "memory_budget": 160}
    built = method(tiny_radio(), RadsegOptions().changed(changes))
    assert {name: getattr(built, name) for name in changes} == changes
    assert built.last_block.block_bytes == built.aggregate.block_bytes == 10
    assert method(tiny_radio(), RadsegOptions(scra_recursions=3)).last_block.recursions == 3
    changes = {"short_side": 9, "long_side": 8, "temperature": 7.0, "denoising": 0.6, "threshold": 0.5}
    segmenter = load("toy", **changes, all_denoised="first")
    assert {name: getattr(segmenter, name) for name in changes} == changes
    assert segmenter.all_denoised == "first"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "radseg-b", "size_rule": "Stride"}, "size_rule is 'Stride'; choose from 'patch', 'stride'"),
        (
            {"name": "radseg-b+", "refine": None},
            "refine is None; choose from 'none', 'pamr', 'pamr-cosines', 'despeckle', 'corrected'",
        ),
        ({"name": "radseg-b", "denoising": 1.5}, "denoising is 1.5; it is a probability"),
        ({"name": "radseg-b", "crop": 0}, "crop is 0; it must be at least 1"),
        ({"name": "radseg-b", "temperature": -1}, "temperature is -1; it must be above 0"),
        ({"name": "radseg-b", "scra_recursions": 0}, "scra_recursions is 0; it must be at least 1"),
        ({"name": "radio-b", "scra_recursions": 2}, "there is no SCRA to repeat"),
        ({"name": "toy", "scra_recursions": 2}, "toy has no scra_recursions"),
        ({"name": "radseg-b", "templates": "many"}, "many"),
        ({"name": "radseg-b", "device": "cuda:9"}, "'cuda:9' is not available"),
        ({"name": "toy", "refine": "corrected"}, "toy cannot refine as .corrected. .it can: none, pamr"),
        ({"name": "toy", "crop": 32}, "toy has no crop"),
        ({"name": "toy", "templates": "simple"}, "toy has no templates"),
        ({"name": "miniature", "dtype": "float16"}, "float32 only"),
        ({"name": "miniature", "language": "clip"}, "no language adaptor but its own"),
        ({"name": "miniature", "language_head": "patch"}, "its own; leave language_head out"),
        (
            {"name": "radseg-b", "language_head": "token"},
            "language_head is 'token'; choose from 'cls', 'patch'",
        ),
        ({"name": "radseg-x"}, "no model 'radseg-x' .*Did you mean radseg-h"),
        ({"name": "toy", "strid": 3}, "no option 'strid'; the options are short_side, long_side"),
        ({"name": "toy", "device": "gpu"}, "'gpu' is not a device"),
        ({"name": "naclip-b", "scra_temperature": 9.0}, "naclip-b has no scra_temperature"),
        ({"name": "naclip-b", "refine": "corrected"}, "naclip-b cannot refine as 'corrected'"),
        (
            {"name": "naclip-b", "auxiliary": {"dino-vit-b-8": "."}},
            "naclip-b uses no 'dino-vit-b-8'; .*: none",
        ),
        (
            {"name": "miniature", "auxiliary": {"sam": "."}},
            "miniature brings its own weights; leave auxiliary out",
        ),
        ({"name": "toy", "dtype": "int8"}, "no dtype 'int8'; choose from float32"),
        ({"name": "miniature", "checkpoint": "x"}, "miniature brings its own weights; leave checkpoint out"),
        ({"name": "miniature", "text_tower": "x"}, "leave text_tower out"),
        ({"name": "miniature+", "sam": "x"}, "leave sam out"),
        ({"name": "toy", "checkpoint": "x", "drop": ["y"]}, "leave checkpoint, drop out"),
        ({"name": "trident-b", "sam": "x"}, "brings a SAM of its own; .* --aux sam-vit-b-whole=PATH"),
        ({"name": "corrclip-b", "sam": "x"}, "--aux sam2.1-hiera-l=PATH"),
        ({"name": "naclip-b", "drop": ["y"]}, "Only published RADIO files hold tensors to drop; naclip-b"),
    ],
)
def test_wrong_choices_say_what_would_be_right(arguments, message):
    with pytest.raises(InputError, match=message):
        load(arguments.pop("name"), **arguments)


def test_the_miniature_uses_its_own_templates_unless_told_otherwise():
    assert load("miniature").text_encoder.templates.name == "none"
    assert load("miniature", templates="simple").text_encoder.templates.name == "simple"


@pytest.mark.parametrize("name", ["miniature-radio", "miniature-naradio", "miniature-resradio", "miniature"])
@pytest.mark.parametrize(
    "changes", [{}, {"size_rule": "stride", "scga_temperature": 10.0}, {"refine": "pamr"}]
)
def test_the_miniature_runs_every_method_it_can(name, changes):
    segmenter = load(name, short_side=96, **changes)
    result = segmenter.segment(torch.rand(3, 90, 121), ["white sofa", "red vase"], mode="assign")
    assert result.labels.shape == (90, 121)
    assert segmenter.encoder.size_rule == changes.get("size_rule", "patch")
    assert (segmenter.encoder.aggregate is None) == (
        name != "miniature" and "scga_temperature" not in changes
    )
    assert (segmenter.refine is None) == ("refine" not in changes)


def test_scra_is_radsegs_alone():
    with pytest.raises(InputError, match="miniature-naradio has no scra_temperature"):
        load("miniature-naradio", scra_temperature=10.0)


def test_a_method_whose_teacher_is_not_in_the_checkpoint_says_so():
    row = METHODS["proxyradio-s"]
    with pytest.raises(InputError, match="no feature head 'sam'"):
        row.build(tiny_part("c-radio_v3-b"), (), PRESETS["proxyradio-s-b"].options)


@pytest.mark.parametrize(
    "place", [{"dtype": "bfloat16"}, {"text_dtype": "int8"}, {"drop": ("head.",)}, {"scra_recursions": 2}]
)
def test_what_decides_results_tells_two_runs_apart(place):
    assert model_spec("radseg-b", **place).parameters() != model_spec("radseg-b").parameters()


@pytest.mark.parametrize("place", [{"device": "cuda"}, {"accept_license": True}, {"memory_budget": 2**28}])
def test_where_a_run_computes_does_not(place):
    assert model_spec("radseg-b", **place).parameters() == model_spec("radseg-b").parameters()


def test_results_call_a_file_by_its_name_and_never_as_the_row_of_the_catalogue_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.pth", "c-radio_v3-b"):
        (tmp_path / "weights" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "weights" / name).touch()
    (tmp_path / "link.pth").symlink_to(tmp_path / "weights/mine.pth")
    assert stated("c-radio_v3-b") == "c-radio_v3-b"
    assert stated("weights/mine.pth") == stated(str(tmp_path / "weights/mine.pth")) == "mine.pth"
    assert stated("link.pth") == "link.pth"
    assert stated(f"{tmp_path}/weights/c-radio_v3-b") == "./c-radio_v3-b"
    assert stated(f"{tmp_path}/gone.pth") == "gone.pth"


def test_models_of_equally_named_weights_have_titles_of_their_own(tmp_path: Path) -> None:
    for name in ("one/a.pth", "two/a.pth", "two/b.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    models = [model_spec(tmp_path / name) for name in ("one/a.pth", "two/a.pth", "two/b.pth")]
    titles = titles_of([*models, model_spec("radseg-b")])
    assert titles == ("radseg-b (one/a.pth)", "radseg-b (two/a.pth)", "radseg-b (b.pth)", "radseg-b")
