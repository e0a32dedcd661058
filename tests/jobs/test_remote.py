"""Images from the web: from the public internet alone, whatever a name server or a redirect says."""

import itertools
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from quiet_server import QuietServer
from radseg.errors import ImageError, InputError, RadsegError
from radseg.jobs.remote import MAX_REDIRECTS, Network, checked, fetch, fetched, is_public

PUBLIC = "93.184.216.34"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
NO_ADDRESS = (
    *("http://images.example/a.jpg", "ftp://images.example/a", "file:///etc/passwd", "file:/etc/passwd"),
    *("data:image/png;base64,AAAA", "gopher://images.example/", "dict://a.example:11211/", "ldap://a.example"),
    *("javascript:alert(1)", "blob:https://images.example/1", "jar:https://a.example/a!/b", "about:blank"),
    *("//images.example/a.jpg", "images.example/a.jpg", "https:images.example", "https:/a.example/a", ""),
    *("https://", "https:///a", "https://:443/a", "https://?a", "https://#a", "https://@/", "https://[]/"),
    *("https://user@a.example/", "https://user:pw@images.example/", "https://images.example@127.0.0.1/"),
    *("https://127.0.0.1@images.example/", "https://@images.example/", "https://a%40b@images.example/"),
    *("https://images.example:80/", "https://images.example:8443/", "https://images.example:22/a.jpg"),
    *("https://images.example:0/", "https://images.example:99999/", "https://images.example:-1/"),
    *("https://images.example:/", "https://images.example:4 43/", "https://images.example:443:443/"),
    *("https://localhost/", "https://LOCALHOST/", "https://intranet/a.jpg", "https://metadata/", "https://a/"),
    *("https://images.example./a", "https://.images.example/", "https://images..example/", "https://./"),
    *("https://-a.example/", "https://a-.example/", f"https://{'a' * 64}.example/", "https://a.ex ample/"),
    *("https://images.example\\@127.0.0.1/", "https:\\\\images.example/", "https://127.0.0.1\\.images.example/"),
    *("https://images.example%00.png/", "https://%31%32%37.0.0.1/", "https://images%2eexample/"),
    *("https://images.example/a b.jpg", "https://images.example/\n", "https://images.example/\r\nHost: a", "https://a\tb.c/"),
    *("https://bücher.example/", "https://ⓔxample.com/", "https://127。0。0。1/", "https://１２７.0.0.1/"),
    *("https://images.example/ü.jpg", "https://\u202eimages.example/", "https://images.example\u200b/"),
    *("https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0x0.0x0.0x1/"),
    *("https://0177.0.0.1/", "https://0177.0.0.01/", "https://127.1/", "https://127.0.1/", "https://0/"),
    *("https://127.0.0.1.0x7f/", "https://1.2.3/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://010.0.0.1/"),
    *("https://0xa9fea9fe/", "https://2852039166/", "https://169.254.43518/", "https://a.0x1/", "https://a.1/"),
    *("https://127.0.0.1:443:80/", "https://127.0.0.1%2f/", "https://[fe80::1%25eth0]/", "https://[v1.a]/"),
    *("https://[::1/", "https://::1/", "https://[1.2.3.4]/", "https://[::g]/", "https://[images.example]/"),
)  # fmt: skip
"""What is refused before any name server is asked."""
PRIVATE = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "172.16.0.1"),
    *("172.31.255.255", "192.168.0.1", "192.168.255.255", "169.254.169.254", "169.254.0.1", "100.64.0.1"),
    *("100.127.255.255", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.1.1", "233.252.0.1", "239.255.255.255"),
    *("240.0.0.1", "255.255.255.255", "::", "::1", "::2", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:93.184.216.34", "::ffff:a9fe:a9fe", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1"),
    *("fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1"),
    *("ff0e::1", "3fff:ffff::1%1"),
)  # fmt: skip
"""Addresses that a name may lead to and that are no single machine of the public internet."""


def never(*_: object) -> socket.socket:
    raise AssertionError("a socket was opened")


def hostile() -> Iterator[tuple[str, str]]:
    """Yield an address and what its name server says; "" where none may be asked."""
    yield from ((url, "") for url in NO_ADDRESS)
    for address in PRIVATE:
        yield "https://images.example/a.jpg", address
        if "%" not in address:
            yield f"https://[{address}]/" if ":" in address else f"https://{address}/", address


def test_hostile_addresses_open_no_socket(tmp_path: Path) -> None:
    cases = list(hostile())
    assert len(cases) >= 150
    for url, address in cases:

        def resolve(host: str, address: str = address, url: str = url) -> list[str]:
            assert address, f"{url!r}: the name server was asked for {host!r}"
            return [address]

        with pytest.raises(InputError) as caught:
            fetch(url, tmp_path, Network(resolve, never, NO_TLS))
        assert str(caught.value).isprintable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("answer", [[PUBLIC, "10.0.0.1"], ["::1", PUBLIC], []])
def test_one_private_address_among_those_of_a_name_refuses_it(tmp_path: Path, answer: list[str]) -> None:
    with pytest.raises(InputError, match="no public address|no address"):
        fetch("https://images.example/", tmp_path, Network(lambda _: answer, never, NO_TLS))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)
    assert checked(f"https://[{address}]/" if ":" in address else f"https://{address}:443/a.jpg?b=c#d")


