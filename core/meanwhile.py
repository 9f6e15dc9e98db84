"""Computing on another core, where one is free, while the caller goes on."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Made = TypeVar("Made")

#: More than a web process has under way at once.
_THREADS = 64


def begin(call: Callable[[], Made]) -> "Future[Made]":
    """What the call returns or raises, to be waited for.

    It may wait for what began earlier. It asks no database: each thread has a connection of its own, and nobody would
    close this one's.
    """
    return _threads(os.getpid()).submit(call)


@cache
def _threads(pid: int) -> ThreadPoolExecutor:
    """This process's, made as they are needed; a fork's child finds its parent's dead, hence the pid."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=f"meanwhile-{pid}")
