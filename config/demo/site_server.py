"""Serves the demo site, which is somebody else's site to Sightline: an origin of its own, and nothing but files.

python -m config.demo.site_server FOLDER --port 8001 --service http://127.0.0.1:8000 --key slp_...
"""

import mimetypes
from argparse import ArgumentParser
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class SiteHandler(BaseHTTPRequestHandler):
    """Files of one folder; in pages, `{{service}}` and `{{key}}` are filled in."""

    def __init__(self, *args: Any, folder: Path, values: dict[str, str], **kwargs: Any) -> None:
        self.folder, self.values = folder, values
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].lstrip("/") or "index.html"
        file = self.folder / name
        if file.parent != self.folder or not file.is_file():  # no way out of the folder
            self.send_error(404)
            return
        content = file.read_bytes()
        if file.suffix == ".html":
            content = filled(content.decode(), self.values).encode()
        self.send_response(200)
        self.send_header("Content-Type", mimetypes.guess_type(name)[0] or "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads who looked at a demo."""


def filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def site_server(folder: Path, port: int, **values: str) -> ThreadingHTTPServer:
    """A server that listens, on a free port where `port` is 0."""
    handler = partial(SiteHandler, folder=folder.resolve(), values=values)
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--key", required=True)
    asked = parser.parse_args()
    site_server(asked.folder, asked.port, service=asked.service, key=asked.key).serve_forever()


if __name__ == "__main__":
    main()
