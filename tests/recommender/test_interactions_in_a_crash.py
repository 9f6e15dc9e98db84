"""What was acknowledged stays: Redis and the worker are killed while a site tells what its visitors do."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from config.stack.processes import stop
from config.stack.redis_server import start_redis
from recommender.models import Interaction
from tests.recommender.shop import put
from tests.recommender.sites import secret, site
from tests.services.fixtures import StartWorker
from workers import messages

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
_EACH_TIME = 15


def test_what_was_acknowledged_is_kept_though_redis_and_the_worker_are_killed(
    alice: User, start_worker: StartWorker, tmp_path: Path, settings: Any
) -> None:
    redis, url = start_redis(tmp_path / "own", tmp_path)
    settings.REDIS_URL = url
    messages.client.cache_clear()
    messages.breaker = messages._Breaker()
    shop = site(alice)
    put(shop, sofa="a red sofa")
    client, acknowledged = Client(headers=secret(shop)), set[str]()

    def tell(when: str) -> None:
        for number in range(_EACH_TIME):
            key = f"{when}-{number}"
            line = {"visitor": f"v{number}", "kind": "click", "item": "sofa", "key": key}
            answer = client.post("/api/v1/interactions", line, content_type="application/json")
            assert answer.status_code == 202, answer.content
            acknowledged.add(key)

    try:
        worker = start_worker("cpu", env={"REDIS_URL": url})
        tell("before")
        os.kill(redis.process.pid, signal.SIGKILL)
        tell("without Redis")
        os.killpg(worker.process.pid, signal.SIGKILL)
        tell("without a worker")
    finally:
        stop([redis])
        messages.client.cache_clear()
        messages.breaker = messages._Breaker()
    connection.close()  # what is not committed, a new connection does not see
    assert set(Interaction.objects.values_list("key", flat=True)) == acknowledged
    assert len(acknowledged) == 3 * _EACH_TIME
