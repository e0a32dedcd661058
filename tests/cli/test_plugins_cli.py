"""`--plugin FILE.py`: a method of somebody's own goes through every verb that takes a model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_builders import Command, folder_options

from radseg.mapping.semantic_map import SemanticMap
from radseg.presets.table import METHODS, PRESETS
from recordings import write_recording

SHADE = """
from dataclasses import dataclass
from typing import Any

from radseg.presets import Options, Preset, register_method, register_preset


@dataclass(frozen=True, kw_only=True)
class ShadeOptions(Options):
    gamma: float = 1.0


@dataclass(frozen=True)
class Shade:
    toy: Any
    gamma: float
    space: str = "toy-colour"

    def encode(self, images):
        return self.toy.encode([image**self.gamma for image in images])


register_method("shade", lambda toy, _, options: Shade(toy, options.gamma), options=ShadeOptions)
register_preset(Preset("shade", "toy", ShadeOptions(short_side=None), "colours after a gamma", "shade"))
"""


@pytest.fixture
def shade(tmp_path: Path) -> Iterator[tuple[str | Path, ...]]:
    """Name the model "shade" and the file that registers it."""
    plugin = tmp_path / "shade.py"
    plugin.write_text(SHADE)
    yield "-m", "shade", "--plugin", plugin
    PRESETS.pop("shade", None)
    METHODS.pop("shade", None)


def test_its_labels_and_its_own_option_are_in_the_results(
    radseg: Command, photo: Path, shade: tuple[str, ...]
) -> None:
    result = radseg("segment", photo, "-p", "red, blue", *shade, "-o", "out", "-O", "gamma=1.5")
    assert result.exit_code == 0, result.output
    first = json.loads(Path("out/manifest.jsonl").read_text().splitlines()[0])
    assert (first["parameters"]["model"], first["parameters"]["option gamma"]) == ("shade", 1.5)
    dark = radseg("segment", photo, "-p", "red, black", *shade, "-o", "dark", "-O", "gamma=50")
    assert "black  100.0%" in dark.stdout
    wrong = radseg("segment", photo, "-p", "red", *shade, "-O", "gama=1.5")
    assert (wrong.exit_code, "no option 'gama'; did you mean 'gamma'?" in wrong.stderr) == (2, True)
    other = radseg("segment", photo, "-p", "red", "-m", "toy", "-O", "gamma=1.5")
    assert (other.exit_code, "toy has no gamma; leave it out." in other.stderr) == (2, True)


def test_it_is_compared_with_another_model(radseg: Command, photo: Path, shade: tuple[str, ...]) -> None:
    result = radseg("compare", photo, "-p", "red, blue", *shade, "-m", "toy")
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["shade", "toy", "Written"]


def test_it_is_evaluated_and_the_report_says_what_is_known_of_it(
    radseg: Command, labelled: Path, shade: tuple[str, ...]
) -> None:
    result = radseg("eval", "folder", *folder_options(labelled), *shade, "-o", "out", "--limit", "2")
    assert result.exit_code == 0, result.output
    assert "100.00 %" in result.stdout
    assert "the paper does not compare the method 'shade'" in radseg("report", "out").stdout
    del PRESETS["shade"]  # as for somebody who has no such plugin
    assert "the preset 'shade' is not known here, so neither is its method" in radseg("report", "out").stdout


def test_its_own_option_is_ablated(radseg: Command, labelled: Path, shade: tuple[str, ...]) -> None:
    more = ("--on", "folder", *folder_options(labelled), "--limit", "2", "-o", "out", "--no-plot")
    result = radseg("ablate", "gamma=1,50", *shade, *more)
    assert result.exit_code == 0, result.output
    rows = json.loads(Path("out/gamma.json").read_text())["rows"]
    assert [(row["row"], row["position"], row["options"]) for row in rows] == [
        ("1", 1.0, {"gamma": 1}), ("50", 50.0, {"gamma": 50}),
    ]  # fmt: skip
    assert rows[0]["mIoU %"] == 100
    assert rows[1]["gain"] < -50


def test_its_map_is_built_and_asked(radseg: Command, tmp_path: Path, shade: tuple[str, ...]) -> None:
    recording = write_recording(tmp_path / "recording")
    built = radseg("map", "build", recording, *shade, "-o", "map", "--no-check")
    assert built.exit_code == 0, built.output
    assert SemanticMap.open(tmp_path / "map").description.encoder["preset"] == "shade"
    found = json.loads(radseg("query", "map", "red", *shade[2:], "--json").stdout)
    assert found["names"]["red"]["found"]
    del PRESETS["shade"]
    unknown = radseg("query", "map", "red")
    assert (unknown.exit_code, "no model 'shade'" in unknown.stderr) == (2, True), unknown.output


def test_it_is_measured_in_a_process_of_its_own(radseg: Command, shade: tuple[str, ...]) -> None:
    result = radseg("bench", *shade, "--on", "voc20", "--repeats", 1, "--warmup", 0)
    assert result.exit_code == 0, result.output
    assert "| shade " in result.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no plugin {file}; name a Python file."),
        ("import json\n\njson.loads('')\n", "The plugin mine.py fails at line 3: JSONDecodeError: "),
        ("x = 1\ndef f(:\n", "The plugin mine.py fails: SyntaxError: invalid syntax (mine.py, line 2)"),
        (
            "from radseg.presets import register_method\nregister_method('radseg', None)\n",
            "The plugin mine.py fails: There is a method 'radseg' already; choose another name.",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used_says_where(
    radseg: Command, photo: Path, tmp_path: Path, content: str | None, message: str
) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    result = radseg("segment", photo, "-p", "red", "-m", "toy", "--plugin", file)
    assert result.exit_code == 2
    assert message.format(file=file) in result.stderr
