"""Images from the web: https only, from public addresses, within a size and a time.

A name is resolved once, every address it has is judged, and the connection goes to one of those: another
answer of a name server changes nothing. Redirects go through the same. What came is judged by the image
reader, never by what the server says of it. No proxy is used.
"""

import contextlib
import hashlib
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path, PurePosixPath
from threading import Timer
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from radseg.errors import ImageError, InputError, RadsegError
from radseg.files import make_folder, shortened, write_pieces
from radseg.jobs.sources import IMAGE_SUFFIXES

MAX_BYTES = 256 * 2**20
"""Of one file; the largest image that is read has 0.5 GB decoded, and files are smaller."""
MAX_SECONDS = 120.0
"""From connecting to the last byte."""
MAX_REDIRECTS = 5
FOLDER = "downloads"
"""Where fetched images lie below the output folder."""
_PORT = 443
_PIECE = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?:{_LABEL}\.)+(?!0x[0-9a-f]*$|\d+$){_LABEL}")
"""A name with a dot whose last part is no number: what systems read as an address is never a name."""


def _resolve(host: str) -> list[str]:
    """Return all addresses of a name, or the address itself."""
    found = socket.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _connect(address: str, seconds: float) -> socket.socket:
    return socket.create_connection((address, _PORT), timeout=seconds)


@dataclass(frozen=True)
class Network:
    """How the web is reached.

    Attributes:
        resolve: all addresses of a host.
        connect: a socket to an address and its https port, within seconds.
        context: what certificates are trusted.
        seconds, most: that one file may take, and have.
    """

    resolve: Callable[[str], Sequence[str]] = _resolve
    connect: Callable[[str, float], socket.socket] = _connect
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    seconds: float = MAX_SECONDS
    most: int = MAX_BYTES


def fetched(sources: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Return the sources with each https address replaced by the file it was fetched into.

    Raises:
        InputError, ImageError: as `fetch`.
        ResourceError: the folder cannot be written.
    """
    if not any(is_address(source) for source in sources):
        return tuple(sources)
    network = Network()
    return tuple(str(fetch(one, folder, network)) if is_address(one) else one for one in sources)


def is_address(source: str) -> bool:
    """Whether a source is to be fetched."""
    return source.lower().startswith("https:")


def fetch(url: str, folder: Path, network: Network) -> Path:
    """Fetch one file and return where it lies.

    Raises:
        InputError: not an address that is fetched, or one that leads to no public network.
        ImageError: no connection, no certificate, an error of the server, too large, too slow.
        ResourceError: the folder cannot be written.
    """
    split = checked(url)
    make_folder(folder)
    target = folder / _file_name(split)
    deadline = time.monotonic() + network.seconds
    for _ in range(MAX_REDIRECTS + 1):
        following = _answer(split, target, network, deadline - time.monotonic())
        if following is None:
            return target
        split = checked(urljoin(split.geturl(), following))
    raise ImageError(f"{shortened(url)} cannot be fetched: more than {MAX_REDIRECTS} redirects.")


def checked(url: str) -> SplitResult:
    """Return the parts of an address that may be fetched.

    Raises:
        InputError: another scheme than https, a user, a port, a host that is none, odd characters.
    """
    name = shortened(url)
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise InputError(
            f"{name} holds characters that no address has. Write it as a browser copies it: xn--… and %20."
        )
    try:
        split = urlsplit(url)
        port, host = split.port, split.hostname or ""
    except ValueError as error:
        raise InputError(f"{name} is no address: {error}.") from error
    if split.scheme != "https":
        raise InputError(f"{name} is not fetched: only https:// is. Download it first, as with curl -O.")
    if "@" in split.netloc or port not in (None, _PORT) or split.netloc.endswith(":"):
        raise InputError(f"{name} is not fetched: a user or a port is in it. Leave them out.")
    if not ("[" not in split.netloc and _HOST.fullmatch(host)) and not _is_literal(host, split.netloc):
        raise InputError(f"{name} is not fetched: {shortened(host)!r} is no full name of a host.")
    return split


def is_public(address: str) -> bool:
    """Whether an address is one machine of the public internet, in no form that stands for another."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and (
        ip.scope_id or ip.sixtofour or ip.teredo or ip.is_site_local
    ):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_private)


