"""The door for methods, presets, backbones, datasets and plugins of one's own, and what it refuses."""

from dataclasses import dataclass, field
from unittest import mock

import pytest
import torch
from typer.testing import CliRunner

from radseg.cli.app import app
from radseg.datasets import catalog as datasets
from radseg.datasets.catalog import register_dataset
from radseg.errors import InputError, MissingFileError
from radseg.presets import (
    Options,
    Preset,
    RadsegOptions,
    WindowOptions,
    plugins,
    register_backbone,
    register_method,
    register_preset,
)
from radseg.presets.load import load
from radseg.presets.table import BACKBONES, METHODS, PRESETS
from radseg.types import LanguageFeatures


@pytest.fixture(autouse=True)
def _own_registries():
    registries = (METHODS, PRESETS, BACKBONES, datasets.REGISTERED)
    with mock.patch.dict(METHODS), mock.patch.dict(PRESETS), mock.patch.dict(BACKBONES):
        plugins._load.cache_clear()
        before = dict(datasets.REGISTERED)
        yield registries
        datasets.REGISTERED.clear()
        datasets.REGISTERED.update(before)


@dataclass(frozen=True)
class Returns:
    """An encoder that returns what it is given, whatever is asked."""

    value: object
    space: str = "toy-colour"

    def encode(self, images):
        return self.value


@dataclass(frozen=True)
class Scores:
    value: object
    space: str = "toy-colour"

    def score(self, images, text):
        return self.value


def segmenter_of(encoder):
    register_method("mine", lambda *_: encoder, options=Options, text_dependent=isinstance(encoder, Scores))
    register_preset(Preset("mine", "toy", Options(short_side=None), "mine", "mine"))
    return load("mine")


FEATURES = torch.zeros(126, 2, 3)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "Returns.encode gave NoneType for 1 images; it must give one LanguageFeatures"),
        ([], "Returns.encode gave 0 values for 1 images"),
        (
            [FEATURES],
            r"Returns.encode gave a Tensor of shape \(126, 2, 3\); it must give one LanguageFeatures",
        ),
        ([LanguageFeatures(FEATURES, "other")], "in space 'other'; .* in its space 'toy-colour'"),
        ([LanguageFeatures(FEATURES[0], "toy-colour")], r"a Tensor of shape \(2, 3\)"),
    ],
)
def test_what_an_encoder_returns_wrongly_is_named(value, message):
    segmenter = segmenter_of(Returns(value))
    for use in (lambda i: segmenter.segment(i, "red, blue"), segmenter.encode):
        with pytest.raises(InputError, match=message):
            use(torch.zeros(3, 16, 24))


@pytest.mark.parametrize("value", [None, [], [torch.zeros(1, 2, 3)], ["x"]])
def test_what_a_scorer_returns_wrongly_is_named(value):
    with pytest.raises(InputError, match=r"Scores.score gave .*one tensor \"r h w\" with r = 3 per image"):
        segmenter_of(Scores(value)).segment(torch.zeros(3, 16, 24), "red, blue")


def test_a_method_of_ones_own_is_loaded_with_its_own_options():
    @dataclass(frozen=True, kw_only=True)
    class Gain(Options):
        gain: float = 2.0

    register_method("gain", lambda toy, _, options: Returns(options.gain), options=Gain)
    register_preset(Preset("gain", "toy", Gain(), "mine", "gain"))
    assert load("gain", gain=3.0).encoder.value == 3.0
    with pytest.raises(InputError, match="no option 'gian'; did you mean 'gain'"):
        load("gain", gian=3.0)
    with pytest.raises(InputError, match="gain has no crop; leave it out, or use radseg-b"):
        load("gain", crop=3)


def test_a_build_that_fails_is_named_as_the_methods():
    register_method("mine", lambda backbone: backbone, options=Options)
    register_preset(Preset("mine", "toy", Options(), "mine", "mine"))
    with pytest.raises(
        InputError, match="The method 'mine' cannot be built: TypeError: .*takes 1 positional"
    ):
        load("mine")


def test_names_that_are_taken_and_wrong_rows_are_refused():
    with pytest.raises(InputError, match="a method 'radseg' already"):
        register_method("radseg", lambda *_: None)
    with pytest.raises(InputError, match="a preset 'toy' already"):
        register_preset(PRESETS["toy"])
    with pytest.raises(InputError, match="a backbone 'miniature' already"):
        register_backbone("miniature", lambda *_: None, lambda _: None)
    with pytest.raises(InputError, match="a dataset 'ade20k' already"):
        register_dataset("ade20k", lambda _: None)
    with pytest.raises(InputError, match="names the method 'absent', which is not registered"):
        register_preset(Preset("x", "toy", Options(), "", "absent"))
    with pytest.raises(InputError, match="has WindowOptions; its method 'radseg' takes RadsegOptions"):
        register_preset(Preset("x", "miniature", WindowOptions(), ""))
    register_preset(Preset("x", "miniature", RadsegOptions(), ""))


def test_a_backbone_of_ones_own_brings_its_weights():
    seen = []

    @dataclass(frozen=True)
    class Words:
        space: str = "toy-colour"
        seen: list = field(default_factory=list)

    register_backbone("own", lambda device, dtype: seen.append(dtype) or Returns(None), lambda _: Words())
    register_method("itself", lambda backbone, *_: backbone, options=Options)
    register_preset(Preset("own", "own", Options(), "", "itself"))
    assert isinstance(load("own").text_encoder, Words)
    assert seen == [torch.float32]
    with pytest.raises(InputError, match="own computes in float32 only, not in float16"):
        load("own", dtype="float16")
    with pytest.raises(InputError, match="own brings its own weights; leave checkpoint out"):
        load("own", checkpoint="x")


def test_a_plugin_that_fails_is_named_with_its_line(tmp_path):
    (tmp_path / "bad.py").write_text("x = 1\n\ny = x.nothing\n")
    with pytest.raises(InputError, match=r"The plugin bad.py fails at line 3: AttributeError: .*nothing"):
        plugins.load_plugins([tmp_path / "bad.py"])
    with pytest.raises(MissingFileError, match="no plugin .*absent.py"):
        plugins.load_plugins([tmp_path / "absent.py"])


def test_a_plugin_is_run_once(tmp_path):
    (tmp_path / "once.py").write_text(
        "from radseg.presets import register_method\nregister_method('once', lambda *_: None)\n"
    )
    plugins.load_plugins([tmp_path / "once.py", tmp_path / "once.py"])
    plugins.load_plugins([tmp_path / "once.py"])
    assert "once" in METHODS


def test_installed_plugins_are_imported_when_models_are_looked_up(monkeypatch):
    class Entry:
        name, dist = "mine", None

        def load(self):
            register_method("from-a-package", lambda *_: None)

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()] if group == plugins.GROUP else [])
    plugins.load_installed.cache_clear()
    load("toy")
    plugins.load_installed.cache_clear()
    assert "from-a-package" in METHODS


def test_the_list_of_models_has_those_of_installed_plugins(monkeypatch):
    class Entry:
        name, dist = "mine", None

        def load(self):
            register_preset(Preset("from-a-package", "toy", Options(), "not ours", "toy"))

    monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry()])
    plugins.load_installed.cache_clear()
    done = CliRunner().invoke(app, ["models", "list", "--log-format", "json"])
    plugins.load_installed.cache_clear()
    assert done.exit_code == 0, done.output
    assert '"model": "from-a-package"' in done.stdout
