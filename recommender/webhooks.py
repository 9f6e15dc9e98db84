"""What sites are told when captions of their items' pictures are ready or corrected.

A message is a row, written in the transaction of what it tells or after it, and sent by a worker until the site says
that it has it. Each is signed, so that the site knows whose it is:

    Sightline-Signature: t=<seconds>,v1=<hex>    HMAC-SHA256 by the site's webhook secret of "<seconds>.<body>"
"""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from captioning.alt_text import alt_text
from core.errors import InvalidInput, SightlineError
from core.outbound import Limits, post
from library.models import Frame
from recommender.item_cards import captions_of_assets
from recommender.models import Item, WebhookMessage

#: Ten seconds after the first try, then four times as long each time: the last is some eleven hours later.
MAX_ATTEMPTS = 8
_BACKOFF = timedelta(seconds=10)
_LEASE = timedelta(minutes=5)
_ERROR_MAX_CHARS = 300

Event, State = WebhookMessage.Event, WebhookMessage.State


@dataclass(frozen=True)
class Sent:
    """What became of one try: empty where the site has the message, else why it has not."""

    message: WebhookMessage
    error: str = ""
    hopeless: bool = False


def note_captions_of_frames(frame_ids: Iterable[int]) -> int:
    """As `note_captions`, for the assets of these frames."""
    return note_captions(Frame.objects.filter(pk__in=list(frame_ids)).values_list("asset_id", flat=True))


def note_captions(asset_ids: Iterable[int]) -> int:
    """Writes messages for items whose picture's caption is not the one that their site was last told; how many.

    Safe to repeat. A caption that was rejected is told as a correction to no words.
    """
    asset_ids = list(asset_ids)
    items = list(_with_webhook().filter(asset_id__in=asset_ids))
    if not items:
        return 0
    captions = captions_of_assets([item.asset_id for item in items if item.asset_id])
    told = _last_told(items)
    messages = []
    for item in items:
        caption, before = captions.get(item.asset_id or 0, ""), told.get(item.pk)
        if caption != (before or ""):
            event = Event.READY if before is None else Event.CORRECTED
            messages.append(_message(item, event, {"caption": caption, "alt_text": alt_text(caption)}))
    try:
        if messages:
            _write(messages)
    except IntegrityError:
        if _with_webhook().filter(pk__in=[item.pk for item in items]).count() == len(items):
            raise
        return note_captions(asset_ids)  # of those that were not deleted meanwhile
    return len(messages)


def note_refusal(item: Item) -> None:
    """The item's picture was refused: its site is told the reason."""
    if item.site.webhook_url:
        _message(item, Event.REFUSED, {"error": item.picture_error}).save()


def due(now: datetime | None = None) -> QuerySet[WebhookMessage]:
    """Messages to be sent by now, the longest waiting first; of each item the first one only.

    The next one of an item waits until that one has arrived or was given up: a site that hears of a correction and
    then of what was corrected would keep the wrong sentence.
    """
    waiting = WebhookMessage.objects.filter(state=State.WAITING, site__owner__is_active=True)
    before = waiting.filter(item=OuterRef("item"), pk__lt=OuterRef("pk"))
    return waiting.filter(~Exists(before), due_at__lte=now or timezone.now()).order_by("due_at", "pk")


def claim(count: int) -> list[WebhookMessage]:
    """Takes up to so many for this process, by putting off when they are due."""
    now = timezone.now()
    taken = []
    for message in due(now).select_related("site")[:count]:
        mine = WebhookMessage.objects.filter(pk=message.pk, due_at=message.due_at).update(
            due_at=now + _LEASE, attempts=F("attempts") + 1
        )
        if mine:
            message.attempts += 1
            taken.append(message)
    return taken


