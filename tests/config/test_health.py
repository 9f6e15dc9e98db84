"""Alive and ready are two questions."""

import time

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client

from config import health
from workers.pipeline import QUEUES


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    cache.clear()


def test_alive_asks_nothing_of_anybody(client: Client) -> None:
    """Not marked django_db: a query would fail this test."""
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_not_ready_names_the_part_that_is_away_and_no_secret(
    client: Client, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://:hidden@127.0.0.1:1/0"  # type: ignore[attr-defined]
    monkeypatch.setattr(health, "_served_queues", lambda: set(QUEUES))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    parts = response.json()["parts"]
    assert [name for name, part in parts.items() if not part["ok"]] == ["redis"]
    assert "hidden" not in response.content.decode()


@pytest.mark.django_db
def test_while_redis_is_away_it_is_said_at_once(client: Client, settings: object) -> None:
    """Who asks every few seconds would else keep a web thread waiting all the time."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"  # type: ignore[attr-defined]
    began = time.monotonic()
    parts = client.get("/readyz").json()["parts"]
    assert [name for name, part in parts.items() if not part["ok"]] == ["redis", "workers"]
    assert time.monotonic() - began < 4


@pytest.mark.django_db
def test_a_queue_that_nobody_serves_is_not_ready(
    client: Client, redis_url: str, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = redis_url  # type: ignore[attr-defined]
    monkeypatch.setattr(health, "_served_queues", lambda: {*QUEUES} - {"interactive"})
    parts = client.get("/readyz").json()["parts"]
    assert [name for name, part in parts.items() if not part["ok"]] == ["workers"]
    assert parts["workers"]["note"] == "No worker serves interactive."
    cache.clear()
    monkeypatch.setattr(health, "_served_queues", lambda: {*QUEUES} - {"jobs", "enrich"})
    answer = client.get("/readyz")
    assert answer.status_code == 200, "pages need neither"
    assert answer.json()["parts"]["workers"]["note"] == "No worker serves enrich, jobs."
    cache.delete("workers-asked")
    monkeypatch.setattr(health, "_served_queues", lambda: {"interactive"})
    assert client.get("/readyz").status_code == 200, "those that answered a moment ago still count"


@pytest.mark.django_db
def test_a_database_that_is_away_is_told_apart(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("could not connect to db.internal")

    monkeypatch.setattr(health, "_served_queues", lambda: set())
    monkeypatch.setattr(connection, "cursor", away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert not response.json()["parts"]["database"]["ok"]
    assert b"db.internal" not in response.content
