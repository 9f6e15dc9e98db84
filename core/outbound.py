"""Requests to addresses that others name: never into our own network, never longer or larger than allowed.

The host is resolved here, each address is judged, and the connection is opened to that very address; a name that
resolves otherwise a moment later gains nothing. Redirects are followed by hand, so each is judged in the same way.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from queue import Empty, SimpleQueue
from typing import IO, Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from core.errors import InvalidInput, TooLarge, Unavailable

_USER_AGENT = "sightline"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 1 << 16
_SAFE_IN_ADDRESS = "/%:=&?~#+!$,;'@()*[]-._"
#: Prefixes under which an IPv6 address stands for an IPv4 one that it does not say plainly.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Limits:
    """timeout_s: for everything together, redirects included. allowed: networks that may be asked though private."""

    timeout_s: float
    max_bytes: int
    max_redirects: int = 5
    allowed: Sequence[Network] = ()


@dataclass(frozen=True)
class Answer:
    """The last answer's status and type, and the address that gave it."""

    status: int
    content_type: str
    url: str


@dataclass
class _Deadline:
    """When all must be over. Sockets that are open then are shut, however slowly bytes drip through them."""

    timeout_s: float
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        self.ends = time.monotonic() + self.timeout_s

    @property
    def left_s(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.passed()
        return left

    def passed(self) -> Unavailable:
        return Unavailable(f"The address did not answer in full within {self.timeout_s:g} s.")

    @contextmanager
    def watching(self, connected: socket.socket) -> Iterator[None]:
        def shut() -> None:
            with suppress(OSError):
                # The plain socket's own way: TLS would first say goodbye, to somebody who does not listen.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

        timer = threading.Timer(self.left_s, shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def download(url: str, into: IO[bytes], limits: Limits, *, accept: str = "*/*") -> Answer:
    """Writes what the address answers into a file, from its start.

    InvalidInput for an address that may not be asked, a redirect to one, too many redirects, or an answer that says
    no or makes no sense; TooLarge beyond the limit on bytes; Unavailable where the other side is away, broken or slow.
    """
    deadline = _Deadline(limits.timeout_s)
    for _ in range(limits.max_redirects + 1):
        with _asked("GET", url, {"Accept": accept}, None, limits, deadline) as answer:
            if answer.status not in _REDIRECTS:
                _refuse_bad_status(answer.status)
                _copy(answer, into, limits.max_bytes, deadline)
                return Answer(answer.status, answer.headers.get_content_type(), url)
            url = urljoin(url, answer.headers.get("Location", ""))
    raise InvalidInput(f"The address redirects more than {limits.max_redirects} times.")


def post(url: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Answer:
    """Sends a message; redirects are not followed, and what comes back is not read. Errors as with `download`."""
    with _asked("POST", url, headers, body, limits, _Deadline(limits.timeout_s)) as answer:
        return Answer(answer.status, answer.headers.get_content_type(), url)


def is_public(address: Address) -> bool:
    """Whether an address is one of the open network, also where it hides an IPv4 address in itself."""
    if isinstance(address, ipaddress.IPv6Address):
        hidden = _hidden_in(address)
        if hidden is not None:
            return is_public(hidden)
    return address.is_global and not address.is_multicast and not address.is_reserved


def parts_of_address(url: str) -> SplitResult | None:
    """The parts of an address that somebody wrote; None where it is none, such as `http://[` or a port of letters."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is read only now
    except ValueError:
        return None
    return parts


def checked_address(url: str, field: str | None = None) -> SplitResult:
    """The parts of an address that may at all be asked: http or https, a host, no names or passwords.

    InvalidInput otherwise; field: the one that it names.
    """
    name = f"{field}: " if field else ""
    parts = parts_of_address(url)
    if parts is None:
        raise InvalidInput(f"{name}The address {url[:200]!r} can't be read.", field=field)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise InvalidInput(
            f"{name}The address {url[:200]!r} does not begin with http:// or https:// and a host.",
            field=field,
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(f"{name}An address with a name or password in it is not asked.", field=field)
    return parts


def _hidden_in(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


@contextmanager
def _asked(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, limits: Limits, deadline: _Deadline
) -> Iterator[http.client.HTTPResponse]:
    """The head of one answer; the connection is closed at the end."""
    parts = checked_address(url)
    with _network_errors(deadline), _connected(parts, limits, deadline) as connection:
        path = quote(parts.path or "/", safe=_SAFE_IN_ADDRESS)
        query = f"?{quote(parts.query, safe=_SAFE_IN_ADDRESS)}" if parts.query else ""
        sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", "Connection": "close", **headers}
        connection.request(method, path + query, body=body, headers=sent)
        with connection.getresponse() as answer:
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise InvalidInput("The address answers in a compressed encoding that was not asked for.")
            yield answer


@contextmanager
def _connected(
    parts: SplitResult, limits: Limits, deadline: _Deadline
) -> Iterator[http.client.HTTPConnection]:
    """A connection whose socket is open already, to an address that was judged."""
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    connected = _open_socket(host, port, limits.allowed, deadline)
    if parts.scheme == "https":
        connected = _tls().wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
    with connected, deadline.watching(connected):
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = {"http": 80, "https": 443}[
            parts.scheme
        ]  # which the header Host does not name
        connection.sock = connected
        try:
            yield connection
        finally:
            connection.close()


def _open_socket(host: str, port: int, allowed: Sequence[Network], deadline: _Deadline) -> socket.socket:
    """Connects to the first address of the host that may be asked and answers."""
    resolved = _resolved(host, port, deadline)
    open_ones = [entry for entry in resolved if _may_be_asked(str(entry[4][0]), allowed)]
    if not open_ones:
        raise InvalidInput(f"The host {host} is not on the public network, so it is not asked.")
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in open_ones:
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(deadline.left_s)
        try:
            opened.connect(address)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


def _resolved(host: str, port: int, deadline: _Deadline) -> list[Any]:
    """What name servers say of a host, asked in a thread of its own: no time-out of a socket covers them."""
    answers: SimpleQueue[list[Any] | Exception] = SimpleQueue()

    def resolve() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=resolve, name="resolve-host", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left_s)
    except Empty:
        raise deadline.passed() from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _may_be_asked(text: str, allowed: Sequence[Network]) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    return is_public(address) or any(address in network for network in allowed)


@contextmanager
def _network_errors(deadline: _Deadline) -> Iterator[None]:
    """A side that is away, breaks off or is slow is one kind of error, whatever the library calls it.

    One that answers what no library can read is another: asking again would not help.
    """
    try:
        yield
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        if time.monotonic() >= deadline.ends or isinstance(error, TimeoutError):
            raise deadline.passed() from error
        raise Unavailable(f"The address can't be reached: {error or type(error).__name__}.") from error
    except ValueError as error:  # a header that is no address, or a number of thousands of digits
        raise InvalidInput("What the address answers can't be read.") from error


def _refuse_bad_status(status: int) -> None:
    if status >= 500 or status == 429:
        raise Unavailable(f"The address answers {status}.")
    if not 200 <= status < 300:
        raise InvalidInput(f"The address answers {status}.")


def _copy(answer: http.client.HTTPResponse, into: IO[bytes], max_bytes: int, deadline: _Deadline) -> None:
    announced = answer.headers.get("Content-Length", "")
    too_large = TooLarge(f"The address answers with more than {max_bytes:,} bytes.")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large
    read = 0
    while chunk := answer.read1(_CHUNK_BYTES):
        read += len(chunk)
        if read > max_bytes:
            raise too_large
        into.write(chunk)
    # A socket that was shut at the deadline reads like one that ended.
    _ = deadline.left_s
    if announced.isdecimal() and read < int(announced):
        raise Unavailable("The address broke off before its answer was complete.")


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
