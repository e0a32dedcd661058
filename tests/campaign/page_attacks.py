"""Attacks on the page of `radseg map view`: what a foreign page, a foreign name or a broken browser sends.

A campaign runs them all, a test some: `PageUnderAttack().attempt(attack)` says what an attack gained.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from page_client import BINARY, CAMERA, CLICK, PING, TEXT, PageClient, Target, frame, pack

Run = Callable[[Target], str | None]


@dataclass(frozen=True)
class Attack:
    """An attack. `run` returns what it gained; None if nothing."""

    name: str
    run: Run


def attacks(seed: int = 0) -> list[Attack]:
    """Return all attacks; the seed chooses the bytes of the random ones."""
    random = Random(seed)
    made = [
        *_by_host(),
        *_by_origin(),
        *_by_token(),
        *_by_request(random),
        *_by_frame(random),
        *_by_message(),
    ]
    made += [*_by_field(), *_by_number()]
    assert len({attack.name for attack in made}) == len(made)
    return made


def _answered(target: Target, *, path: Callable[[str], str] = str, **changes: Any) -> str | None:
    """Say whether a request was answered, for a page or for a WebSocket."""
    status = target.status(target.request(**({"path": path(target.path)} | changes)))
    return f"answered with {status}" if status in (101, 200) else None


def _by_host() -> Iterator[Attack]:
    def attack(hosts: Callable[[int], tuple[str, ...]], upgrade: bool, target: Target) -> str | None:
        host = hosts(target.port)
        origins = tuple(f"http://{name}" for name in host[:1])  # a rebound name is its page's own origin
        return _answered(target, hosts=host, origins=origins, upgrade=upgrade)

    foreign: dict[str, Callable[[int], tuple[str, ...]]] = {
        "foreign name": lambda port: (f"evil.test:{port}",),
        "foreign name without a port": lambda _: ("evil.test",),
        "name that begins like ours": lambda port: (f"127.0.0.1.evil.test:{port}",),
        "name that ends like ours": lambda port: (f"evil.localhost:{port}",),
        "other port": lambda port: (f"127.0.0.1:{port + 1}",),
        "every interface": lambda port: (f"0.0.0.0:{port}",),
        "other loopback address": lambda port: (f"127.0.0.2:{port}",),
        "user before the name": lambda port: (f"127.0.0.1:{port}@evil.test",),
        "no host": lambda _: (),
        "empty host": lambda _: ("",),
        "two hosts, ours first": lambda port: (f"127.0.0.1:{port}", f"evil.test:{port}"),
        "two hosts, ours last": lambda port: (f"evil.test:{port}", f"127.0.0.1:{port}"),
    }
    for name, hosts in foreign.items():
        yield Attack(f"host: {name}, page", partial(attack, hosts, False))
        yield Attack(f"host: {name}, socket", partial(attack, hosts, True))


def _by_origin() -> Iterator[Attack]:
    def attack(origins: Callable[[int], tuple[str, ...]], upgrade: bool, target: Target) -> str | None:
        return _answered(target, origins=origins(target.port), upgrade=upgrade)

    foreign: dict[str, Callable[[int], tuple[str, ...]]] = {
        "foreign": lambda _: ("https://evil.test",),
        "null": lambda _: ("null",),
        "empty": lambda _: ("",),
        "other port": lambda port: (f"http://127.0.0.1:{port + 1}",),
        "no port": lambda _: ("http://127.0.0.1",),
        "other scheme": lambda port: (f"https://127.0.0.1:{port}",),
        "begins like ours": lambda port: (f"http://127.0.0.1:{port}.evil.test",),
        "other name of this machine": lambda port: (f"http://localhost:{port}",),
        "extension": lambda _: ("chrome-extension://abcdefghijklmnop",),
        "two, ours first": lambda port: (f"http://127.0.0.1:{port}", "https://evil.test"),
        "two, ours last": lambda port: ("https://evil.test", f"http://127.0.0.1:{port}"),
    }
    for name, origins in foreign.items():
        yield Attack(f"origin: {name}, page", partial(attack, origins, False))
        yield Attack(f"origin: {name}, socket", partial(attack, origins, True))
    yield Attack("origin: none, socket", partial(attack, lambda _: (), True))


def _by_token() -> Iterator[Attack]:
    def attack(change: Callable[[str], str], upgrade: bool, target: Target) -> str | None:
        return _answered(target, path=lambda path: change(path.strip("/")), upgrade=upgrade)

    changes: dict[str, Callable[[str], str]] = {
        "none": lambda _: "/",
        "another": lambda token: f"/{'A' * len(token)}/",
        "cut": lambda token: f"/{token[:-1]}/",
        "longer": lambda token: f"/{token}A/",
        "swapped case": lambda token: f"/{token.swapcase()}/",
        "as a query": lambda token: f"/?token={token}",
        "below another folder": lambda token: f"/x/{token}/",
        "with a file after it": lambda token: f"/{token}/index.html",
        "with a way up after it": lambda token: f"/{token}/../../../../etc/passwd",
        "doubled slash": lambda token: f"//{token}/",
        "as a fragment": lambda token: f"/#{token}",
        "with latin letters": lambda token: f"/{token}\xe9/",
        "in a whole address": lambda token: f"http://evil.test/{token}/",
    }
    for name, change in changes.items():
        yield Attack(f"token: {name}, page", partial(attack, change, False))
        yield Attack(f"token: {name}, socket", partial(attack, change, True))


def _by_request(random: Random) -> Iterator[Attack]:
    def attack(change: Callable[[bytes], bytes], target: Target) -> str | None:
        status = target.status(change(target.request(path="/")))
        return f"answered with {status}" if status in (101, 200) else None

    noise = random.randbytes(2000)
    requests: dict[str, Callable[[bytes], bytes]] = {
        "another method": lambda request: b"POST" + request[3:],
        "the first version": lambda _: b"GET /\r\n\r\n",
        "another version": lambda request: request.replace(b"HTTP/1.1", b"HTTP/2.0"),
        "no version": lambda request: request.replace(b" HTTP/1.1", b""),
        "a line without a colon": lambda request: request[:-2] + b"nonsense\r\n\r\n",
        "a long line": lambda request: request[:-2] + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        "many lines": lambda request: request[:-2] + b"X: a\r\n" * 1_000 + b"\r\n",
        "a null byte": lambda request: request.replace(b"GET /", b"GET /\0"),
        "a body": lambda request: request[:-2] + b"Content-Length: 5\r\n\r\nhello",
        "two upgrades": lambda request: request[:-2] + b"Upgrade: websocket\r\nUpgrade: h2c\r\n\r\n",
        "a TLS greeting": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise[:500],
        "random bytes": lambda _: noise + b"\r\n\r\n",
        "nothing but line ends": lambda _: b"\r\n" * 200,
    }
    for name, change in requests.items():
        yield Attack(f"request: {name}", partial(attack, change))
    yield Attack(
        "request: another version of viser", partial(_answered, upgrade=True, subprotocol="viser-v0.0.1")
    )
    key = "Sec-WebSocket-Protocol: viser-v9"
    yield Attack("request: two versions of viser", partial(_answered, upgrade=True, more=(key,)))


def _stays(frames: tuple[bytes, ...], target: Target) -> str | None:
    """Say whether a browser that sends frames keeps its connection."""
    with PageClient(target) as client:
        client.send(*frames)
        return "kept its connection" if client.closing_code(3) is None else None


def _by_frame(random: Random) -> Iterator[Attack]:
    noise = random.randbytes(2000)
    frames = {
        "text": [frame(b"hello", TEXT)],
        "text that is no text": [frame(b"\xff\xfe", TEXT)],
        "text of a good message": [frame(b'{"type": "ShareUrlRequest"}', TEXT)],
        "a good one, then text": [frame(pack(CAMERA)), frame(b"hello", TEXT)],
        "nothing": [frame(b"")],
        "random bytes": [frame(noise)],
        "a message cut short": [frame(pack(CAMERA)[:-3])],
        "two messages in one": [frame(pack(CAMERA) * 2)],
        "nested 30,000 deep": [frame(b"\x91" * 30_000)],
        "maps nested 20,000 deep": [frame(b"\x81\xa1a" * 20_000)],
        "an array that claims 4 thousand million": [frame(b"\xdd\xff\xff\xff\xff")],
        "a string that claims 4 gigabytes": [frame(b"\xdb\xff\xff\xff\xff")],
        "64 kilobytes and one": [frame(b"\0" * (64 * 1024 + 1))],
        "claims 60 megabytes": [frame(b"\0" * 1000, length=60 * 2**20)],
        "claims 2^63 bytes": [frame(b"\0" * 1000, length=2**63 - 1)],
        "pieces without end": [frame(b"\0" * 60_000, BINARY if i == 0 else 0, first=0) for i in range(9)],
        "a piece of nothing": [frame(b"\0", 0)],
        "a reserved kind": [frame(b"\0", 3)],
        "reserved flags": [frame(pack(CAMERA), first=0xF0)],
        "not masked": [b"\x82\x05hello"],
        "a long ping": [frame(b"\0" * 200, PING)],
        "a ping in pieces": [frame(b"\0", PING, first=0)],
        "a closing code that does not exist": [frame(b"\x00\x01bye", 8)],
        "half a closing code": [frame(b"\x03", 8)],
    }
    for name, sent in frames.items():
        yield Attack(f"frame: {name}", partial(_stays, tuple(sent)))
    yield Attack("frame: half of one, then gone", partial(_leaves, frame(pack(CAMERA))[:20]))
    yield Attack("frame: camera, then gone at once", partial(_leaves, frame(pack(CAMERA))))
    yield Attack("frame: 3,000 pings", partial(_leaves, frame(b"x", PING) * 3_000))


def _leaves(sent: bytes, target: Target) -> None:
    with PageClient(target, camera=False) as client:
        client.send(sent)


def _by_message() -> Iterator[Attack]:
    """Messages that viser obeys, or once did, and our page never sends; and messages of no kind."""
    upload = {"source_component_uuid": "x", "transfer_uuid": "y"}
    messages: dict[str, Any] = {
        "ShareUrlRequest": {},
        "ShareUrlDisconnect": {},
        "ResetGuiMessage": {},
        "GuiRemoveMessage": {"uuid": "x"},
        "GuiFormSubmitMessage": {"uuid": "root"},
        "GuiFormDirtyMessage": {"uuid": "root"},
        "GuiButtonHoldMessage": {"uuid": "x", "frequency": 10.0},
        "GuiCloseModalMessage": {"uuid": "x"},
        "RunJavascriptMessage": {"source": "alert(1)"},
        "RemoveSceneNodeMessage": {"name": "/map"},
        "SceneNodeUpdateMessage": {"name": "/map", "updates": {"visible": False}},
        "SetSceneNodeVisibilityMessage": {"name": "/map", "visible": False},
        "SetPositionMessage": {"name": "/map", "position": [1, 1, 1]},
        "BackgroundImageMessage": {"format": "jpeg", "rgb_data": b"", "depth_data": None},
        "ThemeConfigurationMessage": {"dark_mode": False},
        "FileTransferStartUpload": upload
        | {"filename": "a", "mime_type": "b", "part_count": 10**12, "size_bytes": 1},
        "FileTransferPart": upload | {"part_index": 0, "content": b"x"},
        "CommandTriggerMessage": {"uuid": "x"},
        "LocalStorageSetItemMessage": {"key": "a", "value": "b"},
        "GetRenderResponseMessage": {"payload": b"", "render_uuid": "x"},
        "Message": {},
        "NoSuchMessage": {},
    }
    for kind, fields in messages.items():
        yield Attack(f"message: {kind}", partial(_stays, (frame(pack({"type": kind} | fields)),)))
    odd = {
        "without a type": {"uuid": "x"},
        "whose type is a number": {"type": 7},
        "whose type is a list": {"type": ["ShareUrlRequest"]},
        "that is a list": [CAMERA],
        "that is null": None,
        "that is a number": 7,
    }
    for name, message in odd.items():
        yield Attack(f"message: one {name}", partial(_stays, (frame(pack(message)),)))


def _by_field() -> Iterator[Attack]:
    """Attributes of one's own control, and fields of the wrong type."""

    def control(updates: Any, target: Target) -> str | None:
        with PageClient(target) as client:
            client.say({"type": "GuiUpdateMessage", "uuid": client.controls["Prompts"], "updates": updates})
            return "kept its connection" if client.closing_code(3) is None else None

    for name in (
        "visible",
        "disabled",
        "removed",
        "update_cb",
        "sync_cb",
        "is_button",
        "uuid",
        "__class__",
        "_impl",
    ):
        yield Attack(f"attribute: {name}", partial(control, {name: True}))
    for value in (7, 1.5, None, ["red"], {"a": 1}, b"red"):
        yield Attack(f"value: {value!r}", partial(control, {"value": value}))
    yield Attack("value: none at all", partial(control, {}))
    yield Attack("value: of no map", partial(control, ["value"]))
    changes: dict[str, dict[str, Any]] = {
        "position of two": CAMERA | {"position": [0.0, 0.0]},
        "position of strings": CAMERA | {"position": ["a", "b", "c"]},
        "position that is null": CAMERA | {"position": None},
        "side below zero": CAMERA | {"image_width": -1},
        "side of 2^60": CAMERA | {"image_width": 2**60},
        "one field more": CAMERA | {"excluded_self_client": 0},
        "one field fewer": {name: value for name, value in CAMERA.items() if name != "fov"},
        "click without a ray": CLICK | {"ray_origin": None},
        "rectangle": CLICK | {"event_type": "rect-select"},
        "click at no place": CLICK | {"screen_pos": []},
        "click with a number for a key": CLICK | {"modifier": 7},
    }
    for name, message in changes.items():
        yield Attack(f"field: {name}", partial(_stays, (frame(pack(message)),)))


