"""Processes beside the test's: over its database and index folder, killed at a named moment, or all by themselves."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def env(database_url: str, settings: Any) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "VAR_DIR": str(settings.VAR_DIR),
        "INDEX_DIR": str(settings.INDEX_DIR),
    }


@contextmanager
def killing(env: dict[str, str]) -> Iterator[Callable[[str], None]]:
    """`kill(moment)` lets a process die at one of the moments of tests/search/killed.py, and fails where it lived."""
    command = [sys.executable, "-m", "tests.search.killed"]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked is not None
        assert answers is not None

        def kill(moment: str) -> None:
            asked.write(f"{moment}\n")
            asked.flush()
            assert int(answers.readline()) == signal.SIGKILL, moment

        try:
            assert answers.readline() == "ready\n"
            yield kill
        finally:
            process.kill()


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of manage.py over a database and a folder of its own, with the fake models."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": ""}
    environment.pop("SIGHTLINE_TEST_VAR")  # evaluations make and drop a test database
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
