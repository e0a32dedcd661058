"""A file server with faults on loopback, for downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from quiet_server import QuietServer
from radseg.weights.hub import RemoteFile


class Server(QuietServer):
    """A file server with faults.

    Attributes:
        content, etag: what it serves, and the mark of it that a hub would report.
        cuts: after how many bytes of each answer to hang up, one per request; then never.
        statuses: answers to give first, with `retry_after` where that is said.
        ranges: whether it understands ranges.
        shift: by how many bytes it misunderstands them.
        log: the Range headers it saw.
    """

    def __init__(self, content: bytes, etag: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges, self.shift = content, etag, True, 0
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.retry_after: str | None = None
        self.log: list[str | None] = []

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Serve while the context lasts."""
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def remote(self, **facts: Any) -> RemoteFile:
        facts = {"size": len(self.content), "etag": self.etag} | facts
        return RemoteFile("file", f"http://127.0.0.1:{self.server_address[1]}/file", **facts)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.log.append(self.headers.get("Range"))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            if server.retry_after is not None:
                self.send_header("Retry-After", server.retry_after)
            self.end_headers()
            return
        start, stop = 0, len(server.content)
        wanted = self.headers.get("Range") if server.ranges else None
        if wanted:
            first, last = wanted.removeprefix("bytes=").split("-")
            start, stop = int(first) + server.shift, min(stop, int(last) + 1 if last else stop)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(server.content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else stop - start
        self.wfile.write(server.content[start : min(stop, start + cut)])
        self.close_connection = True
