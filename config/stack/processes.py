"""Child processes that never outlive us: own process group, a log file each, stopped with all they started."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Looked up before any fork: between fork and exec only what is already loaded is safe to call.
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass
class Child:
    """One started part of the stack."""

    name: str
    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def exit_code(self) -> int | None:
        return self.process.poll()

    def log_tail(self, lines: int = 20) -> str:
        with self.log_file.open(errors="replace") as file:
            return "".join(deque(file, maxlen=lines)).rstrip()


def start(
    name: str,
    command: Sequence[str],
    *,
    log_dir: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Starts `command` as the leader of a process group; its output goes to `log_dir/name.log`."""
    log_dir.mkdir(parents=True, exist_ok=True)
    log_file = log_dir / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            start_new_session=True,
            user=user,
            extra_groups=None if user is None else [],
            preexec_fn=_dies_with(os.getpid(), death_signal),
        )
    return Child(name, process, log_file)


def stop(
    children: Iterable[Child], *, grace_s: float = 10.0, ask_with: signal.Signals = signal.SIGTERM
) -> None:
    """Asks each to end, then ends its whole process group: what it started goes with it."""
    asked = [child for child in children if child.exit_code is None]
    for child in asked:
        child.process.send_signal(ask_with)
    deadline = time.monotonic() + grace_s
    for child in asked:
        try:
            child.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
    for child in children:
        _end_group(child)


def _end_group(child: Child) -> None:
    """The group outlives its leader as long as a grandchild does; nobody answers where none is left."""
    try:
        os.killpg(child.process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        child.process.wait()


def _dies_with(parent: int, death_signal: signal.Signals) -> Callable[[], None] | None:
    """Linux tells the child when we die, even by SIGKILL; elsewhere an orderly end has to do."""
    if _prctl is None:
        return None

    def ask_kernel() -> None:
        _prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # we died before the kernel was told
            os._exit(1)

    return ask_kernel
