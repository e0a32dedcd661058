"""What a hub, or the way to it, refuses: waited for where that helps, else said with the way out."""

import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from radseg.errors import WeightsUnavailableError
from radseg.weights.catalog import HUB
from radseg.weights.reporters import duration_text

HTTP: Any = import_module(
    next(c for c in HfHubHTTPError.__mro__ if c.__name__ == "HTTPError").__module__.split(".")[0]
)
"""The library whose errors the client raises: httpx, or httpx2, whichever it was built on."""
ATTEMPTS = 6  # in a row without a single new byte
FIRST_ATTEMPTS = 3  # to reach a hub that has not answered yet: a wrong proxy or mirror is soon known
LONGEST_WAIT = 300.0  # seconds that a server may ask for; beyond that a person is told instead
_PASSING = (408, 429, 500, 502, 503, 504)
_TOLD = 2.0  # seconds; a shorter pause is not worth a line
_LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token of yours"


class Patience:
    """How often something is asked for again, and how long after a failure."""

    def __init__(self, what: str, announce: Callable[[str], None], attempts: int = ATTEMPTS) -> None:
        self._what, self._announce, self._attempts, self._failures = what, announce, attempts, 0

    def after(self, error: Exception, *, at: int | None = None, moved: bool = False) -> None:
        """Wait after a failure until it is worth asking again.

        Args:
            at: the byte where it happened.
            moved: whether anything came since the last failure.

        Raises:
            WeightsUnavailableError: it is not worth it; says why, and what to do.
        """
        self._failures = 1 if moved else self._failures + 1
        attempts = ATTEMPTS if isinstance(error, HfHubHTTPError) else self._attempts
        pause = _pause_after(error, self._failures) if self._failures < attempts else None
        what = self._what if at is None else f"Byte {at} of {self._what}"
        if pause is None:
            raise unavailable(what, error) from error
        if pause >= _TOLD:
            self._announce(f"{_reason(error)}. Trying again in {pause:.0f} s.")
        time.sleep(pause)


def unavailable(what: str, error: Exception) -> WeightsUnavailableError:
    """Return the error that says why something cannot be had and what to do."""
    if isinstance(error, OfflineModeIsEnabled):
        return WeightsUnavailableError(f"HF_HUB_OFFLINE is set; {what} is not fetched.")
    again = " Run the command again to go on from there." if _passes(error) else ""
    return WeightsUnavailableError(f"{what} cannot be reached: {_reason(error)}.{again}")


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in _PASSING
    if isinstance(error, HTTP.ProxyError | HTTP.UnsupportedProtocol) or _cause(error, ssl.SSLError):
        return False
    return isinstance(error, HTTP.TransportError) or type(error) is OSError  # an answer that ended early


def _pause_after(error: Exception, failures: int) -> float | None:
    """Return the seconds to wait before asking again, or None where that is no use."""
    if not _passes(error):
        return None
    asked = retry_after(error.response.headers) if isinstance(error, HfHubHTTPError) else None
    if asked is None:
        return float(min(30.0, 0.5 * 2.0**failures))
    return None if asked > LONGEST_WAIT else max(1.0, asked)


