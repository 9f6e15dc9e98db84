"""A picture sent as a query: its pixels travel to a worker that holds the models, and the vector comes back.

The web process decodes (as it does for uploads) and sends a square of 260 x 260 pixels, 200 kB, never the file. The
answer comes back on a Redis list of its own, so that any thread of any web server can wait for it; nothing is stored.
"""

import base64
import json
import secrets
from functools import cache
from typing import Any

import numpy as np
import redis
from django.conf import settings
from numpy.typing import NDArray
from PIL import Image

from captioning.vision.pixels import INPUT_SIZE_PX, square_pixels
from core.errors import ModelUnavailable, QueueUnavailable
from workers import messages

TASK, QUEUE = "workers.encode_query_image", "interactive"
_ANSWER_EXPIRES_S = 60


def encode_query_image(picture: Image.Image) -> NDArray[np.float32]:
    """The image-space vector (dimension,) of an opened picture, from a worker of the queue `interactive`.

    QueueUnavailable where Redis is away or no worker answers within INTERACTIVE_TIMEOUT_S; ModelUnavailable
    where the worker has no model.
    """
    timeout_s: float = settings.INTERACTIVE_TIMEOUT_S
    pixels = base64.b64encode(square_pixels(picture).tobytes()).decode("ascii")
    reply_to = f"sightline:answer:{secrets.token_hex(16)}"
    try:
        messages.publish(TASK, QUEUE, args=[pixels, reply_to], expires=timeout_s)
        answer = _patient_client(timeout_s).blpop([reply_to], timeout=timeout_s)
    except Exception as error:
        raise QueueUnavailable("The queue for pictures can't be reached.") from error
    if answer is None:
        raise QueueUnavailable(f"No worker described the picture within {timeout_s:g} s.")
    return _vector_in(answer[1])


def answer(pixels_base64: str, reply_to: str) -> None:
    """Called by the worker: encode the pixels and put vector or error where the web process waits for it."""
    try:
        reply: dict[str, Any] = {"vector": encode_pixels(base64.b64decode(pixels_base64)).tolist()}
    except ModelUnavailable as error:
        reply = {"unavailable": str(error)}
    messages.client().rpush(reply_to, json.dumps(reply))
    messages.client().expire(reply_to, _ANSWER_EXPIRES_S)


def encode_pixels(raw: bytes) -> NDArray[np.float32]:
    """The image-space vector of one square of raw RGB bytes."""
    import captioning.services
    import search.services
    from captioning.vision.frames import FrameBatch

    pixels = np.frombuffer(raw, dtype=np.uint8).reshape(1, INPUT_SIZE_PX, INPUT_SIZE_PX, 3)
    batch = FrameBatch(pixels, captioning.services.backbone().encode(pixels))
    return np.asarray(search.services.embedder("image").embed_frames(batch, [""])[0], dtype=np.float32)


def _vector_in(reply: bytes) -> NDArray[np.float32]:
    told = json.loads(reply)
    if "unavailable" in told:
        raise ModelUnavailable(told["unavailable"])
    return np.asarray(told["vector"], dtype=np.float32)


@cache
def _patient_client(timeout_s: float) -> Any:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=timeout_s + 2)
