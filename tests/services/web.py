"""Small web servers on this machine, which stand for other people's."""

import ipaddress
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

HERE = ipaddress.ip_network("127.0.0.0/8")
Handle = Callable[[BaseHTTPRequestHandler], None]
Serve = Callable[[Handle], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(handle)` is the address of a server that answers so."""
    running: list[ThreadingHTTPServer] = []

    def start(handle: Handle) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                handle(self)

            do_POST = do_GET

            def log_message(self, *_: Any) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def said(content: bytes = b"", status: int = 200, **headers: str) -> Handle:
    def handle(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(status)
        for name, value in headers.items():
            asked.send_header(name.replace("_", "-"), value)
        asked.end_headers()
        asked.wfile.write(content)

    return handle
