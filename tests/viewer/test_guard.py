"""Who may read the page and what a browser may do to it, against a running page."""

import logging
import socket
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import viser
import websockets
from typer.testing import CliRunner

from campaign.page_attacks import attacks
from campaign.page_under_attack import PageUnderAttack, answer
from page_client import PageClient, Target, frame, pack
from query_builders import memory_map, stored_map
from radseg.cli.app import app
from radseg.errors import ResourceError
from radseg.viewer.guard import HOST, MAX_CONNECTIONS, MAX_PAGES, Guard
from radseg.viewer.messages import wrong_with
from radseg.viewer.page import MapPage


@pytest.fixture(scope="module")
def target(page):
    return Target.of(page.address)


@pytest.fixture
def unvisited():
    """A page nobody has visited yet."""
    made = MapPage(memory_map(), answer, port=0)
    yield Target.of(made.address)
    made.stop()


def wait_for(status, target, **changes):
    until = time.monotonic() + 10
    while target.status(target.request(**changes)) != status:
        assert time.monotonic() < until


def statuses(target, **changes):
    """The statuses that a page and a socket get."""
    return [target.status(target.request(upgrade=upgrade, **changes)) for upgrade in (False, True)]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_printed_address_is_answered_by_both_names_of_this_machine(target, name):
    host = f"{name}:{target.port}"
    assert statuses(target, hosts=(host,), origins=(f"http://{host}",)) == [200, 101]
    assert target.status(target.request(origins=())) == 200  # a person who follows the address


def test_a_foreign_host_is_refused_although_it_resolves_to_this_machine(target):
    host = f"evil.test:{target.port}"
    assert statuses(target, hosts=(host,), origins=(f"http://{host}",)) == [403, 403]


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1:1"])
def test_a_foreign_origin_is_refused_although_it_knows_the_token(target, origin):
    assert statuses(target, origins=(origin,)) == [403, 403]


def test_a_socket_says_where_it_comes_from(target):
    assert target.status(target.request(upgrade=True, origins=())) == 403


@pytest.mark.parametrize("path", ["/", "/wrong/", "/?token={}", "/{}A/", "/x/{}/"])
def test_a_missing_or_wrong_token_is_refused(target, path):
    assert statuses(target, path=path.format(target.path.strip("/"))) == [403, 403]


def test_every_page_has_a_token_of_its_own():
    tokens = {Guard().token for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 32 for token in tokens)


def test_the_page_may_fetch_nothing_and_tells_its_address_to_nobody(target):
    with target.send(target.request()) as made:
        head = made.recv(2000).partition(b"\r\n\r\n")[0].decode()
    assert "default-src 'none'" in head
    assert f"connect-src data: blob: ws://127.0.0.1:{target.port} ws://localhost:{target.port};" in head
    for line in ("Cache-Control: no-store", "Referrer-Policy: no-referrer", "frame-ancestors 'none'"):
        assert line in head


@pytest.mark.parametrize("kind", ["ShareUrlRequest", "ShareUrlDisconnect"])
def test_no_message_opens_or_closes_a_tunnel(page, target, kind):
    handled = {message.__name__ for message in page.server._websock_server._incoming_handlers}
    assert "GuiUpdateMessage" in handled  # the attribute is the one meant
    assert kind not in handled
    with PageClient(target) as client:
        client.say({"type": kind})
        assert client.closing_code(5) == 1008


def test_an_answer_is_shown_to_the_browser_that_asked_only(target):
    with PageClient(target) as one, PageClient(target) as other:
        one.set("Prompts", "red, purple")
        one.set("Find", True)
        one.wait(lambda: any("1 found" in content for content in one.contents))
        assert other.read(0.3) == []
        other.set("Prompts", "asphalt")
        other.set("Find", True)
        other.wait(lambda: any("knows colours only" in content for content in other.contents))


