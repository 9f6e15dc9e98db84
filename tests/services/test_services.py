"""The fixtures give real services."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil
import psycopg
import pytest
import redis
from django.db import connection

from tests.services.ended import end_soon
from tests.services.postgres import running_postgres


def test_redis_is_real_and_wants_its_password(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.info("server")["redis_version"]
    stranger = redis.Redis.from_url(redis_url.replace("redis://:", "redis://:not"))
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_postgresql_is_real_and_gone_afterwards() -> None:
    with running_postgres() as url:
        with psycopg.connect(url) as session:
            row = session.execute("SELECT version()").fetchone()
            assert row is not None
            assert row[0].startswith("PostgreSQL")
        folder = url.split("@")[1].split("/")[0].replace("%2F", "/")
        assert len(f"{folder}/.s.PGSQL.5432") < 108
    assert not os.path.exists(folder)  # noqa: PTH110
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


@pytest.mark.django_db
def test_the_database_is_the_one_that_was_asked_for() -> None:
    asked = "postgresql" if os.environ.get("DATABASE_URL", "").startswith("postgres") else "sqlite"
    assert connection.vendor == asked
    if asked == "sqlite":
        assert "memory" not in str(connection.settings_dict["NAME"])


@pytest.mark.django_db(transaction=True)
def test_a_worker_process_sees_the_rows_of_the_test(
    start_worker: Callable[..., Any], process_env: dict[str, str]
) -> None:
    worker = start_worker("cpu")
    assert worker.exit_code is None
    assert process_env["DATABASE_URL"].endswith(str(connection.settings_dict["NAME"]))


@pytest.mark.django_db(transaction=True)
def test_a_web_server_of_its_own_answers(served_site: str) -> None:
    with urllib.request.urlopen(f"{served_site}/healthz", timeout=10) as response:
        assert response.read() == b"ok\n"


def test_a_process_that_ends_while_one_asks_after_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as asked:
        process = psutil.Process(asked.pid)
        status = psutil.Process.status

        def status_after_its_end(self: psutil.Process) -> str:
            asked.communicate(b"\n")
            return str(status(self))

        monkeypatch.setattr(psutil.Process, "status", status_after_its_end)
        assert end_soon([process])
