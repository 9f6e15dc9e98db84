"""Whether processes have ended that are not ours to wait for."""

import time
from collections.abc import Iterable

import psutil

#: Each is told by a signal and takes its leave, as workers do: seconds, and several times that on a busy machine.
_SOON_S = 60.0


def end_soon(processes: Iterable[psutil.Process]) -> bool:
    """Whether all of them end soon. A zombie, which waits to be asked how it ended, has."""
    deadline = time.monotonic() + _SOON_S
    while any(_lives(each) for each in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False