def _by_number() -> Iterator[Attack]:
    """Numbers that are none, and what must be harmless although it has the right form."""
    for number in (float("nan"), float("inf"), -1e300, 2**63):
        for name, message in (("position", CAMERA), ("ray_direction", CLICK)):
            sent = frame(pack(message | {name: [number, 0.0, 0.0]}))
            yield Attack(f"number: {name} of {number}", partial(_stays, (sent,)))

    def harmless(messages: Callable[[PageClient], list[dict[str, Any]]], target: Target) -> None:
        with PageClient(target) as client:
            client.say(*messages(client))
            client.read(0.2)

    def update(uuid: str, value: Any) -> dict[str, Any]:
        return {"type": "GuiUpdateMessage", "uuid": uuid, "updates": {"value": value}}

    def find(client: PageClient, text: str) -> list[dict[str, Any]]:
        return [update(client.controls["Prompts"], text), update(client.controls["Find"], True)]

    odd: dict[str, Callable[[PageClient], list[dict[str, Any]]]] = {
        "ray without a direction": lambda _: [CLICK | {"ray_direction": [0.0, 0.0, 0.0]}],
        "key of no keyboard": lambda _: [CLICK | {"modifier": "hyper"}],
        "control of nobody": lambda _: [update("no-such-control", True)],
        "choice that is none": lambda client: [update(client.controls["Show"], "passwords")],
        "name that is none": lambda client: [update(client.controls["Heat of"], "x" * 1000)],
        "truth for a text": lambda client: [update(client.controls["Prompts"], True)],
        "prompt of nothing": lambda client: find(client, ""),
        "prompt of null bytes": lambda client: find(client, "\0\0"),
        "prompt of 60,000 letters": lambda client: find(client, "a" * 60_000),
        "prompt of 20,000 names": lambda client: find(client, ", ".join("ab" for _ in range(15_000))),
        "prompt with a script": lambda client: find(client, "<script>alert(1)</script>"),
        "name that is a path": lambda client: find(client, "../../etc/passwd"),
    }
    for name, messages in odd.items():
        yield Attack(f"harmless: {name}", partial(harmless, messages))
