"""Locks by name across processes: one index writer, one rebuild, whatever the number of workers."""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from django.conf import settings
from django.db import connection

from core.errors import Conflict

_POLL_S = 0.05


@contextmanager
def named_lock(name: str, timeout_s: float) -> Iterator[None]:
    """Holds the lock `name`; Conflict where another holder keeps it for longer than `timeout_s`.

    Not re-entrant. The holder's death frees it: it is an advisory lock of PostgreSQL on a connection of its own
    (so that it outlives whatever happens to the caller's transaction), elsewhere a lock on a file, which spans
    the processes of one machine, as SQLite does. Leave your transaction before you leave the lock: what is not
    committed when it opens is not seen by the next holder.
    """
    if not re.fullmatch(r"[a-z0-9-]{1,80}", name):
        raise ValueError(f"A lock's name is made of a-z, 0-9 and -, not {name!r}.")
    hold = _advisory_lock if connection.vendor == "postgresql" else _file_lock
    with hold(name, timeout_s):
        yield


def take_turn(name: str) -> None:
    """Within a transaction: whoever takes the same turn waits until it is over, so that looking and writing are one.

    For what is looked for and not there yet, where no row can be locked. On SQLite transactions that may write, as all
    of ours, take turns anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_key(name)])


@contextmanager
def _file_lock(name: str, timeout_s: float) -> Iterator[None]:
    folder = settings.VAR_DIR / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        _wait_for(name, timeout_s, lambda: _try_flock(descriptor))
        yield
    finally:
        os.close(descriptor)  # frees the lock with it


def _try_flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _advisory_lock(name: str, timeout_s: float) -> Iterator[None]:
    key = _key(name)
    with closing(connection.copy()) as own:

        def ask(function: str) -> bool:
            with own.cursor() as cursor:
                cursor.execute(f"SELECT {function}(%s)", [key])
                return bool(cursor.fetchone()[0])

        _wait_for(name, timeout_s, lambda: ask("pg_try_advisory_lock"))
        try:
            yield
        finally:
            # Closing would free it too, but only some time after we went on.
            ask("pg_advisory_unlock")


def _key(name: str) -> int:
    """PostgreSQL knows advisory locks by 64 bits."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


def _wait_for(name: str, timeout_s: float, acquired: Callable[[], bool]) -> None:
    deadline = time.monotonic() + timeout_s
    while not acquired():
        if time.monotonic() >= deadline:
            raise Conflict(f"Another process holds the lock {name!r}; it did not let go in {timeout_s:g} s.")
        time.sleep(_POLL_S)
