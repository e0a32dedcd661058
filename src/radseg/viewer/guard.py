"""Who may talk to the page: programs of this machine that know its token, and no page of another address.

viser asks for nothing of the kind. It takes its server from `websockets`; for the moment in which it starts,
that is the one below, and a viser that starts without it is stopped.
"""

import logging
import secrets
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from io import StringIO
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from radseg.errors import ResourceError
from radseg.extras import require
from radseg.viewer.messages import MAX_BYTES, wrong_with

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection
    from websockets.datastructures import Headers
    from websockets.http11 import Request, Response

HOST = "127.0.0.1"
"""Never another interface: whoever has the address reads the map, and its text box reaches a model."""

MAX_PAGES = 8
"""Open at once. Each has its own answer and its own copy of the voxels."""

MAX_CONNECTIONS = 64
"""Open at once, those still in the handshake included."""

_PRIVATE = {
    "Cache-Control": "no-store",  # the address holds the token
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

Refusal = tuple[HTTPStatus, str]
Pages = Callable[["ServerConnection", "Request"], "Response | None"]

_LOGGER = logging.getLogger(__name__)
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False  # what a stranger sends writes no traceback to the terminal


class Guard:
    """Starts a viser server that refuses strangers.

    Attributes:
        token: what the path of every request is; new for every guard, 192 random bits.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self._serves = False

    def start(self, port: int) -> Any:
        """Return a viser server on the loopback interface, at the first free port from `port` on (0: any).

        Raises:
            MissingExtraError: viser is not installed.
            ResourceError: viser did not start the server it was given.
        """
        viser, websockets = require("viser", "view"), require("websockets.asyncio.server", "view")
        serve = partial(self._serve, websockets.serve, f"viser-v{viser.__version__}")
        # What viser prints is an address without the token.
        with patch.object(websockets, "serve", serve), redirect_stdout(StringIO()):
            server = viser.ViserServer(host=HOST, port=port, verbose=False)
        if not self._serves:
            server.stop()
            raise ResourceError(
                f"viser {viser.__version__} does not let its server be guarded, so any web page could read "
                "the map. Install the version that does: pip install 'radseg[view]'"
            )
        for kind in (viser._messages.ShareUrlRequest, viser._messages.ShareUrlDisconnect):
            server._websock_server.unregister_handler(kind)
        _say_nothing_of_browsers_that_have_gone()
        return server

    def _serve(
        self, serve: Any, subprotocol: str, *where: Any, process_request: Pages, **options: Any
    ) -> Any:
        self._serves = True
        options |= {"max_size": MAX_BYTES, "open_timeout": 2, "close_timeout": 1, "logger": _LOGGER}
        answer = partial(self._answer, process_request, subprotocol)
        return serve(*where, process_request=answer, create_connection=_connection_class(), **options)

    def _answer(
        self, pages: Pages, subprotocol: str, connection: "ServerConnection", request: "Request"
    ) -> "Response | None":
        port = connection.local_address[1]
        refused = refusal(request.path, request.headers, port=port, token=self.token)
        if refused is None and "Upgrade" in request.headers:
            refused = _refused_socket(connection, request.headers, subprotocol)
        if refused is not None:
            response: Response | None = connection.respond(*refused)
        else:
            response = pages(connection, replace(request, path="/"))
        if response is not None:
            response.headers.update(_PRIVATE)
            response.headers["Content-Security-Policy"] = _policy(port)
        return response


def refusal(path: str, headers: "Headers", *, port: int, token: str) -> Refusal | None:
    """Return why a request is not answered; None if it may be.

    The name in `Host` must be this machine's: a foreign name that resolves to it (DNS rebinding) makes a
    foreign page one of this server. `Origin` is who asks; a browser always sends it with a WebSocket.
    """
    end = "" if port == 80 else f":{port}"
    hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
    if len(hosts) != 1 or hosts[0] not in {f"{HOST}{end}", f"localhost{end}"}:
        return HTTPStatus.FORBIDDEN, f"This page is at {HOST}{end} and at no other name.\n"
    if any(origin != f"http://{hosts[0]}" for origin in origins) or len(origins) > 1:
        return HTTPStatus.FORBIDDEN, "Another page may not read this one.\n"
    if "Upgrade" in headers and not origins:
        return HTTPStatus.FORBIDDEN, "A WebSocket without an Origin is not answered.\n"
    given = path.partition("?")[0].removeprefix("/").removesuffix("/")
    if not secrets.compare_digest(given.encode(errors="replace"), token.encode()):
        return (
            HTTPStatus.FORBIDDEN,
            "The address lacks its token. Open the one that `radseg map view` printed.\n",
        )
    return None


def _refused_socket(connection: "ServerConnection", headers: "Headers", subprotocol: str) -> Refusal | None:
    if headers.get_all("Sec-WebSocket-Protocol") != [subprotocol]:  # viser would print it
        return HTTPStatus.BAD_REQUEST, f"The page speaks {subprotocol}. Load it again.\n"
    if len(connection.server.connections) >= MAX_PAGES:
        return HTTPStatus.SERVICE_UNAVAILABLE, f"The map is open in {MAX_PAGES} pages. Close one.\n"
    return None


def _connection_class() -> type["ServerConnection"]:
    from websockets.asyncio.server import ServerConnection  # noqa: PLC0415

    class GuardedConnection(ServerConnection):
        """Ends when the browser says what no page of ours says."""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.server.handlers) > MAX_CONNECTIONS:
                transport.abort()

        async def recv(self, decode: bool | None = None) -> Any:
            frame = await super().recv(decode)
            wrong = wrong_with(frame)
            if wrong is None:
                return frame
            await self.close(1008, wrong)
            raise self.protocol.close_exc  # viser ends the connection and says nothing

    return GuardedConnection


def _say_nothing_of_browsers_that_have_gone() -> None:
    warnings.filterwarnings("ignore", "Queued a .* on a closed connection")  # viser
    logging.getLogger("asyncio").addFilter(_is_no_lost_write)


def _is_no_lost_write(record: logging.LogRecord) -> bool:
    return record.msg != "socket.send() raised exception."


def _policy(port: int) -> str:
    """Return a Content-Security-Policy: the page runs its own scripts and speaks with its own server only."""
    allowed = {
        "default-src": "'none'",
        "script-src": "'unsafe-inline' 'unsafe-eval' blob:",  # viser's page is one file of scripts and wasm
        "worker-src": "blob:",
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "font-src": "data:",
        "connect-src": f"data: blob: ws://{HOST}:{port} ws://localhost:{port}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())
