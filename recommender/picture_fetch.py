"""Pictures of items that come from an address: taken when due, fetched within limits, kept or refused."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import IO, cast

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone

from core.errors import InvalidInput, SightlineError, Unavailable, UnsupportedMedia
from core.outbound import Limits, download
from library.asset_store import fingerprint
from library.models import Asset
from recommender.items import attach_upload, refuse_picture
from recommender.models import Item

MAX_ATTEMPTS = 4
_BACKOFF = timedelta(seconds=30)
#: Longer than one fetch may take: a worker that dies over it leaves it to be taken again then.
_LEASE = timedelta(minutes=5)
_ACCEPT = "image/avif,image/webp,image/*;q=0.9"


@dataclass(frozen=True)
class Fetched:
    """What an address answered: a file, or why there is none."""

    item: Item
    file: IO[bytes] | None = None
    error: SightlineError | None = None


def due(now: datetime | None = None) -> QuerySet[Item]:
    """Items whose picture is to be fetched (again) by now, the longest waiting first."""
    waiting = Item.objects.filter(
        picture_state=Item.Picture.WAITING,
        picture_due_at__lte=now or timezone.now(),
        site__owner__is_active=True,  # nothing is done for who has closed their account
    )
    return waiting.order_by("picture_due_at")


def claim(count: int) -> list[Item]:
    """Takes up to so many for this process, by putting off when they are due."""
    now = timezone.now()
    taken = []
    for item in due(now).select_related("site__owner")[:count]:
        mine = Item.objects.filter(pk=item.pk, picture_due_at=item.picture_due_at).update(
            picture_due_at=now + _LEASE, picture_attempts=F("picture_attempts") + 1
        )
        if mine:
            item.picture_attempts += 1
            taken.append(item)
    return taken


def fetched(item: Item) -> Fetched:
    """Asks the address. Touches no database, so several may run in threads."""
    limits = Limits(
        timeout_s=settings.OUTBOUND_TIMEOUT_S,
        max_bytes=settings.UPLOAD_MAX_BYTES,
        allowed=settings.OUTBOUND_ALLOWED_NETWORKS,
    )
    with ExitStack() as opened:
        file = cast(IO[bytes], opened.enter_context(TemporaryFile()))
        try:
            answer = download(item.image_url, file, limits, accept=_ACCEPT)
            if answer.content_type in {"text/html", "application/xhtml+xml"}:
                raise UnsupportedMedia("The address answers with a web page, not with a picture.")
        except SightlineError as error:
            return Fetched(item, error=error)
        opened.pop_all()  # `keep` closes it
    return Fetched(item, file)


def keep(found: Fetched) -> Sequence[Asset]:
    """Makes the file the item's picture, which is described like any upload; or refuses it, now or after more tries."""
    item = found.item
    if found.file is None:
        _settle_failure(item, found.error)
        return []
    with found.file:
        try:
            attach_upload(item, fingerprint(found.file, item.image_url.rsplit("/", 1)[-1]))
        except InvalidInput as error:
            refuse_picture(item, str(error))
        except Unavailable as error:  # our own store
            _settle_failure(item, error)
    return [item.asset] if item.asset is not None else []


def failed(item: Item) -> None:
    """Something unforeseen happened over this picture: it is tried again a few times, and then refused."""
    _settle_failure(item, Unavailable("The picture could not be fetched or kept, by an error of ours."))


def _settle_failure(item: Item, error: SightlineError | None) -> None:
    current = Item.objects.filter(
        pk=item.pk, image_url=item.image_url, picture_state=Item.Picture.WAITING
    ).first()
    if current is None:  # deleted, or another picture by now
        return
    if isinstance(error, Unavailable) and item.picture_attempts < MAX_ATTEMPTS:
        wait = _BACKOFF * 4 ** (item.picture_attempts - 1)
        Item.objects.filter(pk=item.pk).update(
            picture_due_at=timezone.now() + wait, picture_error=str(error)[:300]
        )
    else:
        refuse_picture(current, str(error))
