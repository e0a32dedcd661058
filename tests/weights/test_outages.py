"""The network's bad days, against a hub on loopback: waited for, or said with host, cause and way out."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import close_session

from loopback_hub import Answer, Hub, address, use_endpoint
from radseg.errors import ResourceError, WeightsUnavailableError
from radseg.weights import hub as asking
from radseg.weights.options import DownloadOptions
from radseg.weights.resolve import resolve_radio

NAME, REPOSITORY, FILE = "c-radio_v3-b", "nvidia/C-RADIOv3-B", "c-radio_v3-b_half.pth.tar"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def new_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub client reads proxies when it makes its connections: every test begins without any."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    close_session()
    yield
    close_session()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; how long they would have is kept."""
    kept: list[float] = []
    monkeypatch.setattr("time.sleep", kept.append)
    return kept


@pytest.fixture
def serving(hub: type[Hub], save: Any) -> type[Hub]:
    """A hub with one model."""
    hub.files[address(REPOSITORY, FILE)] = save().read_bytes()
    return hub


def refused(**options: Any) -> str:
    with pytest.raises(WeightsUnavailableError) as caught:
        resolve_radio(NAME, DownloadOptions(**options))
    message = str(caught.value)
    assert "\n" not in message
    assert NAME in message
    return message


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_busy_hub_is_asked_again_when_it_says(
    serving: type[Hub], waits: list[float], listener: Any, status: int, method: str
) -> None:
    serving.refusals[:] = [Answer(status, {"Retry-After": "7"}, method)] * 2
    resolve_radio(NAME, DownloadOptions(reporter=listener))
    assert waits == [7.0, 7.0]
    host = serving.endpoint.removeprefix("http://")
    busy = f"the server {host} answered {status}: it is busy and asks to come back in 7 seconds."
    assert listener.lines[:2] == [f"{busy} Trying again in 7 s."] * 2


