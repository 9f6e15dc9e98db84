import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction

from core.errors import Conflict
from core.locks import named_lock

pytestmark = pytest.mark.django_db(transaction=True)

HOLDER = """
import sys, time, django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from core.locks import named_lock
with named_lock("tests", 5):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_holder() -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock `tests` for a minute."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(connection.settings_dict["NAME"])],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_free_lock_is_had_at_once_and_again() -> None:
    for _ in range(3):
        with named_lock("tests", 0):
            pass


def test_a_lock_is_not_reentrant_and_says_who_failed() -> None:
    with named_lock("tests", 0), pytest.raises(Conflict, match="'tests'"), named_lock("tests", 0.1):
        pass


def test_other_names_do_not_wait() -> None:
    with named_lock("tests", 0), named_lock("others", 0):
        pass


def test_another_process_keeps_us_out_until_it_dies(other_holder: subprocess.Popen[str]) -> None:
    started = time.monotonic()
    with pytest.raises(Conflict), named_lock("tests", 0.3):
        pass
    assert time.monotonic() - started >= 0.3
    other_holder.send_signal(signal.SIGKILL)
    with named_lock("tests", 10):
        pass


def test_an_error_inside_frees_the_lock_even_in_a_broken_transaction() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), named_lock("tests", 0):
        1 / 0  # noqa: B018
    with named_lock("tests", 0):
        pass


def test_a_name_that_could_leave_the_folder_is_refused() -> None:
    with pytest.raises(ValueError, match="name"), named_lock("../escape", 0):
        pass


def test_no_two_processes_are_ever_inside_together(tmp_path: Path) -> None:
    script = """
import sys, time, django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from core.locks import named_lock
for _ in range(20):
    with named_lock("counter", 30):
        with open(sys.argv[2]) as file:
            value = int(file.read())
        time.sleep(0.001)
        with open(sys.argv[2], "w") as file:
            file.write(str(value + 1))
"""
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", script, str(connection.settings_dict["NAME"]), str(counter)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    processes = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert counter.read_text() == "60"
