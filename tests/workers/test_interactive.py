"""A picture as a query: encoded by a worker, in time or not at all, and never stored."""

import base64
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from captioning import on_demand
from captioning.on_demand import Wanted
from captioning.vision.pixels import INPUT_SIZE_PX
from config.stack.processes import Child
from core.errors import InvalidInput, ModelUnavailable, QueueUnavailable
from library.models import Asset
from tests.fakes import PALETTE, FakeCaptioner, FakeImageEmbedder
from workers import interactive, messages, pipeline

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

#: Far below INTERACTIVE_TIMEOUT_S, which waiting would take, far above what a busy machine adds.
SOON_S = 15.0


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
    assert time.monotonic() - started < SOON_S
    assert b'"expires": null' not in redis.lrange("interactive", 0, 0)[0]


def test_a_missing_model_is_told_to_who_asked(
    redis: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def missing(raw: bytes) -> None:
        raise ModelUnavailable("There is no trained embedder.")

    monkeypatch.setattr(interactive, "encode_pixels", missing)
    interactive.answer("", "sightline:answer:test")
    reply = redis.lpop("sightline:answer:test")
    with pytest.raises(ModelUnavailable, match="no trained embedder"):
        interactive._told(reply)


def test_a_worker_captions_a_picture_without_storing_it(
    redis: Any, start_worker: Callable[..., Child]
) -> None:
    start_worker("interactive")
    seen = pipeline.caption_picture(blue(), Wanted(styles=("detailed",)))
    assert (seen.caption, seen.model_id) == ("a blue picture all over", "fake-captioner")
    assert (seen.style, seen.short) == ("detailed", "")
    assert seen.alternatives == ("a picture", "something blue")
    assert seen.confidence == pytest.approx(0.9)
    ((name, confidence),) = seen.tags
    assert name == "lakeside"
    assert 0.9 < confidence <= 1
    assert not Asset.objects.exists()
    assert redis.keys("sightline:answer:*") == []


def test_an_answer_has_more_time_than_a_request_s_message(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that needs longer than PATIENCE_S would lose it, and who asked would wait in vain."""
    with monkeypatch.context() as hurried:
        hurried.setattr(messages, "client", lambda: pytest.fail("it gives up after PATIENCE_S"))
        interactive._reply("sightline:answer:test", lambda: {"vector": [1.0]})
    assert interactive._told(redis.lpop("sightline:answer:test")) == {"vector": [1.0]}


def test_context_reaches_the_captioner(redis: Any, settings: Any) -> None:
    settings.CAPTIONER = "tests.workers.test_describe.Told"
    pixels = base64.b64encode(bytes(INPUT_SIZE_PX * INPUT_SIZE_PX * 3)).decode()
    interactive.answer_caption(pixels, "sightline:answer:test", None, "dog, beach")
    told = interactive._told(redis.lpop("sightline:answer:test"))
    assert told["seen"]["caption"] == "told: dog, beach"


def test_the_first_style_that_the_captioner_knows_is_written_and_a_short_one_where_that_is_too_long(
    redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_of_blue(redis, ["detailed", "normal"]) == ("a blue picture all over", "detailed", "")
    assert told_of_blue(redis, ["short"]) == ("blue", "short", "")
    monkeypatch.setattr(on_demand, "MAX_CHARS", 20)
    assert told_of_blue(redis, ["detailed", "normal"]) == ("a blue picture all over", "detailed", "blue")
    assert told_of_blue(redis, ["normal"]) == ("a blue picture", "normal", "")
    monkeypatch.setattr(FakeCaptioner, "styles", ("normal",))
    assert told_of_blue(redis, ["detailed", "normal"]) == ("a blue picture", "normal", "")
    with pytest.raises(InvalidInput, match="allowed: normal") as refused:
        told_of_blue(redis, ["detailed"])
    assert refused.value.field == "style"


def told_of_blue(redis: Any, styles: list[str]) -> tuple[str, str, str]:
    pixels = base64.b64encode(bytes(PALETTE["blue"][0]) * INPUT_SIZE_PX**2).decode()
    interactive.answer_caption(pixels, "sightline:answer:test", None, "", styles)
    seen = interactive._told(redis.lpop("sightline:answer:test"))["seen"]
    return seen["caption"], seen["style"], seen["short"]


def test_a_captioner_that_is_missing_is_told_to_who_asked(redis: Any, settings: Any) -> None:
    settings.CAPTIONER_MODEL_ID = "another one"
    pixels = base64.b64encode(bytes(INPUT_SIZE_PX * INPUT_SIZE_PX * 3)).decode()
    interactive.answer_caption(pixels, "sightline:answer:test")
    with pytest.raises(ModelUnavailable, match="another one"):
        interactive._told(redis.lpop("sightline:answer:test"))


def test_an_error_of_ours_is_not_called_a_redis_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(messages, "publish", fail)
    with pytest.raises(TypeError):
        pipeline.encode_query_image(blue())


@pytest.mark.parametrize("ask", [pipeline.encode_query_image, pipeline.caption_picture])
def test_nobody_waits_for_a_redis_that_is_away(no_redis: None, ask: Callable[..., Any]) -> None:
    started = time.monotonic()
    with pytest.raises(QueueUnavailable):
        ask(blue())
    assert time.monotonic() - started < SOON_S
