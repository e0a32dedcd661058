"""The page of a run in a real browser, opened from the disk: what it shows, filters, decides and asks for."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import Tab, chromium
from radseg.review.decisions import read_review
from radseg.runs.stored import read_run
from review_builders import HOSTILE, NAMES, ReviewedRun

PAINTED = "[...document.querySelectorAll('.card canvas')].every(canvas => canvas.width > 1)"
PIXEL = """(card => [...card.querySelector('canvas').getContext('2d').getImageData(%d, %d, 1, 1).data])
    (document.querySelector('[aria-posinset="%d"]'))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser for the tests of this file."""
    with chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab, reviewed: ReviewedRun) -> Tab:
    """The page as a person first sees it."""
    address = (reviewed.folder / "review.html").as_uri()
    browser.resize(1000, 700)
    browser.run("try { localStorage.clear() } catch {}")  # no page is open yet, before the first test
    browser.watch()
    browser.open(address)
    browser.wait(f"document.querySelector('.card') && {PAINTED}")
    return browser


def fill(tab: Tab, field: str, value: str) -> None:
    """Give a field of the filter a value, as a person does."""
    tab.run(f"""(field => {{
        field.value = {value!r};
        field.dispatchEvent(new Event('input', {{bubbles: true}}));
    }})(document.getElementById({field!r}))""")


def counts(tab: Tab) -> str:
    return str(tab.run("document.getElementById('counts').textContent"))


def asked(tab: Tab) -> list[str]:
    return [address for address in tab.requests if not address.startswith("data:")]


def test_it_asks_for_itself_and_for_the_original_that_is_opened(tab: Tab, reviewed: ReviewedRun) -> None:
    page = (reviewed.folder / "review.html").as_uri()
    assert asked(tab) == [page]
    tab.press("Enter")
    tab.wait("document.querySelector('#plain img').naturalWidth === 64")
    assert set(asked(tab)) == {page, (reviewed.photos / f"{HOSTILE}.png").as_uri()}


def test_nothing_from_the_network_can_be_asked_for(tab: Tab) -> None:
    script = """new Promise(done => {
        document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));
        document.createElement('img').src = 'http://127.0.0.1:9/x.png';
    })"""
    assert tab.run(script) == "img-src"
    assert tab.run("fetch('http://127.0.0.1:9/').then(() => 'answered', () => 'nothing')") == "nothing"


def test_hostile_names_are_text(tab: Tab) -> None:
    tab.press("Enter")
    assert f"{HOSTILE}.png" in tab.text()
    tab.wait("document.querySelectorAll('#classes button').length === 2")
    assert NAMES[1] in tab.text()
    options = tab.run("[...document.querySelectorAll('option')].map(one => one.textContent)")
    assert options.count(NAMES[2]) == 2
    assert tab.run("window.hacked ?? document.querySelectorAll('b[onclick], [onerror]').length") == 0


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, 31),
        ({"text": "IMAGE 1"}, 10),
        ({"state": "failed"}, 1),
        ({"class": "2"}, 29),
        ({"class": "3"}, 0),
        ({"class": "2", "share-min": "50"}, 15),
        ({"class": "2", "share-max": "0"}, 1),
        ({"confidence-max": "10"}, 3),
        ({"class": "2", "confidence-min": "10", "confidence-max": "20"}, 4),
        ({"class": "3", "presence-max": "1"}, 30),
        ({"presence-min": "99", "text": "0"}, 11),
    ],
)
def test_the_filter_leaves_what_fits(tab: Tab, fields: dict[str, str], shown: int) -> None:
    for field, value in fields.items():
        fill(tab, field, value)
    assert counts(tab).startswith(f"{shown} of 31 shown")


def test_the_order_follows_the_class(tab: Tab) -> None:
    fill(tab, "class", "2")
    fill(tab, "order", "largest")
    assert "image 29" in tab.run("document.querySelector('[aria-posinset=\"1\"]').textContent")


def test_only_rows_on_the_screen_are_in_the_document(tab: Tab) -> None:
    tab.resize(400, 500)
    tab.wait("document.querySelectorAll('.card').length < 20")
    tab.press("End")
    tab.wait("document.activeElement.textContent.includes('no <i>image</i>')")
    assert tab.run("document.querySelectorAll('.card').length") < 20


def test_opacity_and_a_single_class_repaint_the_masks(tab: Tab) -> None:
    above, below, photo = PIXEL % (5, 1, 11), PIXEL % (5, 28, 11), [10 * 8, 100, 50]
    fill(tab, "opacity", "0")
    tab.wait(f"Math.abs({above}[0] - {photo[0]}) < 4 && Math.abs({below}[0] - {photo[0]}) < 4")
    fill(tab, "opacity", "100")
    tab.wait(f"{below}[0] !== {above}[0] && Math.abs({below}[0] - {photo[0]}) > 4")
    fill(tab, "only", "1")
    tab.wait(f"Math.abs({below}[0] - {photo[0]}) < 4 && Math.abs({above}[0] - {photo[0]}) > 4")


def saved(tab: Tab, folder: Path, reviewed: ReviewedRun) -> dict[str, Any]:
    """Press d, and return what Python reads in the list that was saved."""
    tab.save_downloads(folder)
    tab.press("d")
    path, end = folder / "review.json", time.monotonic() + 20
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    run = read_run(reviewed.folder)
    return dict(read_review(path, run.parameters, (*run.done, *run.failed)))


def test_keys_alone_decide_and_python_reads_the_list(tab: Tab, reviewed: ReviewedRun, tmp_path: Path) -> None:
    tab.press("a", "r", "a", "u", "ArrowRight", "Enter", "r", "a", " ")
    assert "2 accepted · 2 rejected · 1 failed" in counts(tab)
    tab.press("End", "a")  # what failed cannot be accepted
    assert saved(tab, tmp_path, reviewed) == {
        HOSTILE: "accept",
        "image 01": "reject",
        "image 03": "reject",
        "image 04": "accept",
    }


def test_decisions_are_there_when_the_page_is_opened_again(tab: Tab, reviewed: ReviewedRun) -> None:
    tab.press("a", "r")
    tab.open((reviewed.folder / "review.html").as_uri())
    assert "1 accepted · 1 rejected" in counts(tab)
    fill(tab, "state", "reject")
    assert counts(tab).startswith("1 of 31 shown")


def test_all_that_is_shown_is_decided_at_once_and_taken_back(tab: Tab) -> None:
    fill(tab, "text", "image 1")
    tab.run("document.getElementById('accept-all').click()")
    assert "10 accepted" in counts(tab)
    tab.run("document.getElementById('undo').click()")
    assert "0 accepted" in counts(tab)


def test_slash_searches_and_letters_typed_there_decide_nothing(tab: Tab) -> None:
    tab.press("/", "a", "r")
    assert tab.run("document.getElementById('text').value") == "ar"
    tab.press("Escape")
    assert tab.run("document.activeElement.id") != "text"
    assert "0 accepted · 0 rejected" in counts(tab)


def test_an_original_that_went_away_leaves_its_thumbnail(tab: Tab, reviewed: ReviewedRun) -> None:
    photo = reviewed.photos / "image 02.png"
    content = photo.read_bytes()
    photo.unlink()
    tab.press("ArrowRight", "ArrowRight", "Enter")
    tab.wait("document.getElementById('note').textContent.includes('its thumbnail')")
    tab.wait("document.querySelector('#plain img').naturalWidth === 64")
    photo.write_bytes(content)
