"""Which worker processes live: each holds the lock of a file for life, and the kernel frees it at its death.

Neither a pid that was given away again nor a clock can deceive this. It reaches as far as VAR_DIR does (one
machine, several containers with a shared volume); beyond, the lease on a claim runs out (`claims.LEASE_S`).
"""

import fcntl
import os
import re
import secrets
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True)
class _Self:
    pid: int
    name: str
    descriptor: int  # open, and so locked, until the process ends


_lock = threading.Lock()
_self: _Self | None = None


def own_name() -> str:
    """The name under which this process claims work, told apart from every other process there ever was."""
    # One per process; a fork finds its parent's and makes its own
    global _self
    with _lock:
        if _self is None or _self.pid != os.getpid():
            _self = _register()
        return _self.name


def dead_workers() -> set[str]:
    """Names of the processes that worked here and are gone."""
    return {path.name for path in _folder().glob("[!.]*") if _is_free(path)}


def lives(name: str) -> bool:
    """Whether a process that works here holds this name; False also of one that works elsewhere."""
    path = _folder() / name
    return path.exists() and not _is_free(path)


def forget(names: Iterable[str]) -> None:
    """Drop the files of dead workers, once their claims are released."""
    for name in names:
        (_folder() / name).unlink(missing_ok=True)


def _folder() -> Path:
    folder = Path(settings.VAR_DIR) / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _register() -> _Self:
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:60] or "host"
    name = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
    # Locked under a hidden name and only then shown: nobody ever sees the file of a living worker unlocked.
    hidden = _folder() / f".{name}"
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    hidden.rename(_folder() / name)
    return _Self(os.getpid(), name, descriptor)


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False  # another sweep has just forgotten it
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _after_fork() -> None:
    # Another thread of the parent may have held it
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