def test_a_control_of_another_browser_cannot_be_written(target):
    with PageClient(target) as one, PageClient(target) as other:
        assert not set(one.controls.values()) & set(other.controls.values())
        one.set("Prompts", "blue")
        other.controls = one.controls
        other.set("Prompts", "red, purple")
        other.set("Find", True)
        assert other.read(0.3) == []
        assert one.read(0.3) == []
        one.set("Find", True)
        one.wait(lambda: any("blue" in content for content in one.contents))
        assert not any("purple" in content for content in one.contents)


@pytest.mark.parametrize("attribute", ["visible", "removed", "update_cb", "__class__"])
def test_no_attribute_of_a_control_but_its_value_can_be_written(target, attribute):
    with PageClient(target) as client:
        update = {
            "type": "GuiUpdateMessage",
            "uuid": client.controls["Prompts"],
            "updates": {attribute: True},
        }
        client.say(update)
        assert client.closing_code(5) == 1008


def test_what_is_wrong_with_a_message_is_said():
    assert wrong_with("text") == "Text, not binary."
    assert "ShareUrlRequest" in wrong_with(pack({"type": "ShareUrlRequest"}))
    assert wrong_with(pack({"type": "GuiUpdateMessage", "uuid": "x", "updates": {"value": "red"}})) is None


def test_a_message_of_more_than_64_kilobytes_ends_its_connection(target):
    with PageClient(target) as client:
        client.send(frame(b"\0" * (64 * 1024 + 1)))
        assert client.closing_code(5) == 1009


def test_a_map_is_open_in_a_few_pages_at_most(unvisited):
    with ExitStack() as open_pages:
        clients = [open_pages.enter_context(PageClient(unvisited, camera=False)) for _ in range(MAX_PAGES)]
        assert unvisited.status(unvisited.request(upgrade=True)) == 503
        clients[0].__exit__()
        wait_for(101, unvisited, upgrade=True)


def test_connections_that_say_nothing_are_limited(unvisited):
    with ExitStack() as crowd:
        for _ in range(MAX_CONNECTIONS):
            crowd.enter_context(socket.create_connection((HOST, unvisited.port), timeout=5))
        assert unvisited.status(unvisited.request()) == 0
    wait_for(200, unvisited)


def test_a_viser_that_starts_another_server_is_stopped(monkeypatch):
    server = SimpleNamespace(serve=websockets.asyncio.server.serve)
    unguarded = SimpleNamespace(
        asyncio=SimpleNamespace(server=server),
        exceptions=websockets.exceptions,
        datastructures=websockets.datastructures,
    )
    monkeypatch.setattr("viser.infra._infra.websockets", unguarded)
    with pytest.raises(ResourceError, match=f"viser {viser.__version__} does not let its server be guarded"):
        MapPage(memory_map(), answer, port=0)


def test_the_verb_prints_the_address_with_its_token_and_no_other(tmp_path, monkeypatch):
    stored_map(tmp_path / "map")
    monkeypatch.setattr("radseg.viewer.page.MapPage.serve", MapPage.stop)
    monkeypatch.setattr("radseg.runs.map_query.MapQuery.open", lambda *_: SimpleNamespace(ask=answer))
    done = CliRunner().invoke(app, ["map", "view", str(tmp_path / "map"), "--port", "0"])
    assert done.exit_code == 0, done.output
    printed = [line for line in done.output.splitlines() if "127.0.0.1" in line]
    assert len(printed) == 1
    assert len(Target.of(printed[0].split()[0]).path) > 32


def test_a_request_that_is_none_writes_nothing_to_the_log(unvisited, caplog, monkeypatch):
    logger = logging.getLogger("websockets.server")
    monkeypatch.setattr(logger, "filters", [])  # viser adds one with the first good request
    assert unvisited.status(b"POST / HTTP/1.1\r\n\r\n") in (0, 400)
    wait_for(200, unvisited)
    assert caplog.records == []


def test_attacks_gain_nothing_and_write_nothing_to_the_terminal():
    made = attacks()
    assert len(made) >= 60
    tried = made[::12] + [attack for attack in made if "gone" in attack.name or "pings" in attack.name]
    with PageUnderAttack() as page:
        gained = {attack.name: page.attempt(attack) for attack in tried}
    assert {name: gain for name, gain in gained.items() if gain} == {}
