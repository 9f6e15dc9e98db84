"""A picture as a query: encoded by a worker, in time or not at all, and never stored."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from config.stack.processes import Child
from core.errors import ModelUnavailable, QueueUnavailable
from library.models import Asset
from tests.fakes import PALETTE, FakeImageEmbedder
from workers import interactive, pipeline

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def blue() -> Image.Image:
    return Image.new("RGB", (640, 480), PALETTE["blue"][0])


def test_a_worker_answers_with_the_vector(redis: Any, start_worker: Callable[..., Child]) -> None:
    start_worker("interactive")
    vector = pipeline.encode_query_image(blue())
    assert vector.dtype == np.float32
    scores = FakeImageEmbedder().embed_queries(["red", "blue", "green"]) @ vector
    assert scores.argmax() == 1
    assert not Asset.objects.exists()
    assert redis.keys("sightline:answer:*") == []


def test_without_a_worker_it_gives_up_in_time_and_the_late_message_is_worth_nothing(
    redis: Any, settings: Any
) -> None:
    settings.INTERACTIVE_TIMEOUT_S = 0.5
    started = time.monotonic()
    with pytest.raises(QueueUnavailable, match=r"within 0\.5 s"):
        pipeline.encode_query_image(blue())
    assert time.monotonic() - started < 1.5
    assert b'"expires": null' not in redis.lrange("interactive", 0, 0)[0]


def test_without_redis_it_says_so_at_once(no_redis: None) -> None:
    started = time.monotonic()
    with pytest.raises(QueueUnavailable):
        pipeline.encode_query_image(blue())
    assert time.monotonic() - started < 1


def test_a_missing_model_is_told_to_who_asked(
    redis: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def missing(raw: bytes) -> None:
        raise ModelUnavailable("There is no trained embedder.")

    monkeypatch.setattr(interactive, "encode_pixels", missing)
    interactive.answer("", "sightline:answer:test")
    reply = redis.lpop("sightline:answer:test")
    with pytest.raises(ModelUnavailable, match="no trained embedder"):
        interactive._vector_in(reply)