def test_a_date_to_come_back_at_is_understood(serving: type[Hub], waits: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    serving.refusals[:] = [Answer(503, {"Retry-After": soon})]
    resolve_radio(NAME)
    assert 35 <= waits[0] <= 40


def test_the_hubs_own_limit_is_understood(serving: type[Hub], waits: list[float]) -> None:
    serving.refusals[:] = [Answer(429, {"RateLimit": '"resolvers";r=0;t=55'})]
    resolve_radio(NAME)
    assert waits == [55.0]


def test_a_hub_that_asks_for_too_long_a_wait_is_left(serving: type[Hub], waits: list[float]) -> None:
    serving.refusals[:] = [Answer(429, {"Retry-After": "3600"})]
    message = refused()
    assert "it is busy and asks to come back in 60 minutes. Run the command again" in message
    assert waits == []


def test_a_hub_that_stays_busy_is_left(serving: type[Hub], waits: list[float]) -> None:
    serving.refusals[:] = [Answer(503)] * 6
    assert "answered 503: Service Unavailable. Run the command again to go on from there" in refused()
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert serving.refusals == []


@pytest.mark.parametrize(("status", "code"), [(401, "GatedRepo"), (403, "GatedRepo"), (401, "RepoNotFound")])
def test_a_gated_repository_says_how_to_get_in(serving: type[Hub], status: int, code: str) -> None:
    serving.refusals[:] = [Answer(status, {"X-Error-Code": code, "X-Error-Message": "Access is restricted"})]
    message = refused()
    host = serving.endpoint.removeprefix("http://")
    assert (
        f"{REPOSITORY}/{FILE} cannot be reached: the server {host} answered {status} {code}: the repository "
        f"is gated, private, or not there. Open https://huggingface.co/{REPOSITORY}, accept its terms, then "
        "log in with `hf auth login`, or set HF_TOKEN to a token of yours. The token that was sent, from "
        "HF_TOKEN, does not open it." in message
    )
    assert serving.sent == []


def test_a_missing_token_is_told_from_a_wrong_one(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    serving.refusals[:] = [Answer(401, {"X-Error-Code": "GatedRepo"})]
    assert "No token was sent." in refused()


def test_a_mirror_that_only_says_404_lacks_the_file(serving: type[Hub], waits: list[float]) -> None:
    serving.refusals[:] = [Answer(404)]
    message = refused()
    assert f"There is no {FILE} of {REPOSITORY} at {serving.endpoint}/{REPOSITORY}/resolve/main/" in message


def test_an_answer_without_a_reason_is_said_as_it_is(serving: type[Hub]) -> None:
    serving.refusals[:] = [Answer(451, {"X-Error-Message": "Withheld in your country"})]
    assert "answered 451: Withheld in your country." in refused()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_dead_proxy_is_named_with_its_variable(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch, waits: list[float], variable: str
) -> None:
    proxy = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv(variable, f"http://me:secret@{proxy}")
    message = refused()
    host = serving.endpoint.removeprefix("http://")
    assert f"no connection to {host} through the proxy http://{proxy} ({variable})" in message
    assert f"Correct or unset {variable}." in message
    assert "secret" not in message
    assert len(waits) == 2


def test_a_proxy_that_wants_a_name_is_understood(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", hub.endpoint)
    use_endpoint("http://hub.invalid", monkeypatch)
    hub.refusals[:] = [Answer(407)]
    message = refused()
    assert (
        f"the server hub.invalid answered 407: the proxy {hub.endpoint} (HTTP_PROXY) wants a name" in message
    )


def test_a_refused_mirror_is_named_with_its_variable(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    mirror = f"http://127.0.0.1:{free_port()}"
    use_endpoint(mirror, monkeypatch)
    message = refused()
    assert f"no connection to {mirror.removeprefix('http://')} (" in message
    assert f"HF_ENDPOINT={mirror} names it." in message


def test_an_unknown_name_is_said_to_be_one(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    use_endpoint("http://mirror.invalid", monkeypatch)
    message = refused()
    assert "the name mirror.invalid is not known here (DNS), on the way to mirror.invalid." in message
    assert "HF_ENDPOINT=http://mirror.invalid names it." in message


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """The address of a server whose certificate nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    subprocess.run(
        [*command, *subject, "-keyout", key, "-out", certificate, "-days", "2"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
                context.wrap_socket(connection, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_a_certificate_nobody_signed_is_refused_at_once(
    hub: type[Hub], untrusted: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    use_endpoint(f"https://{untrusted}", monkeypatch)
    message = refused()
    assert f"{untrusted} does not prove who it is (TLS: " in message
    assert "set SSL_CERT_FILE to the file of its certificate" in message
    assert waits == []


def test_a_hub_that_says_nothing_is_left_with_its_name(
    hub: type[Hub], monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_ETAG_TIMEOUT", 0.05)
    monkeypatch.setattr(asking, "get_hf_file_metadata", impatient(asking.get_hf_file_metadata))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        use_endpoint(f"http://{host}", monkeypatch)
        assert f"{host} does not answer in time. HF_ENDPOINT=" in refused()


def impatient(ask: Any) -> Any:
    return lambda *places, **options: ask(*places, **options, timeout=0.05)


def test_a_line_that_breaks_is_taken_up_and_told(
    serving: type[Hub], waits: list[float], listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = serving._send

    def breaking(self: Hub, content: bytes) -> None:
        if len(serving.sent) < 2:
            serving.sent.append((self.path, 0))
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        real(self, content)

    monkeypatch.setattr(serving, "_send", breaking)
    resolve_radio(NAME, DownloadOptions(reporter=listener))
    assert waits == [1.0, 2.0]
    host = serving.endpoint.removeprefix("http://")
    told = [line for line in listener.lines if "left out" not in line]
    assert len(told) == 1  # the pause of a second is not worth a line
    assert listener.lines[0].startswith(f"the connection to {host} broke (")


def test_a_store_that_cannot_be_written_names_its_variable(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RADSEG_HOME", str(tmp_path / "file"))
    with pytest.raises(ResourceError, match=r"Cannot write .*Set RADSEG_HOME to another folder"):
        resolve_radio(NAME)
    assert serving.sent == []


def test_a_hub_cache_that_cannot_be_read_names_its_variable(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", "/cache/refs/main")

    monkeypatch.setattr(asking, "try_to_load_from_cache", forbidden)
    with pytest.raises(
        ResourceError, match=r"Cannot read /cache/refs/main: Permission denied.*set HF_HOME to"
    ):
        resolve_radio(NAME)


def test_a_token_that_cannot_be_read_names_its_variable(
    serving: type[Hub], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path))  # a folder is no file
    with pytest.raises(ResourceError, match=r"Is a directory.*set HF_HOME to"):
        resolve_radio(NAME)
