"""Files and functions that pages for contributors name exist; the table of rooms is the tested one."""

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from repository.test_architecture import ALLOWED

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "radseg"
PAGES = [ROOT / name for name in ("docs/architecture.md", "CONTRIBUTING.md", "docs/methods/README.md")]
ROOMS = {path.stem for path in SOURCE.iterdir()}
MADE = {"docs/api/index.html"}  # by `make docs`


def wrong(text):
    """Return the names in backticks that are paths to nothing, or dotted names that nothing has."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    names = re.findall(r"`([\w./…-]+)`", prose)
    return [name for name in names if not (exists(name) if is_path(name) else resolves(name))]


def is_path(name):
    return "/" in name or name.endswith((".py", ".md", ".toml"))


def exists(name):
    """NAME stands for what is to be added: the folder must be there."""
    path = name if "NAME" not in name else str(Path(name).parent)
    return name in MADE or any((base / path).exists() for base in (ROOT, SOURCE))


def resolves(name):
    """Return whether a dotted name that begins with a room is a module, or something that one has."""
    first, *rest = name.split(".")
    if first not in ROOMS or not rest:
        return True
    found = importlib.import_module(f"radseg.{first}")
    for i, part in enumerate(rest, start=1):
        if dataclasses.is_dataclass(found) and part in {f.name for f in dataclasses.fields(found)}:
            return i == len(rest)
        if not hasattr(found, part):
            try:
                importlib.import_module(f"{found.__name__}.{part}")
            except (AttributeError, ImportError):
                return False
        found = getattr(found, part)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_names_on_the_page_exist(page):
    assert wrong(page.read_text()) == []


@pytest.mark.parametrize(
    "name", ["presets/part.py", "methods/nowhere/NAME.py", "presets.load.mend", "scoring.Cosines.off"]
)
def test_a_false_name_is_found(name):
    assert wrong(f"See `{name}`.") == [name]


@pytest.mark.parametrize("name", ["presets/parts.py", "presets.load.ensure", "methods.base.Scorer.score"])
def test_a_true_name_is_not(name):
    assert wrong(f"See `{name}`.") == []


def test_the_table_of_rooms_is_what_the_architecture_test_allows():
    page = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([\w, –]+) \|$", page, re.MULTILINE)
    assert {room: set(allowed.split(", ")) - {"–"} for room, allowed in rows} == ALLOWED