def _is_literal(host: str, netloc: str) -> bool:
    try:
        return "%" not in host and ipaddress.ip_address(host).version == (6 if netloc.startswith("[") else 4)
    except ValueError:
        return False


def _file_name(split: SplitResult) -> str:
    """Return a name that no shell, list file or glob is meant by, and that no two addresses share."""
    last = PurePosixPath(unquote(split.path)).name
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", PurePosixPath(last).stem)[:60].strip("-") or split.hostname
    suffix = PurePosixPath(last).suffix.lower()
    mark = hashlib.sha256(split.geturl().encode()).hexdigest()[:8]
    return f"{stem}-{mark}{suffix if suffix in IMAGE_SUFFIXES else '.image'}"


def _answer(split: SplitResult, target: Path, network: Network, seconds: float) -> str | None:
    """Store what an address answers; return where it leads instead, if it does."""
    name = shortened(split.geturl())
    with _failures(name, network.seconds):
        if seconds <= 0:
            raise TimeoutError
        connection = _Pinned(split.hostname or "", network, seconds)
        # A server that sends a byte now and then never runs into the time limit of one read.
        end = Timer(seconds, connection.cut)
        end.start()
        try:
            connection.connect()
            path = (split.path or "/") + (f"?{split.query}" if split.query else "")
            connection.request("GET", path, headers={"User-Agent": "radseg", "Accept-Encoding": "identity"})
            response = connection.getresponse()
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            if response.status != 200:
                raise ImageError(f"{name} cannot be fetched: the server says {response.status}.")
            write_pieces(target, _pieces(response, network, name, connection))
        except Exception as error:
            if connection.was_cut:
                raise TimeoutError from error
            raise
        finally:
            end.cancel()
            connection.close()
    return None


def _pieces(response: HTTPResponse, network: Network, name: str, connection: "_Pinned") -> Iterator[bytes]:
    """Yield the body, all of it or an error."""
    size = 0
    with _failures(name, network.seconds):
        while piece := response.read(_PIECE):
            size += len(piece)
            if size > network.most:
                raise ImageError(f"{name} is not fetched: it has more than {network.most:,} bytes.")
            yield piece
        if connection.was_cut:
            raise TimeoutError
        if response.length:
            raise ImageError(f"{name} cannot be fetched: it ends {response.length:,} bytes early.")


class _Pinned(HTTPSConnection):
    """A connection to an address that was judged; the certificate has to be the name's."""

    def __init__(self, host: str, network: Network, seconds: float) -> None:
        super().__init__(host, _PORT, timeout=seconds, context=network.context)
        self.network, self.seconds, self.was_cut = network, seconds, False
        self.wire: socket.socket | None = None  # `sock` is None as soon as the response owns it

    def connect(self) -> None:
        """Connect to the first of the name's addresses, if all of them are public."""
        addresses = self.network.resolve(self.host)
        private = [one for one in addresses if not is_public(one)]
        if private or not addresses:
            what = f"leads to {private[0]}, which is no public address" if private else "has no address"
            raise InputError(f"{self.host} is not fetched from: it {what}.")
        self.sock = self.wire = self.network.connect(addresses[0], self.seconds)
        self.sock.settimeout(self.seconds)
        self.sock = self.wire = self.network.context.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End the connection from another thread."""
        self.was_cut = True
        if self.wire is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.wire, socket.SHUT_RDWR)  # TLS's own would pull the reader's state


@contextlib.contextmanager
def _failures(name: str, seconds: float) -> Iterator[None]:
    """Turn what a network does into an ImageError."""
    try:
        yield
    except RadsegError:
        raise
    except TimeoutError as error:
        raise ImageError(f"{name} cannot be fetched: it takes more than {seconds:g} s.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise ImageError(
            f"{name} cannot be fetched: {shortened(str(error)) or type(error).__name__}."
        ) from error
