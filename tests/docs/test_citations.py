"""Every "spec 4.5" in the repository names a section of docs/spec that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src", "tests", "parity", "benchmarks", "training", "docs", "examples")
SECTION = r"\d+(?:\.\d+)*[a-z]?(?:\s[A-Z]\b)?"
CITATION = re.compile(
    r"\b(?:(?P<page>mapping|methods)\s+)?spec\s+"
    rf"(?P<sections>{SECTION}(?:(?:,|\s+and|\s+to)\s+{SECTION})*)(?:,\s+item\s+(?P<item>\d+))?",
    re.IGNORECASE,
)
"""Sections of one page, reference.md where none is named; docs/spec/README.md says how to cite."""
WRONG_FORM = re.compile(
    r"\b(?:mapping|methods)\s+spec\b(?!\s+\d)|\breference\s+spec\b|\b(?:spec|mapping|methods)\s*§|"
    r"\bspec\s+\d[\d.]*[-–]",
    re.IGNORECASE,
)


def sections(page):
    """Return the text under each numbered heading of a page, with that of its subsections."""
    headings = list(re.finditer(rf"^(#+) ({SECTION})\b\.?", page, re.MULTILINE))
    found = {}
    for i, heading in enumerate(headings):
        deeper = (h.start() for h in headings[i + 1 :] if len(h[1]) <= len(heading[1]))
        found[heading[2]] = page[heading.end() : next(deeper, len(page))]
    return found


PAGES = {
    name: sections((ROOT / f"docs/spec/{name}.md").read_text())
    for name in ("reference", "mapping", "methods")
}


def unresolved(text):
    """Return the citations in `text` of which a section, or the numbered item in it, does not exist."""
    wrong = []
    for citation in CITATION.finditer(text):
        page = PAGES[(citation["page"] or "reference").lower()]
        cited = [re.sub(r"\s", " ", section) for section in re.findall(SECTION, citation["sections"])]
        item = rf"^{citation['item'] or ''}\. "
        if not all(s in page for s in cited) or (
            citation["item"] and not re.search(item, page[cited[-1]], re.MULTILINE)
        ):
            wrong.append(" ".join(citation[0].split()))
    return wrong


def files():
    inside = (p for folder in FOLDERS for p in (ROOT / folder).rglob("*"))
    written = [p for p in inside if p.suffix in (".py", ".md", ".ipynb") and p != Path(__file__)]
    return [*ROOT.glob("*.md"), *written]


def test_every_citation_names_a_section_of_the_specifications():
    wrong = {str(p.relative_to(ROOT)): unresolved(p.read_text()) for p in files()}
    assert not {path: citations for path, citations in wrong.items() if citations}


def test_citations_are_written_in_one_way():
    wrong = {str(p.relative_to(ROOT)): WRONG_FORM.findall(p.read_text()) for p in files()}
    assert not {path: found for path, found in wrong.items() if found}, "see docs/spec/README.md"


def test_there_are_citations_of_every_page():
    text = "\n".join(p.read_text() for p in files())
    counts = dict.fromkeys(PAGES, 0)
    for citation in CITATION.finditer(text):
        counts[(citation["page"] or "reference").lower()] += 1
    assert min(counts.values()) > 20, counts


@pytest.mark.parametrize(
    "text",
    [
        "(spec 4.10)",
        "mapping spec 9",
        "Methods spec 10c",
        "mapping spec 5.3 H",
        "spec 5.3 C",
        "spec 2.2, 33.5",
        "mapping\n    spec 2.4 to\n    2.66",
        "spec 8, item 27",
    ],
)
def test_a_false_citation_is_found(text):
    assert unresolved(text) == [" ".join(text.strip("()").split())]


def test_a_number_is_a_heading_once():
    for name in PAGES:
        page = (ROOT / f"docs/spec/{name}.md").read_text()
        numbers = re.findall(rf"^#+ ({SECTION})\b", page, re.MULTILINE)
        assert len(numbers) == len(set(numbers)), name
