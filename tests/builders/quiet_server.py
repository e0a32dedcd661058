"""A loopback server for tests whose clients hang up on purpose."""

from http.server import ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """Prints nothing when a client goes away in the middle of an answer."""

    def handle_error(self, *_: Any) -> None:
        """Leave it to the test to notice."""
