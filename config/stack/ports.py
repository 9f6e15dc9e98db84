"""TCP ports of this machine."""

import socket

from config.stack.errors import StackError


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_free(host: str, port: int) -> None:
    """StackError where another program listens on the port, or where we may not."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(
                f"Port {port} of {host} can't be used ({error.strerror}). Stop the program that uses it, "
                f"or take another port: `make demo PORT={_other(port)}`, `manage.py serve --port {_other(port)}`."
            ) from error


def _other(port: int) -> int:
    return port + 1 if 1024 <= port < 65_535 else 8001