def retry_after(headers: Any) -> float | None:
    """Return the seconds that a busy server asks to wait: Retry-After in both its forms, or RateLimit."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        pass
    limit = re.search(r"\br\s*=\s*0\b.*\bt\s*=\s*(\d+)", headers.get("RateLimit", ""))
    return float(limit[1]) if limit else None


def _reason(error: Exception) -> str:
    """Return what happened, and what to do about it, without a full stop."""
    if isinstance(error, HfHubHTTPError):
        return _answer(error.response)
    url = _url_of(error)
    return _line(error) if url is None else _on_the_way(error, url)


def _on_the_way(error: Exception, url: str) -> str:
    """Return what happened before any answer came, with host and proxy."""
    proxy, host = proxy_of(url), urlsplit(url).netloc
    place = f"{host} through the proxy {proxy.address} ({proxy.variable})" if proxy else host
    if tls := _cause(error, ssl.SSLError):
        return (
            f"{place} does not prove who it is (TLS: {_line(tls)}). Where a proxy reads along, set "
            "SSL_CERT_FILE to the file of its certificate; else check the clock and the address"
        )
    if _cause(error, socket.gaierror):
        name = urlsplit(proxy.address if proxy else url).hostname
        what = f"the name {name} is not known here (DNS), on the way to {place}"
    elif isinstance(error, HTTP.TimeoutException):
        what = f"{place} does not answer in time"
    elif isinstance(error, HTTP.ConnectError | HTTP.ProxyError):
        what = f"no connection to {place} ({_line(error)})"
    else:
        return f"the connection to {place} broke ({_line(error)})"
    if proxy:
        return f"{what}. Correct or unset {proxy.variable}"
    hint = f"HF_ENDPOINT={constants.ENDPOINT} names it" if _is_mirror(url) else "This machine may be offline"
    return f"{what}. {hint}"


def _answer(response: Any) -> str:
    """Return what a server's refusal means and what to do."""
    status, host = response.status_code, urlsplit(str(response.request.url)).netloc
    code, message = (response.headers.get(name, "") for name in ("X-Error-Code", "X-Error-Message"))
    said = f"the server {host} answered {status}{f' {code}' if code else ''}"
    repository = re.match(r"/([^/]+/[^/]+)/resolve/", urlsplit(str(response.request.url)).path)
    if status == 407:
        return f"{said}: {_proxy_login(str(response.request.url))}"
    if status in (401, 403) and repository is None:
        return f"{said}: the place where the files lie refuses them. See to the mirror or proxy, or {_LOGIN}"
    if status in (401, 403) or code == "RepoNotFound":
        page = f"{HUB}/{repository[1]}" if repository else HUB
        return (
            f"{said}: the repository is gated, private, or not there. Open {page}, accept its terms, then "
            f"{_LOGIN}. {_token_of(response)}"
        )
    asked = retry_after(response.headers)
    if status in _PASSING and asked is not None:
        return f"{said}: it is busy and asks to come back in {duration_text(asked)}"
    return f"{said}: {message or response.reason_phrase or 'without a reason'}"[:500].rstrip(".")


def _token_of(response: Any) -> str:
    if not response.request.headers.get("Authorization"):
        return "No token was sent"
    origin = "HF_TOKEN" if os.environ.get("HF_TOKEN") else "`hf auth login`"
    return f"The token that was sent, from {origin}, does not open it"


class Proxy(NamedTuple):
    """What stands between this machine and a host.

    Attributes:
        address: without name and password.
        variable: which environment variable names it.
    """

    address: str
    variable: str


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy that requests to `url` pass, None where there is none."""
    parts = urlsplit(url)
    found = getproxies()
    if proxy_bypass(parts.hostname or ""):
        return None
    name = next((name for name in (parts.scheme, "all") if found.get(name)), None)
    if name is None:
        return None
    variables = (f"{name}_proxy", f"{name}_proxy".upper())
    variable = next((v for v in variables if os.environ.get(v)), "the system's settings")
    address = found[name] if "://" in found[name] else f"http://{found[name]}"
    shown = urlsplit(address)
    return Proxy(shown._replace(netloc=shown.netloc.rpartition("@")[2]).geturl(), variable)


def _proxy_login(url: str) -> str:
    proxy = proxy_of(url)
    where = f"{proxy.address} ({proxy.variable})" if proxy else "in between"
    return f"the proxy {where} wants a name and password, as in http://NAME:PASSWORD@host:port"


def _is_mirror(url: str) -> bool:
    own = urlsplit(constants.ENDPOINT).netloc
    return own != urlsplit(HUB).netloc and urlsplit(url).netloc == own


def _url_of(error: Exception) -> str | None:
    try:
        return str(error.request.url) if isinstance(error, HTTP.RequestError) else None
    except RuntimeError:  # raised outside of a request
        return None


def _cause(error: BaseException, kind: type[Exception]) -> Exception | None:
    return next((one for one in _causes(error) if isinstance(one, kind)), None)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")
