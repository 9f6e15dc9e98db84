"""Is the process alive (`/healthz`), and can it do its work (`/readyz`)? Neither answer names a secret."""

import logging
import time
from collections.abc import Callable
from typing import Final

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu import Connection

from captioning.active import present_captioner
from config.errors import MODEL_UNAVAILABLE
from core.errors import ModelUnavailable, QueueUnavailable, SightlineError
from search.services import active_model_id, index, spaces
from workers.celery import app as celery_app
from workers.pipeline import AWAITED_QUEUES, QUEUES

log = logging.getLogger(__name__)

_REDIS_PATIENCE: Final = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
_WORKERS_TIMEOUT_S = 1.0
_ASK_EVERY_S = 5
_REMEMBER_S = 30


def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: asks nothing of anybody, so that a database that is away restarts no web server."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Each part by itself; 503 where one of them can't do its work."""
    parts = {name: _examined(name, check) for name, check in CHECKS.items()}
    ready = all(part["ok"] for part in parts.values())
    response = JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)
    if not ready:
        response.headers["Retry-After"] = "5"
    response.headers["Cache-Control"] = "no-store"
    return response


def _examined(name: str, check: Callable[[], str]) -> dict[str, object]:
    started = time.perf_counter()
    try:
        note = check()
    except SightlineError as error:
        log.warning("not ready: %s: %s", name, error)
        note = MODEL_UNAVAILABLE if isinstance(error, ModelUnavailable) else str(error)
        return {"ok": False, "note": note}
    except Exception as error:  # a part that fails in an unforeseen way is not ready either
        log.warning("not ready: %s", name, exc_info=error)
        return {"ok": False, "note": f"{type(error).__name__}: see the log"}
    return {"ok": True, "note": note, "took_ms": round((time.perf_counter() - started) * 1000, 1)}


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return connection.vendor


def _redis() -> str:
    with redis.Redis.from_url(settings.REDIS_URL, **_REDIS_PATIENCE) as client:
        client.ping()
    return "answers"


def _index() -> str:
    told = {space: index(space).describe() for space in spaces()}
    return ", ".join(f"{space}: {each.sealed_count} + {each.tail_count}" for space, each in told.items())


def _models() -> str:
    """Which models are configured and there; reads no weights."""
    return ", ".join([present_captioner().model_id, *map(active_model_id, spaces())])


def _workers() -> str:
    """Each queue needs a worker that answered lately: one whose machine is busy may miss a question.

    Where nobody reads texts, runs jobs or errands, that is said, and pages are served all the same.
    """
    if cache.add("workers-asked", value=True, timeout=_ASK_EVERY_S):
        for queue in _served_queues():
            cache.set(f"queue-served-{queue}", value=True, timeout=_REMEMBER_S)
    missing = [queue for queue in QUEUES if not cache.get(f"queue-served-{queue}")]
    told = f"No worker serves {', '.join(missing)}." if missing else "every queue is served"
    if set(missing) & set(AWAITED_QUEUES):
        raise QueueUnavailable(told)
    return told


def _served_queues() -> set[str]:
    # Over a connection of its own: the application's would wait for a Redis that is away.
    with Connection(settings.REDIS_URL, transport_options={**_REDIS_PATIENCE, "max_retries": 0}) as broker:
        asked = celery_app.control.inspect(timeout=_WORKERS_TIMEOUT_S, connection=broker)
        answers = asked.active_queues() or {}
    return {queue["name"] for queues in answers.values() for queue in queues}


CHECKS: dict[str, Callable[[], str]] = {
    "database": _database,
    "redis": _redis,
    "index": _index,
    "models": _models,
    "workers": _workers,
}
