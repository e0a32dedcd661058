"""A headless Chromium, driven through its debugging socket; where there is none, the test is skipped."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FOREIGN = "evil.test"
"""A foreign name that the browser resolves to this machine."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
    "--window-size=480,400",
    f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1",
)


class Tab:
    """A tab of the browser.

    Attributes:
        requests: every address that was asked for since `watch`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count()
        self.requests: list[str] = []

    def watch(self) -> None:
        """Note from now on what is asked for."""
        self._call("Network.enable")
        self.requests.clear()

    def open(self, address: str) -> None:
        """Go to an address and wait until its document is there."""
        self.run("window.old = true")
        self._call("Page.navigate", url=address)
        self.wait("!window.old && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """Return what a script, or the promise it ends with, is."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Wait until a script is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < end, f"not in {seconds} s: {condition}\n{self.text()}"
            time.sleep(0.1)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, *keys: str) -> None:
        """Press and release keys, by what `KeyboardEvent.key` calls them."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
            self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def resize(self, width: int, height: int) -> None:
        """Give the page a size in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def save_downloads(self, folder: Path) -> None:
        """Let downloads go into a folder, without a question."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def click(self, x: int, y: int) -> None:
        """Press and release the left button at a place, in pixels."""
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def text(self) -> str:
        """Return the text of the page."""
        return str(self.run("document.body.innerText"))

    def screenshot(self) -> bytes:
        """Return what the tab shows, as PNG."""
        return base64.b64decode(self._call("Page.captureScreenshot")["data"])

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == number:
                return answer["result"]


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """Start a browser with a profile of its own and return its first tab; end it at the end."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser ({', '.join(NAMES)}) on this machine: the page is not looked at in one")
    quiet = subprocess.DEVNULL
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    browser = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        with connect(_tab_address(profile), max_size=None) as socket:
            yield Tab(socket)
    finally:
        browser.kill()
        browser.wait()


def _tab_address(profile: Path) -> str:
    end, said = time.monotonic() + 60, profile / "DevToolsActivePort"
    while not said.exists() or "\n" not in said.read_text():
        assert time.monotonic() < end, "Chromium did not start within a minute"
        time.sleep(0.1)
    port, path = said.read_text().split("\n")[:2]
    with connect(f"ws://127.0.0.1:{port}{path}", max_size=None) as socket:
        socket.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(socket.recv(timeout=30))["result"]["targetInfos"]
    tab = next(target["targetId"] for target in targets if target["type"] == "page")
    return f"ws://127.0.0.1:{port}/devtools/page/{tab}"
