"""Messages: few, empty, and never in the way of the request that sends them."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from pytest_django import Settings

from tests.workers.conftest import joined
from workers import messages, pipeline
from workers.celery import app

pytestmark = pytest.mark.timeout(60)

#: Far below what waiting for real would take, far above what a busy machine adds.
SOON_S = 8.0


def queued(redis: Any, queue: str) -> list[dict[str, Any]]:
    return [json.loads(message) for message in redis.lrange(queue, 0, -1)]


def test_five_hundred_wakes_are_one_message_per_stage(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A slow machine needs more than half a minute for so many.
    monkeypatch.setattr(messages, "WAITING_EXPIRES_S", 600)
    for _ in range(500):
        assert pipeline.wake()
    assert {queue: len(queued(redis, queue)) for queue in ("cpu", "gpu", "index")} == {
        "cpu": 1,
        "gpu": 1,
        "index": 1,
    }


def test_what_takes_long_has_queues_of_its_own(redis: Any, db: None) -> None:
    """Before fresh uploads stand neither a rebuild nor other people's servers."""
    pipeline.start_job("rebuild_index")
    pipeline.wake_errands()
    pipeline.wake_jobs()
    assert (len(queued(redis, "jobs")), len(queued(redis, "errands"))) == (1, 1)
    assert not queued(redis, "cpu")


def test_a_message_is_json_and_carries_nothing_but_its_task(redis: Any) -> None:
    pipeline.wake("describe")
    (message,) = queued(redis, "gpu")
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "workers.describe"
    arguments, keywords, _ = json.loads(base64.b64decode(message["body"]))
    assert (arguments, keywords) == ([], {})


def test_rows_that_come_after_a_task_began_send_a_new_message(redis: Any) -> None:
    pipeline.wake("describe")
    messages.begun("workers.describe")
    pipeline.wake("describe")
    assert len(queued(redis, "gpu")) == 2


def test_a_message_that_could_not_be_sent_does_not_keep_the_next_one_away(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("the broker went away between two steps")

    with monkeypatch.context() as broken:
        broken.setattr(app, "send_task", fail)
        assert not pipeline.wake("describe")
    messages.breaker = messages._Breaker()
    assert pipeline.wake("describe")
    assert len(queued(redis, "gpu")) == 1


def test_an_error_of_ours_is_told_as_such_and_leaves_redis_alone(
    redis: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("no such argument")

    with monkeypatch.context() as broken:
        broken.setattr(app, "send_task", fail)
        assert not pipeline.wake("describe")
    assert "no such argument" in caplog.text
    assert pipeline.wake("describe"), "the breaker is for a Redis that is away"


def test_a_refused_connection_costs_a_request_next_to_nothing(no_redis: None) -> None:
    started = time.monotonic()
    assert not pipeline.wake()
    assert time.monotonic() - started < SOON_S


@pytest.fixture
def silent_redis(settings: Settings) -> Iterator[None]:
    """Takes connections and never answers: what a hanging Redis looks like."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield from joined(settings, f"redis://127.0.0.1:{listener.getsockname()[1]}/0")


def test_a_silent_redis_costs_one_request_its_patience_and_the_next_nothing(silent_redis: None) -> None:
    started = time.monotonic()
    assert not pipeline.wake()
    first = time.monotonic()
    for _ in range(50):
        assert not pipeline.wake()
    assert first - started < SOON_S
    assert time.monotonic() - first < SOON_S, "fifty times the patience would be ten seconds"


def test_a_host_name_that_nobody_resolves_in_time_does_not_block(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = Event()
    with monkeypatch.context() as slow:
        slow.setattr(messages, "client", lambda: over.wait(30))
        slow.setattr(messages, "PATIENCE_S", 0.2)
        started = time.monotonic()
        assert not pipeline.wake("index")
        assert time.monotonic() - started < SOON_S
    over.set()


def test_after_a_while_redis_is_asked_again(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    messages.breaker.trip("it was away")
    assert not pipeline.wake("index")
    monkeypatch.setattr(messages.breaker, "_open_until", time.monotonic() - 0.001)
    assert pipeline.wake("index")


def test_a_purse_gives_no_more_than_it_holds(redis: Any, stopped_clock: None) -> None:
    given = [messages.allows("alice", 2, limit=5, window_s=3600) for _ in range(4)]
    assert given == [True, True, False, False]
    assert messages.allows("bob", 5, limit=5, window_s=3600)
