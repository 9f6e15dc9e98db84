"""Real services for tests: Redis, Celery workers, a web server, the whole embedded stack.

What is started sees the fake models, since tests/settings.py puts them into the environment, and the very
database of the test, which therefore must be committed to: mark such tests `django_db(transaction=True)`.
"""

import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from config.stack.processes import Child, start, stop
from config.stack.redis_server import start_redis
from tests.services.embedded import EmbeddedStack, own_database

#: Generous: a part that dies is noticed at once, and a busy machine is no defect.
READY_TIMEOUT_S = 240.0
StartWorker = Callable[..., Child]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this test session's own."""
    folder = tmp_path_factory.mktemp("redis")
    child, url = start_redis(folder, folder)
    yield url
    stop([child])


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The test's database, so that another process can open it."""
    config = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{config['NAME']}"
    return f"postgresql://{config['USER']}@{quote(config['HOST'], safe='')}/{config['NAME']}"


@pytest.fixture
def process_env(database_url: str, redis_url: str) -> dict[str, str]:
    """The environment of a process that shares this test's database, Redis and VAR_DIR."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "VAR_DIR": str(settings.VAR_DIR),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def start_worker(process_env: dict[str, str], tmp_path: Path) -> Iterator[StartWorker]:
    """`start_worker("gpu", "interactive")` starts a real worker process that is ready for work."""
    children: list[Child] = []

    def start_one(
        *queues: str, env: dict[str, str] | None = None, ready_timeout_s: float = READY_TIMEOUT_S
    ) -> Child:
        name = f"worker{len(children)}"
        command = [sys.executable, "-m", "celery", "--app", "workers", "worker", "--queues", ",".join(queues)]
        options = ["--hostname", f"{name}@%h", "--concurrency", "1", "--without-gossip", "--without-mingle"]
        child = start(name, [*command, *options], log_dir=tmp_path, env={**process_env, **(env or {})})
        children.append(child)
        wait_for(lambda: " ready." in child.log_tail(200), child, timeout_s=ready_timeout_s)
        return child

    yield start_one
    stop(children)


@pytest.fixture
def served_site(process_env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """The URL of a real web server in processes of its own."""
    # It takes a port itself and says which: one that was free a moment ago may be another's when it is there.
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0"]
    threads = ["--worker-class", "gthread", "--workers", "1", "--threads", "4"]
    # No collected static files here: DEBUG lets the finders serve them.
    child = start("web", [*command, *threads], log_dir=tmp_path, env={**process_env, "DEBUG": "1"})
    try:
        wait_for(lambda: bool(listening_at(child)), child, timeout_s=READY_TIMEOUT_S)
        url = listening_at(child)
        wait_for(lambda: answers(f"{url}/healthz"), child, timeout_s=READY_TIMEOUT_S)
        yield url
    finally:
        stop([child])


@pytest.fixture
def own_database_url() -> Iterator[str | None]:
    """A database for one more stack: a fresh one on PostgreSQL; None on SQLite, where a stack makes its file."""
    with own_database("test") as url:
        yield url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStack]:
    """`manage.py serve` with the fake models, for the whole session: make your own user, and share."""
    var_dir = tmp_path_factory.mktemp("stack")
    with (
        own_database("stack") as url,
        EmbeddedStack.started("serve", var_dir=var_dir, database_url=url) as running,
    ):
        yield running


def wait_for(done: Callable[[], bool], child: Child, *, timeout_s: float) -> None:
    """Waits for `done`; fails with the log of `child` if it dies or takes too long."""
    deadline = time.monotonic() + timeout_s
    while not done():
        assert child.exit_code is None, f"{child.name} ended:\n{child.log_tail(60)}"
        assert time.monotonic() < deadline, (
            f"{child.name} is not ready after {timeout_s} s:\n{child.log_tail(60)}"
        )
        time.sleep(0.05)


def listening_at(child: Child) -> str:
    """The address that gunicorn says it is at; empty until it does."""
    said = re.search(r"Listening at: (http://\S+)", child.log_tail(200))
    return said[1] if said else ""


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
