"""Sockets that speak to the page of `radseg map view`: one as a browser does, one byte by byte."""

import base64
import os
import socket
import struct
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import viser
import zstandard

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
CAMERA = {
    "type": "ViewerCameraMessage",
    "wxyz": [1.0, 0.0, 0.0, 0.0],
    "position": [0.0, 0.0, -1.0],
    "fov": 1.3,
    "near": 0.01,
    "far": 1000,
    "image_height": 700,
    "image_width": 1000,
    "look_at": [0.0, 0.0, 0.0],
    "up_direction": [0.0, -1.0, 0.0],
}
CLICK = {
    "type": "ScenePointerMessage",
    "event_type": "click",
    "ray_origin": [0.0, 0.0, -1.0],
    "ray_direction": [0.0, 0.0, 1.0],
    "screen_pos": [[0.5, 0.5]],
    "modifier": None,
}
pack = msgspec.msgpack.encode


@dataclass(frozen=True)
class Target:
    """Where the page is: its port, and the path that holds the token."""

    port: int
    path: str

    @classmethod
    def of(cls, address: str) -> "Target":
        """Return the target at an address."""
        parts = urlsplit(address)
        assert parts.port is not None
        return cls(parts.port, parts.path)

    def request(self, **changes: Any) -> bytes:
        """Return a request that is answered, but for the changes (see `Request`)."""
        host = f"127.0.0.1:{self.port}"
        return replace(Request(self.path, (host,), (f"http://{host}",)), **changes).encoded()

    def send(self, request: bytes) -> socket.socket:
        """Open a connection, send a request and return the connection."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        made.sendall(request)
        return made

    def status(self, request: bytes) -> int:
        """Return the HTTP status that a request gets; 0 if the connection ends without."""
        with self.send(request) as made:
            try:
                line = made.recv(64)
            except OSError:
                return 0
        return int(line.split()[1]) if line.startswith(b"HTTP/") else 0


@dataclass(frozen=True)
class Request:
    """A request of a page or, with `upgrade`, of a WebSocket."""

    path: str
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    upgrade: bool = False
    subprotocol: str = f"viser-v{viser.__version__}"
    more: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        """Return the request as bytes."""
        lines = [f"GET {self.path} HTTP/1.1", *(f"Host: {host}" for host in self.hosts)]
        lines += [f"Origin: {origin}" for origin in self.origins]
        if self.upgrade:
            key = base64.b64encode(os.urandom(16)).decode()
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
            lines += [f"Sec-WebSocket-Key: {key}", f"Sec-WebSocket-Protocol: {self.subprotocol}"]
        return "\r\n".join([*lines, *self.more, "", ""]).encode("latin-1")


def frame(payload: bytes, opcode: int = BINARY, *, first: int = 0x80, length: int | None = None) -> bytes:
    """Return a masked frame. `first`: its flags (0x80: last of its message); `length`: what it claims."""
    said = len(payload) if length is None else length
    if said < 126:
        size = bytes([0x80 | said])
    else:
        size = b"\xfe" + struct.pack(">H", said) if said < 2**16 else b"\xff" + struct.pack(">Q", said)
    return bytes([first | opcode]) + size + b"\0\0\0\0" + payload


class PageClient:
    """A browser without a screen."""

    def __init__(self, target: Target, *, camera: bool = True) -> None:
        self._socket = target.send(target.request(upgrade=True))
        self._unread = b""
        while b"\r\n\r\n" not in self._unread:
            received = self._socket.recv(4096)
            assert received, f"refused: {self._unread!r}"
            self._unread += received
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        self.controls: dict[str, str] = {}
        self.contents: list[str] = []
        if camera:
            self.say(CAMERA)
            self.wait(lambda: "Heat of" in self.controls and self.contents)

    def __enter__(self) -> "PageClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, *messages: dict[str, Any]) -> None:
        """Send messages."""
        self.send(*(frame(pack(message)) for message in messages))

    def send(self, *frames: bytes) -> None:
        """Send frames; a server that has hung up is no error."""
        try:
            for one in frames:
                self._socket.sendall(one)
        except OSError:
            return

    def set(self, label: str, value: Any) -> None:
        """Do what a person does with a control."""
        self.say({"type": "GuiUpdateMessage", "uuid": self.controls[label], "updates": {"value": value}})

    def wait(self, until: Any, seconds: float = 10) -> None:
        """Read until something holds."""
        end = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < end, f"after {seconds} s: {self.controls}, {self.contents}"
            self.read(0.05)

    def read(self, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that come within some seconds."""
        end, messages = time.monotonic() + seconds, []
        while time.monotonic() < end:
            opcode, payload = self._frame(end)
            if opcode == BINARY:
                size = int.from_bytes(payload[8:16], "little")
                messages += msgspec.msgpack.decode(zstandard.decompress(payload[16 : 16 + size]))["messages"]
        for message in messages:
            self._note(message)
        return messages

    def closing_code(self, seconds: float) -> int | None:
        """Return the code with which the server hangs up in some seconds (1006: none); None if it stays."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            opcode, payload = self._frame(end)
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big") or 1006
        return None

    def _note(self, message: dict[str, Any]) -> None:
        props = message.get("props", {})
        if message["type"].startswith("Gui") and "label" in props:
            self.controls[props["label"]] = message["uuid"]
        content = props.get("content") or message.get("updates", {}).get("content")
        if content:
            self.contents.append(content)

    def _frame(self, end: float) -> tuple[int, bytes]:
        """Return the next frame; opcode 0 if none comes, CLOSE without payload if the connection ends."""
        while True:
            data = self._unread
            if len(data) >= 2:
                start, size = 2, data[1]
                if size >= 126:
                    start = 4 if size == 126 else 10
                    size = int.from_bytes(data[2:start], "big")
                if len(data) >= start + size and len(data) >= start:
                    self._unread = data[start + size :]
                    return data[0] & 15, data[start : start + size]
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                received = self._socket.recv(2**20)
            except TimeoutError:
                return 0, b""
            except OSError:
                received = b""
            if not received:
                return CLOSE, b""
            self._unread += received
