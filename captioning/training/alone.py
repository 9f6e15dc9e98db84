"""One process at a time: two would write over each other's files."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from core.errors import Conflict

_LOCK = "lock"


@contextmanager
def alone_in(run_dir: Path) -> Iterator[None]:
    """Holds the folder, which is made where there is none; the holder's death frees it.

    Conflict where another process trains there.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"Another process trains in {run_dir}: let it end, or name another folder for this run."
            ) from error
        yield


@contextmanager
def one_after_another(lock: Path) -> Iterator[None]:
    """Holds a lock file, whose folder is made where there is none; waits, and says so, while another process does."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tqdm.write(f"Waiting for another process, which makes the same: it holds {lock}.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
