"""Addresses that others name are asked on the public network only, within time and size."""

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any

import pytest

from core import outbound
from core.errors import InvalidInput, SightlineError, TooLarge, Unavailable
from core.outbound import Limits, download, is_public, post
from tests.services.web import HERE, Handle, Serve, said

OPEN = Limits(timeout_s=5, max_bytes=1000, allowed=[HERE])


def got(url: str, limits: Limits = OPEN) -> bytes:
    file = BytesIO()
    download(url, file, limits)
    return file.getvalue()


def test_what_an_address_answers_is_written(serve: Serve) -> None:
    url = serve(said(b"hello", Content_Type="text/plain; charset=utf-8"))
    file = BytesIO()
    answer = download(f"{url}/a b?c=ü", file, OPEN)
    assert (answer.status, answer.content_type, file.getvalue()) == (200, "text/plain", b"hello")


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"),
        *("0.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "240.0.0.1"),
    ],
)
def test_addresses_of_a_private_network_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_addresses_of_the_open_network_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "0"])
def test_this_machine_is_not_asked_however_it_is_written(serve: Serve, host: str) -> None:
    port = serve(said(b"secret")).rsplit(":", 1)[-1]
    with pytest.raises(SightlineError) as refused:
        got(f"http://{host}:{port}/", Limits(timeout_s=5, max_bytes=1000))
    assert "public network" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nowhere",
        "file:///etc/passwd",
        "ftp://a/b",
        "http://",
        "http://a:b@c/",
        "http://a:99999/",
        "http://[::1/",
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        got(url)


def test_a_redirect_to_a_private_address_is_refused(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = serve(said(b"secret"))
    port = hidden.rsplit(":", 1)[-1]
    url = serve(said(status=302, Location=f"http://127.0.0.2:{port}/"))
    only_this = Limits(timeout_s=5, max_bytes=1000, allowed=[ipaddress.ip_network("127.0.0.1/32")])
    with pytest.raises(InvalidInput, match="public network"):
        got(url, only_this)


def test_redirects_are_followed_but_not_for_ever(serve: Serve) -> None:
    there = serve(said(b"here it is"))
    assert got(serve(said(status=301, Location=there))) == b"here it is"
    with pytest.raises(InvalidInput, match="redirects"):
        got(serve(said(status=302, Location="/again")))


@pytest.mark.parametrize(
    "handle",
    [said(status=302, Location="http://["), said(b"x", Content_Length="9" * 5000)],
    ids=["a redirect to half an address", "a length of 5,000 digits"],
)
def test_an_answer_that_nobody_can_read_is_refused(serve: Serve, handle: Handle) -> None:
    with pytest.raises(InvalidInput, match="can't be read"):
        got(serve(handle))


def test_a_name_that_changes_between_check_and_connect_gains_nothing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look-up says a public address, every later one this machine; the connection goes to the first."""
    port = int(serve(said(b"secret")).rsplit(":", 1)[-1])
    asked: list[str] = []
    connected: list[Any] = []

    def changing(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    class Watched(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address)
            raise ConnectionRefusedError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    monkeypatch.setattr(socket, "socket", Watched)
    with pytest.raises(Unavailable):
        got(f"http://rebinding.example:{port}/", Limits(timeout_s=5, max_bytes=1000))
    assert asked == ["rebinding.example"]
    assert connected == [("93.184.216.34", port)]


def test_a_body_that_is_announced_too_large_is_refused_unread(serve: Serve) -> None:
    with pytest.raises(TooLarge):
        got(serve(said(Content_Length="1000000")))


def test_an_endless_body_is_cut_off_at_the_limit(serve: Serve) -> None:
    def endless(asked: BaseHTTPRequestHandler) -> None:
        said()(asked)
        with suppress(OSError):  # until the reader hangs up
            while True:
                asked.wfile.write(b"x" * 65536)

    with pytest.raises(TooLarge):
        got(serve(endless))


@pytest.mark.parametrize("dripping", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nX-A: "])
def test_a_slow_answer_ends_at_the_deadline_wherever_it_drips(serve: Serve, dripping: bytes) -> None:
    over = threading.Event()

    def slow(asked: BaseHTTPRequestHandler) -> None:
        asked.wfile.write(dripping)
        while not over.wait(0.05):
            with suppress(OSError):
                asked.wfile.write(b"x")

    # Without a deadline it would drip on until the test's time limit.
    with pytest.raises(Unavailable, match="within"):
        got(serve(slow), Limits(timeout_s=0.5, max_bytes=10_000, allowed=[HERE]))
    over.set()


def test_a_broken_off_answer_is_not_taken_for_a_whole_one(serve: Serve) -> None:
    with pytest.raises(Unavailable):
        got(serve(said(b"half", Content_Length="8")))


@pytest.mark.parametrize(("status", "error"), [(404, InvalidInput), (500, Unavailable), (429, Unavailable)])
def test_an_answer_that_says_no(serve: Serve, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(status)):
        got(serve(said(status=status)))


def test_an_encoding_that_was_not_asked_for_is_refused(serve: Serve) -> None:
    with pytest.raises(InvalidInput, match="compressed"):
        got(serve(said(b"x", Content_Encoding="gzip")))


def test_nobody_there_is_a_reason_to_come_back() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable):
        got(f"http://127.0.0.1:{port}/")


def test_a_message_is_sent_with_its_headers_and_redirects_are_not_followed(serve: Serve) -> None:
    heard: list[tuple[bytes, str]] = []

    def hear(asked: BaseHTTPRequestHandler) -> None:
        heard.append((asked.rfile.read(int(asked.headers["Content-Length"])), asked.headers["X-Name"]))
        said(status=302, Location="http://127.0.0.1:1/")(asked)

    assert post(serve(hear), b"{}", {"X-Name": "value"}, OPEN).status == 302
    assert heard == [(b"{}", "value")]


def test_tls_names_are_checked(serve: Serve) -> None:
    port = serve(said(b"plain")).rsplit(":", 1)[-1]
    with pytest.raises(Unavailable):
        got(f"https://127.0.0.1:{port}/")


def test_no_socket_is_left_behind_by_the_watch() -> None:
    before = threading.active_count()
    with pytest.raises(Unavailable):
        got("http://127.0.0.1:1/")
    assert threading.active_count() <= before
    assert outbound.checked_address("https://shop.example/a").hostname == "shop.example"


def test_a_slow_name_server_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        asked.wait(30)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer in full"):
        got("http://slow.example/", Limits(timeout_s=0.3, max_bytes=1000))
    asked.set()
    assert time.monotonic() - began < 10