class Answers(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/").partition("/")[0].partition("?")[0])()

    def log_message(self, *_: object) -> None: ...

    def said(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def image(self) -> None:
        self.said(200, b"pixels", Content_Type="text/html", Content_Length="6")

    def large(self) -> None:
        self.said(200, bytes(200_000))

    def short(self) -> None:
        self.said(200, b"pix", Content_Length="9")

    def missing(self) -> None:
        self.said(404)

    def loop(self) -> None:
        self.said(302, Location="/loop")

    def to(self) -> None:
        self.said(307, Location=self.path.partition("?")[2])

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b".")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine: no certificate for a server")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=a -addext"
    names = "subjectAltName=DNS:images.example,DNS:other.example"
    files = folder / "cert.pem", folder / "key.pem"
    arguments = [*command.split(), names, "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(arguments, check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def connect(certificate: tuple[Path, Path]) -> Iterator[Callable[[str, float], socket.socket]]:
    """What connects to a server on this machine in place of the one public address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = QuietServer(("127.0.0.1", 0), Answers)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()

    def to_server(address: str, seconds: float) -> socket.socket:
        assert address == PUBLIC
        return socket.create_connection(server.server_address[:2], timeout=seconds)

    yield to_server
    server.shutdown()
    server.server_close()


@pytest.fixture
def network(certificate: tuple[Path, Path], connect: Callable[[str, float], socket.socket]) -> Network:
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    return Network(lambda _: [PUBLIC], connect, trusted, seconds=5, most=100_000)


def test_what_a_server_has_lies_in_the_folder_under_a_harmless_name(tmp_path: Path, network: Network) -> None:
    path = fetch("https://images.example/image/..%2F..%2F@list.txt?x=1", tmp_path, network)
    assert path.read_bytes() == b"pixels"
    assert path.parent == tmp_path
    assert path.name.startswith("list-")
    assert path.suffix == ".image"


def test_the_same_name_at_two_addresses_gives_two_files(tmp_path: Path, network: Network) -> None:
    names = {fetch(f"https://images.example/image/a.JPG?{i}", tmp_path, network).name for i in (1, 2)}
    assert len(names) == 2
    assert all(name.endswith(".jpg") for name in names)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("large", "more than 100,000 bytes"),
        ("short", "6 bytes early"),
        ("missing", "the server says 404"),
        ("loop", f"more than {MAX_REDIRECTS} redirects"),
    ],
)
def test_an_answer_that_is_no_file_leaves_none(
    tmp_path: Path, network: Network, path: str, message: str
) -> None:
    with pytest.raises(ImageError, match=message):
        fetch(f"https://images.example/{path}", tmp_path, network)
    assert not list(tmp_path.iterdir())


def test_a_server_that_drips_is_cut_off(tmp_path: Path, network: Network) -> None:
    slow = Network(network.resolve, network.connect, network.context, seconds=0.3)
    started = time.monotonic()
    with pytest.raises(ImageError, match=r"more than 0\.3 s"):
        fetch("https://images.example/drip", tmp_path, slow)
    assert time.monotonic() - started < 3
    assert not list(tmp_path.iterdir())


def test_a_redirect_is_followed_to_another_public_host(tmp_path: Path, network: Network) -> None:
    url = "https://images.example/to?https://other.example/image/b.png"
    assert fetch(url, tmp_path, network).read_bytes() == b"pixels"


@pytest.mark.parametrize(
    "target",
    [
        *("http://images.example/image", "file:///etc/passwd", "https://127.0.0.1/", "https://[::1]/"),
        *("https://2130706433/", "https://user@images.example/image", "https://images.example:8080/image"),
        *("//169.254.169.254/latest/meta-data/", "https://private.example/image", "data:,x", "//localhost/"),
    ],
)
def test_a_redirect_to_elsewhere_is_refused(tmp_path: Path, network: Network, target: str) -> None:
    answers = {"images.example": PUBLIC, "private.example": "10.0.0.1"}
    private = Network(lambda host: [answers.get(host, host)], network.connect, network.context)
    with pytest.raises(InputError):
        fetch(f"https://images.example/to?{target}", tmp_path, private)
    assert not list(tmp_path.iterdir())


def test_a_name_is_resolved_once_so_that_a_second_answer_changes_nothing(
    tmp_path: Path, network: Network
) -> None:
    answers = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
    rebinding = Network(lambda _: next(answers), network.connect, network.context)
    assert fetch("https://images.example/image", tmp_path, rebinding).exists()
    with pytest.raises(InputError, match=r"leads to 127\.0\.0\.1"):
        fetch("https://images.example/image", tmp_path, rebinding)


@pytest.mark.parametrize("host", ["stranger.example", PUBLIC])
def test_the_certificate_has_to_be_that_of_the_name(tmp_path: Path, network: Network, host: str) -> None:
    with pytest.raises(ImageError, match="certificate"):
        fetch(f"https://{host}/image", tmp_path, network)


def test_an_unknown_certificate_is_refused(tmp_path: Path, network: Network) -> None:
    with pytest.raises(ImageError, match="certificate"):
        fetch("https://images.example/image", tmp_path, Network(network.resolve, network.connect))


def test_sources_without_an_address_are_left_alone(tmp_path: Path) -> None:
    assert fetched(["a.jpg", "http://b.example"], tmp_path / "x") == ("a.jpg", "http://b.example")
    with pytest.raises(RadsegError):
        fetched(["https://localhost/"], tmp_path / "x")
    assert not (tmp_path / "x").exists()