def sent(message: WebhookMessage) -> Sent:
    """One try. Touches no database, so several may run in threads."""
    body = json.dumps(message.body, sort_keys=True).encode()
    headers = {
        "Content-Type": "application/json",
        "Sightline-Event": message.event,
        "Sightline-Delivery": str(message.key),
        "Sightline-Signature": signature(message.site.webhook_secret, body, int(time.time())),
    }
    limits = Limits(settings.OUTBOUND_TIMEOUT_S, max_bytes=0, allowed=settings.OUTBOUND_ALLOWED_NETWORKS)
    try:
        answer = post(message.site.webhook_url, body, headers, limits)
    except SightlineError as error:
        return Sent(message, str(error), hopeless=isinstance(error, InvalidInput))
    return (
        Sent(message)
        if 200 <= answer.status < 300
        else Sent(message, f"The webhook answers {answer.status}.")
    )


def settle(tried: Sent) -> None:
    """Delivered, to be tried again later, or given up; a message that was deleted meanwhile stays deleted."""
    message = tried.message
    if not tried.error:
        message.state, message.delivered_at, message.due_at = State.DELIVERED, timezone.now(), None
    elif tried.hopeless or message.attempts >= MAX_ATTEMPTS:
        message.state, message.due_at = State.GIVEN_UP, None
    else:
        message.due_at = timezone.now() + _BACKOFF * 4 ** (message.attempts - 1)
    message.last_error = tried.error[:_ERROR_MAX_CHARS]
    WebhookMessage.objects.filter(pk=message.pk).update(
        state=message.state,
        delivered_at=message.delivered_at,
        due_at=message.due_at,
        last_error=message.last_error,
    )


def failed(message: WebhookMessage) -> None:
    """Something unforeseen happened over this message: it is tried again later, or given up."""
    settle(Sent(message, "The message could not be sent, by an error of ours."))


def drop_outdated(now: datetime | None = None) -> int:
    """Removes what arrived, or was given up, more than WEBHOOKS_KEEP_DAYS ago; how many.

    The last sentence that a site was told of an item stays, for by it the next one is known as a correction.
    """
    before = (now or timezone.now()) - timedelta(days=settings.WEBHOOKS_KEEP_DAYS)
    arrived = Q(state=State.DELIVERED, delivered_at__lt=before)
    given_up = Q(state=State.GIVEN_UP, created_at__lt=before)
    said = Q(event__in=[Event.READY, Event.CORRECTED])
    later = WebhookMessage.objects.filter(said, item=OuterRef("item"), pk__gt=OuterRef("pk"))
    last_word = said & Q(item__isnull=False) & ~Exists(later)
    return WebhookMessage.objects.filter(arrived | given_up).exclude(last_word).delete()[0]


def signature(secret: str, body: bytes, at_s: int) -> str:
    """What `Sightline-Signature` says of a body that is sent at this second."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


def _with_webhook() -> QuerySet[Item]:
    return Item.objects.exclude(site__webhook_url="").select_related("site")


def _last_told(items: Sequence[Item]) -> dict[int, str]:
    """The caption that each item's site was last told, of the picture that it has now."""
    asset_of = {item.pk: item.asset_id for item in items}
    told: dict[int, str] = {}
    messages = WebhookMessage.objects.filter(item__in=items, event__in=[Event.READY, Event.CORRECTED])
    for item_id, body in messages.order_by("pk").values_list("item_id", "body"):
        if item_id is not None and body.get("asset") == asset_of[item_id]:
            told[item_id] = body["caption"]
    return told


def _write(messages: Sequence[WebhookMessage]) -> None:
    """IntegrityError where an item or a site was deleted since it was read; the caller's transaction goes on.

    PostgreSQL would look only when that transaction is committed, which would then fail as a whole.
    """
    with transaction.atomic():
        WebhookMessage.objects.bulk_create(messages)
        if connection.vendor == "postgresql":
            connection.check_constraints()


def _message(item: Item, event: str, more: dict[str, Any]) -> WebhookMessage:
    key, now = uuid4(), timezone.now()
    body = {
        "event": event,
        "delivery": str(key),
        "site": item.site.slug,
        "external_id": item.external_id,
        "asset": item.asset_id,
        "at": now.isoformat(),
        **more,
    }
    return WebhookMessage(site=item.site, item=item, event=event, key=key, body=body, due_at=now)
