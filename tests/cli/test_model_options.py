"""The options that choose a model: their place in the help, completion, `-O`, and what they become."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_builders import Command

from radseg.cli.analyse import analyse_app
from radseg.cli.app import app
from radseg.cli.map import map_app
from radseg.cli.model_options import ModelChoice, complete_model
from radseg.cli.models import pull
from radseg.presets.table import PRESETS


def test_everyday_options_come_first_and_the_methods_numbers_have_a_panel(radseg: Command) -> None:
    """Panels of `segment --help`, in their order, and some options of each."""
    text = radseg("segment", "--help").stdout
    panels = ["Options", "Prompts", "Run", "Method (default: the model's own)", "Weights", "Machine"]
    starts = [text.index(f"─ {title} ─") for title in panels]
    assert starts == sorted(starts)
    inside = {title: text[a:b] for title, a, b in zip(panels, starts, [*starts[1:], len(text)], strict=True)}
    for option, title in (
        ("--model", "Options"), ("--prompt", "Prompts"), ("--templates", "Prompts"), ("--output", "Run"),
        ("--stride", panels[3]), ("--scra", panels[3]), ("--option", panels[3]), ("--plugin", "Weights"),
        ("--aux", "Weights"), ("--device", "Machine"), ("--memory-budget", "Machine"),
    ):  # fmt: skip
        assert [one for one, part in inside.items() if f" {option} " in part.replace(",", " ")] == [title]


@pytest.mark.parametrize(
    ("verb", "default"),
    [
        ("segment", "Default: radseg-b or another whose weights are here"),
        ("eval", "Default: radseg-b."),
        ("ablate", "Default: radseg-b-paper."),
        ("bench", "Default: radseg-b-paper."),
        ("compare", "Default: miniature-radio, miniature-naradio, miniature-resradio, miniature."),
    ],
)
def test_the_help_names_the_model_that_is_used_without_one(radseg: Command, verb: str, default: str) -> None:
    text = " ".join(radseg(verb, "--help").stdout.replace("│", " ").split())
    assert default in text


def test_every_verb_that_loads_can_leave_tensors_out() -> None:
    """A message names --drop, so it must be there."""
    loading = {
        command.callback for group in (app, map_app, analyse_app) for command in group.registered_commands
        if "device" in inspect.signature(command.callback).parameters
    }  # fmt: skip
    assert len(loading) == 15
    for verb in (*loading, pull):
        assert "drop" in inspect.signature(verb).parameters, verb


def test_tensors_to_drop_go_to_the_models_that_read_a_radio() -> None:
    choice = ModelChoice(("radseg-b", "miniature", "naclip-b"), {"drop": ("base.x",)})
    assert [spec.drop for spec in choice.specs(())] == [("base.x",), (), ()]


def test_model_names_complete() -> None:
    assert complete_model("radseg-b") == ["radseg-b", "radseg-b+", "radseg-b-paper"]
    assert complete_model("") == list(PRESETS)
    assert complete_model("nothing") == []


def test_a_shell_gets_the_names_and_nothing_heavy_is_loaded(repository: Path) -> None:
    code = (
        "import sys; sys.argv = ['radseg']\n"
        "from radseg.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({'torch', 'numpy', 'transformers'} & set(sys.modules)))\n"
    )
    typed = {"COMP_WORDS": "radseg segment photo.jpg -m naradio", "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=False,  # completion ends with a code of its own
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(repository / "src"),
            "_RADSEG_COMPLETE": "complete_bash",
            **typed,
        },
    )
    assert done.stdout.split() == ["naradio-b", "[]"], done.stderr


def test_any_number_of_the_method_is_set_by_name(radseg: Command, photo: Path) -> None:
    result = radseg(
        "segment", photo, "-p", "red, blue", "-m", "toy", "-o", "out",
        "--temperature", "50", "-O", "all_denoised=first", "-O", "long_side=native",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    parameters = json.loads(Path("out/manifest.jsonl").read_text().splitlines()[0])["parameters"]
    chosen = {name: parameters[f"option {name}"] for name in ("temperature", "all_denoised", "long_side")}
    assert chosen == {"temperature": 50, "all_denoised": "first", "long_side": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "0"], "it must be above 0, at most 1000"),
        (["-O", "temprature=50"], "no option 'temprature'; did you mean 'temperature'?"),
        (["-O", "stride=112"], "toy has no stride; leave it out, or use miniature."),
        (["-O", "temperature"], "write NAME=VALUE, such as min_area=400"),
        (["-O", "denoising=1", "-O", "denoising=0"], "--option names 'denoising' twice"),
        (["-O", "denoising=high"], "denoising is 'high'; it is a probability, from 0 to 1"),
        (["-O", "short_side=99.5"], "short_side is 99.5; it must be at least 1, a whole number"),
        (["-O", "memory_budget=1.5"], "memory_budget is 1.5; it must be at least 1, a whole number"),
        (["-O", "refine=some"], "refine is 'some'; choose from 'none', 'pamr'"),
        (["-O", "denoising=0.1", "--denoise", "0.2"], "Leave denoising out of --option"),
        (["-O", "text_tower=x"], "Leave text_tower out of --option"),
    ],
)
def test_a_number_that_cannot_be_set_is_explained(
    radseg: Command, photo: Path, arguments: list[str], message: str
) -> None:
    result = radseg("segment", photo, "-p", "red", "-m", "toy", *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
