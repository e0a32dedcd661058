"""The page in a real browser: its address works, without the token it does not, other pages get nothing."""

import json
from http.server import SimpleHTTPRequestHandler
from threading import Thread

import pytest
import viser

from chromium import FOREIGN, chromium
from page_client import Target
from quiet_server import QuietServer

THEFT = """(async () => {
    const address = %s, socket = %s, protocol = %s;
    const ended = (thing, good, bad) => new Promise(done => {
        thing['on' + good] = () => done(good); thing['on' + bad] = () => done(bad);
    });
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.src = address;
    await ended(frame, 'load', 'error');
    const script = document.createElement('script');
    script.src = address;
    const ran = ended(script, 'load', 'error');
    document.body.appendChild(script);
    return {
        read: await fetch(address).then(answer => answer.text(), () => 'nothing'),
        blind: await fetch(address, {mode: 'no-cors'}).then(() => 'answered', () => 'nothing'),
        script: await ran,
        frame: frame.contentDocument === null ? 'nothing' : frame.contentDocument.body.innerText,
        frames: frame.contentWindow.length,
        socket: await ended(new WebSocket(socket, [protocol]), 'open', 'error'),
    };
})()"""
NOTHING = {
    "read": "nothing",
    "blind": "nothing",
    "script": "error",
    "frame": "nothing",
    "frames": 0,
    "socket": "error",
}


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def foreign_page(tmp_path_factory):
    """The address of a page on another port of this machine, read by its foreign name."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "index.html").write_text("<title>Elsewhere</title><body>")

    class Pages(SimpleHTTPRequestHandler):
        def __init__(self, *given):
            super().__init__(*given, directory=str(folder))

        def log_message(self, *_):
            """Say nothing."""

    with QuietServer(("127.0.0.1", 0), Pages) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{FOREIGN}:{server.server_port}/"
        server.shutdown()


def theft(address, protocol):
    return THEFT % tuple(json.dumps(text) for text in (address, address.replace("http:", "ws:"), protocol))


def test_the_printed_address_shows_the_map_and_answers(tab, page):
    tab.open(page.address)
    tab.wait("document.body.innerText.includes('Click a voxel')")
    tab.run("[...document.querySelectorAll('.mantine-TextInput-input')].at(-1).focus()")
    tab.type("red, purple")
    tab.run("[...document.querySelectorAll('button')].find(b => b.innerText.trim() === 'Find').click()")
    tab.wait("document.body.innerText.includes('1 found')")
    assert "not found" in tab.text()
    tab.click(100, 250)
    tab.wait("document.body.innerText.includes('No voxel there')")
    assert "Connected" in tab.text()


def test_the_address_without_its_token_shows_nothing(tab, page):
    tab.open(page.address.replace(Target.of(page.address).path, "/"))
    assert tab.text().strip() == "The address lacks its token. Open the one that `radseg map view` printed."


@pytest.mark.parametrize("knows_the_token", [False, True])
def test_a_page_of_another_origin_gets_nothing(tab, page, foreign_page, knows_the_token):
    target = Target.of(page.address)
    address = page.address if knows_the_token else f"http://127.0.0.1:{target.port}/"
    tab.open(foreign_page)
    assert tab.run(theft(address, f"viser-v{viser.__version__}")) == NOTHING


def test_a_foreign_name_of_this_machine_gets_nothing(tab, page):
    tab.open(page.address.replace("127.0.0.1", FOREIGN))
    assert "at no other name" in tab.text()
