"""Everything typed in the documentation is executed; the toy model stands in for weights."""

import re
import shlex
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from query_builders import description, sums
from radseg import testing
from radseg.cli.app import app
from radseg.datasets.catalog import REGISTERED
from radseg.mapping.manifest import MapManifest, write_manifest
from radseg.mapping.voxel_map import VoxelMap
from radseg.presets import plugins
from radseg.presets.table import BACKBONES, METHODS, PRESETS
from recordings import write_recording

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"cli.md"}
EXTERNAL = ("make", "git", "pip", "cd", "uv")  # run by CI itself, or not ours to run


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A folder with a photo and a folder of photos; "radseg-b" answers with colours for any word."""
    monkeypatch.chdir(tmp_path)
    stack = ExitStack()
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    for name in ("photo.jpg", "street.jpg", "photos/one.jpg", "photos/two.png"):
        Image.fromarray(image).save(tmp_path / name)
    write_recording(tmp_path / "recording")
    for registry in (METHODS, PRESETS, BACKBONES, REGISTERED):  # what a page registers ends with its test
        stack.enter_context(mock.patch.dict(registry))
    plugins._load.cache_clear()
    for page in PAGES:
        for block in blocks(page, "python"):
            if named := re.match(r"# (\w+\.py)\n", block):  # a file that the page's commands name
                (tmp_path / named[1]).write_text(block)
    toy = PRESETS["toy"]
    for name in [name for name, preset in PRESETS.items() if preset.published]:
        monkeypatch.setitem(PRESETS, name, replace(toy, name=name))
    toy_map(tmp_path / "kitchen-map")
    known, colours = testing.COLOURS, list(testing.COLOURS.values())
    any_word = {word: colours[sum(word.encode()) % len(colours)] for word in ("sky", "grass", "sheep", "dog")}
    monkeypatch.setattr(
        testing, "_colour", lambda word: known.get(word.split()[0]) or any_word.get(word, colours[0])
    )
    with stack:
        yield tmp_path


def toy_map(folder):
    """Write a map that the toy model answers."""
    voxels = VoxelMap(description(encoder={"preset": "toy", "options": {}}), folder=folder)
    voxels.add(sums())
    write_manifest(folder, MapManifest(voxels.description, voxels.flush()))


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_of_the_page_runs(page, world):
    scope = {"__name__": "documentation"}
    for i, block in enumerate(blocks(page, "python")):
        exec(compile(block, f"{page.name} block {i}", "exec"), scope)


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in GENERATED], ids=lambda p: p.name)
def test_commands_of_the_page_run(page, world):
    for block in blocks(page, "console"):
        for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            run_command(line)


def run_command(line):
    words = shlex.split(line.split("#")[0])
    if words[0] in EXTERNAL:
        return
    assert words[0] == "radseg", f"what is {line!r}?"
    if words[1] == "models" and words[2] in ("pull", "verify"):
        return  # needs the network; tests/weights covers both against a local server
    if "--cells" in words:
        return  # asks the published presets, which the toy stands in for here; test_cells.py calls it
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, f"{line}: {done.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_example_runs(example, world):
    exec(compile(example.read_text(), str(example), "exec"), {"__name__": "__main__"})


def test_there_are_examples():
    assert len(EXAMPLES) >= 4
