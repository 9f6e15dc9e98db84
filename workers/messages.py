"""Messages to workers: at most one waits per task, and no sender ever waits long for Redis.

A message carries nothing but its task's name. A web request that finds Redis away goes on after
PATIENCE_S, the next ones at once (the breaker is open for BREAK_S); the sweep heals what was not said.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

# kombu would import its transport at the first message, which has no time for that.
import kombu.transport.redis  # noqa: F401
import redis
from django.conf import settings
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.celery import app

PATIENCE_S = 0.2
BREAK_S = 5.0
#: A message that was lost on its way stops others for at most so long.
WAITING_EXPIRES_S = 30
#: Where nobody reads them, messages pile up; what is older than this, a sweep has said again.
MESSAGE_EXPIRES_S = 600

#: What asking a Redis that is away, or a connection to it that broke, ends in.
AWAY = (redis.RedisError, OperationalError, OSError)

_log = logging.getLogger(__name__)


class _Breaker:
    """Remembers for a while that Redis was away, so that only the first request pays for finding out."""

    def __init__(self) -> None:
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def trip(self, reason: object) -> None:
        self._open_until = time.monotonic() + BREAK_S
        _log.warning("Redis can't be reached (%s); the sweep will queue what is waiting", reason)


breaker = _Breaker()


def send(task: str, queue: str) -> bool:
    """Queue `task` unless its message waits already. False where Redis is away; never raises, never blocks long."""

    def mark_and_publish() -> bool:
        if client().set(_key(task), 1, nx=True, ex=WAITING_EXPIRES_S):
            _publish_or_unmark(task, queue)
        return True

    return bool(_patiently(mark_and_publish))


def begun(task: str) -> None:
    """Called as a task begins, before it looks at the rows: from now on, new rows need a new message."""
    _patiently(lambda: client().delete(_key(task)))


def allows(purse: str, amount: int, *, limit: int, window_s: int) -> bool:
    """Whether `amount` more may be spent from a purse that holds `limit` per window. No Redis, no spending."""
    total = spent(purse, amount, window_s=window_s)
    return total is not None and total <= limit


def spent(purse: str, amount: int, *, window_s: int) -> int | None:
    """How much of a purse is spent in this window after this; None where Redis is away."""
    key = f"sightline:purse:{purse}:{int(time.time()) // window_s}"

    def take() -> int:
        # One round trip: every request of a site's pays for it.
        total, _ = (
            client().pipeline(transaction=False).incrby(key, amount).expire(key, 2 * window_s).execute()
        )
        return int(total)

    answer: int | None = _patiently(take)
    return answer


@cache
def client() -> Any:
    """A Redis client that gives up soon and does not try again by itself."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
        retry=Retry(NoBackoff(), 0),
    )


def _patiently(ask: Callable[[], Any]) -> Any:
    """What `ask` returns, or None where it fails or takes longer than PATIENCE_S.

    It runs in a thread of its own because no time-out of a socket covers the look-up of a host name.
    """
    if breaker.is_open:
        return None
    answers: list[Any] = []
    failures: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            failures.append(error)

    asking = threading.Thread(target=run, name="ask-redis", daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    if answers:
        return answers[0]
    if failures and not isinstance(failures[0], AWAY):  # ours to mend, and no reason to leave Redis alone
        _log.error("A message was not sent", exc_info=failures[0])
    else:
        breaker.trip(failures[0] if failures else f"no answer in {PATIENCE_S} s")
    return None


def publish(task: str, queue: str, *, args: Sequence[Any] = (), expires: float | None = None) -> None:
    """Put one message on a queue; raises where Redis is away.

    Over a connection of its own: a kept one would be found dead after every restart of Redis, by the message
    that it loses. Messages are too few for this to cost anything.
    """
    options = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S, "max_retries": 0}
    with Connection(settings.REDIS_URL, transport_options=options) as broker:
        app.send_task(
            task, args=args, queue=queue, expires=expires, connection=broker, retry=False, ignore_result=True
        )


def _publish_or_unmark(task: str, queue: str) -> None:
    try:
        publish(task, queue, expires=MESSAGE_EXPIRES_S)
    except Exception:
        client().delete(_key(task))
        raise


def _key(task: str) -> str:
    return f"sightline:waiting:{task}"
