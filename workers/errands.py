"""What is done for sites: words of their items encoded, pictures fetched, webhooks called.

Each row says by itself when it is due; whoever takes one puts that time off first, so that two workers do not do the
same, and one that dies over it leaves it to be taken again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import Model

from core.errors import ModelUnavailable
from recommender import item_vectors, picture_fetch, webhooks
from workers import pipeline

_TIME_BUDGET_S = 45.0
_ITEMS_AT_ONCE = 64
#: Asked at the same time: most of each is waiting for somebody else's server.
_REQUESTS_AT_ONCE = 8

T = TypeVar("T", bound=Model)
R = TypeVar("R")
_log = logging.getLogger(__name__)


def encode_items() -> int:
    """Encode what is waiting; queues itself again where the budget ended first. Returns how many were encoded."""
    deadline, encoded = time.monotonic() + _TIME_BUDGET_S, 0
    while time.monotonic() < deadline:
        item_ids = item_vectors.claim(_ITEMS_AT_ONCE)
        if not item_ids:
            return encoded
        encoded += _encode(item_ids)
    pipeline.wake_items()
    return encoded


def fetch_pictures() -> int:
    """Fetch the pictures of items that are due, and set them going like any upload. Returns how many were tried."""
    return _in_rounds(
        picture_fetch.claim,
        picture_fetch.fetched,
        lambda found: pipeline.added(picture_fetch.keep(found)),
        picture_fetch.failed,
    )


def call_webhooks() -> int:
    """Send the messages that are due. Returns how many were tried."""
    return _in_rounds(webhooks.claim, webhooks.sent, webhooks.settle, webhooks.failed)


def tell_sites(frame_ids: Iterable[int]) -> None:
    """These frames' captions may be new or corrected: write what their sites are to be told."""
    if webhooks.note_captions_of_frames(frame_ids):
        pipeline.wake_errands()


def wake_if_due() -> None:
    """For the sweep: what was never said, or is to be tried again."""
    try:
        if item_vectors.due().exists():
            pipeline.wake_items()
    except ModelUnavailable as error:
        _log.warning("Items of sites wait: %s", error)
    if picture_fetch.due().exists() or webhooks.due().exists():
        pipeline.wake_errands()


def _encode(item_ids: Sequence[int]) -> int:
    """One batch; where it fails, one by one, so that the others do not wait for the one at fault."""
    try:
        return item_vectors.embed_items(item_ids)
    except (ModelUnavailable, SoftTimeLimitExceeded):  # no item's fault
        raise
    except Exception as error:
        if len(item_ids) == 1:
            _log.exception("The words of item %s can't be encoded: %s", item_ids[0], error)
            return 0
        return sum(_encode([item_id]) for item_id in item_ids)


def _in_rounds(
    claim: Callable[[int], Sequence[T]],
    ask: Callable[[T], R],
    settle: Callable[[R], None],
    fail: Callable[[T], None],
) -> int:
    """Take what is due, ask the network in threads, which touch no database, and settle each answer here.

    What nobody foresaw concerns the one that it happened to, which has failed; the others are settled all the same.
    """
    deadline, tried = time.monotonic() + _TIME_BUDGET_S, 0
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        while time.monotonic() < deadline and (claimed := claim(_REQUESTS_AT_ONCE)):
            answers = [threads.submit(ask, one) for one in claimed]
            for one, answer in zip(claimed, answers, strict=True):
                _settled(one, answer, settle, fail)
            tried += len(claimed)
    return tried


def _settled(one: T, answer: Future[R], settle: Callable[[R], None], fail: Callable[[T], None]) -> None:
    try:
        settle(answer.result())
    except SoftTimeLimitExceeded:  # nobody's fault: the task is to end
        raise
    except Exception:
        _log.exception("Unforeseen, over %s %s", type(one).__name__, one.pk)
        _failed(one, fail)


def _failed(one: T, fail: Callable[[T], None]) -> None:
    try:
        fail(one)
    except Exception:  # then it is due again when its lease ends
        _log.exception("Could not be noted either, of %s %s", type(one).__name__, one.pk)
