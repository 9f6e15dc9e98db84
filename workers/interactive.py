"""A picture that somebody waits for: its pixels travel to a worker that holds the models, and the answer comes back.

The web process decodes (as it does for uploads) and sends a square of 260 x 260 pixels, 200 kB, never the file; where
the active captioner reads more than the square, the picture follows as JPEG. The
answer comes back on a Redis list of its own, so that any thread of any web server can wait for it; nothing is stored.
"""

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import redis
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from captioning.active import picture_px
from captioning.captioners.styles import NORMAL
from captioning.on_demand import PLAINLY, Seen, Wanted, look_at
from captioning.vision.pixels import INPUT_SIZE_PX, fitted_pixels, square_pixels
from core.errors import InvalidInput, ModelUnavailable, QueueUnavailable
from workers import messages

TASK, CAPTION_TASK, QUEUE = "workers.encode_query_image", "workers.caption_picture", "interactive"
_ANSWER_EXPIRES_S = 60


def encode_query_image(picture: Image.Image) -> NDArray[np.float32]:
    """The image-space vector (dimension,) of an opened picture, from a worker of the queue `interactive`.

    QueueUnavailable where Redis is away or no worker answers within INTERACTIVE_TIMEOUT_S; ModelUnavailable
    where the worker has no model.
    """
    return np.asarray(_asked(TASK, picture)["vector"], dtype=np.float32)


def caption_picture(picture: Image.Image, wanted: Wanted = PLAINLY) -> Seen:
    """Caption and auto-tags of an opened picture, from such a worker; the same errors.

    InvalidInput where the captioner knows none of the styles that will do.
    """
    whole_px = picture_px()
    whole = _packed(_jpeg(fitted_pixels(picture, whole_px))) if whole_px else None
    told = _asked(CAPTION_TASK, picture, whole, wanted.context, list(wanted.styles))["seen"]
    tags = tuple((name, confidence) for name, confidence in told["tags"])
    return Seen(**{**told, "tags": tags, "alternatives": tuple(told["alternatives"])})


def answer(pixels_base64: str, reply_to: str) -> None:
    """Called by the worker: encode the pixels and put vector or error where the web process waits for it."""
    _reply(reply_to, lambda: {"vector": encode_pixels(base64.b64decode(pixels_base64)).tolist()})


def answer_caption(
    pixels_base64: str,
    reply_to: str,
    jpeg_base64: str | None = None,
    context: str = "",
    styles: Sequence[str] = (NORMAL,),
) -> None:
    """Called by the worker: caption the pixels and put words or error where the web process waits for them."""
    square = _square(base64.b64decode(pixels_base64))
    whole = None if jpeg_base64 is None else _pixels_in(base64.b64decode(jpeg_base64))
    wanted = Wanted(context, tuple(styles))
    _reply(reply_to, lambda: {"seen": asdict(look_at(square, whole, wanted))})


def encode_pixels(raw: bytes) -> NDArray[np.float32]:
    """The image-space vector of one square of raw RGB bytes."""
    import captioning.services
    import search.services
    from captioning.vision.frames import FrameBatch

    pixels = _square(raw)[None]
    batch = FrameBatch(pixels, captioning.services.backbone().encode(pixels))
    return np.asarray(search.services.embedder("image").embed_frames(batch, [()])[0], dtype=np.float32)


def _square(raw: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(raw, dtype=np.uint8).reshape(INPUT_SIZE_PX, INPUT_SIZE_PX, 3)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def _pixels_in(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _asked(task: str, picture: Image.Image, *more: Any) -> dict[str, Any]:
    """What a worker replies about a picture."""
    timeout_s: float = settings.INTERACTIVE_TIMEOUT_S
    pixels = _packed(square_pixels(picture).tobytes())
    reply_to = f"sightline:answer:{secrets.token_hex(16)}"
    try:
        messages.publish(task, QUEUE, args=[pixels, reply_to, *more], expires=timeout_s)
        reply = _patient_client(settings.REDIS_URL, timeout_s).blpop([reply_to], timeout=timeout_s)
    except messages.AWAY as error:
        raise QueueUnavailable("The queue for pictures can't be reached.") from error
    if reply is None:
        raise QueueUnavailable(f"No worker described the picture within {timeout_s:g} s.")
    return _told(reply[1])


def _reply(reply_to: str, make: Callable[[], dict[str, Any]]) -> None:
    try:
        reply = make()
    except ModelUnavailable as error:
        reply = {"unavailable": str(error)}
    except InvalidInput as error:
        reply = {"refused": str(error), "field": error.field}
    # Somebody waits for this one: a Redis that is slow for a moment must not lose it.
    client = _patient_client(settings.REDIS_URL, settings.INTERACTIVE_TIMEOUT_S)
    client.rpush(reply_to, json.dumps(reply))
    client.expire(reply_to, _ANSWER_EXPIRES_S)


def _told(reply: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(reply)
    if "unavailable" in told:
        raise ModelUnavailable(told["unavailable"])
    if "refused" in told:
        raise InvalidInput(told["refused"], field=told["field"])
    return told


@cache
def _patient_client(url: str, timeout_s: float) -> Any:
    return redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=timeout_s + 2)
