"""A worker that died is known to be dead, whatever killed it; one that lives never is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from workers import liveness

_SAY_NAME_AND_STAY = """
import sys
from django.conf import settings
settings.configure(VAR_DIR=sys.argv[1])
from workers import liveness
print(liveness.own_name(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(liveness, "_self", None)


def test_only_the_killed_one_is_dead(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SAY_NAME_AND_STAY, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        own = liveness.own_name()
        assert name != own
        assert liveness.dead_workers() == set()
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        assert liveness.dead_workers() == {name}
        liveness.forget([name])
        assert liveness.dead_workers() == set()


def test_a_fork_is_another_worker() -> None:
    own = liveness.own_name()
    assert liveness.own_name() == own
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, liveness.own_name().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        forked = pipe.read()
    os.waitpid(child, 0)
    assert forked != own
    assert forked.split("-")[-2] == str(child)
    assert liveness.dead_workers() == {forked}
