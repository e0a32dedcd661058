"""`make docs`: the API reference that docs/generate_api.py writes from the docstrings."""

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("pdoc", reason="the API reference needs the extra 'docs'")
SCRIPT = Path(__file__).resolve().parents[2] / "docs/generate_api.py"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location("generate_api", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(generator, tmp_path_factory):
    """Three pages of it; all of them take half a minute."""
    folder = tmp_path_factory.mktemp("api")
    generator.generate(folder, ["radseg", "radseg.ops", "radseg.ops.correlation"])
    return folder


def text(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.read_text()).replace("&#39;", "'"))


def test_shapes_in_signatures_read_as_in_the_source(site):
    page = text(site / "radseg/ops/correlation.html")
    assert "tokens: Float[Tensor, '*b t d'], values: Float[Tensor, '*b t e']" in page


def test_arguments_of_a_docstring_are_a_list(site):
    page = (site / "radseg/ops/correlation.html").read_text()
    assert re.search(r">Arguments:</h6>\s*<ul>\s*<li><strong>tokens:</strong>", page)


def test_the_first_page_leads_to_the_tasks_the_names_and_the_modules(site):
    page = (site / "radseg.html").read_text()
    links = re.findall(r'href="([^"#]*\.md)"', page)
    assert len(links) >= 10
    assert all((site / link).exists() for link in links)
    assert 'id="Segmenter.segment"' in page
    assert 'href="radseg/ops.html"' in page
    assert 'url=./radseg.html"' in (site / "index.html").read_text()


def test_every_module_but_the_command_line_is_covered(generator):
    names = generator.module_names()
    assert {"radseg", "radseg.segment", "radseg.methods.radseg", "radseg.mapping.query"} <= set(names)
    assert not [name for name in names if name.startswith("radseg.cli") or "__main__" in name]
    assert not [name for name in names if not generator.first_line(name)]
