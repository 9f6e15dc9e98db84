"""Pictures of items: as pages of other sites show them, by a signed address, since a page can send no key with them;
and what becomes of one that no item shows any more."""

import logging
from datetime import timedelta

from django.core import signing
from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone

from captioning.selectors import assets_reviewed
from core.errors import NotFound, Unavailable
from library import asset_store
from library.models import Asset
from library.selectors import LIST_THUMBNAIL_PX, thumbnail_url
from recommender.models import Item

_log = logging.getLogger(__name__)
_SALT = "item.picture"
_MAX_CHARS = 100
#: A picture is stored before its item shows it, which takes seconds.
_SHOWN_WITHIN = timedelta(minutes=10)


def picture_url(asset: Asset) -> str:
    """Path of a thumbnail: of a public photo its own, of an item's picture a signed one."""
    if asset.visibility == Asset.Visibility.PUBLIC:
        return thumbnail_url(asset, LIST_THUMBNAIL_PX)
    return reverse("item-picture", args=[signing.Signer(salt=_SALT).sign(str(asset.pk)), LIST_THUMBNAIL_PX])


def picture_for(token: str) -> Asset:
    """The picture of a signed address, as long as an item shows it and its owner's account is open. NotFound otherwise,
    and for what nobody signed.
    """
    asset_id = asset_id_in(token)
    shown = Asset.objects.filter(items__isnull=False, owner__is_active=True)
    asset = None if asset_id is None else shown.filter(pk=asset_id).first()
    if asset is None:
        raise NotFound("There is no such picture.")
    return asset


def asset_id_in(token: str) -> int | None:
    """Of a signed address; None for what nobody signed."""
    try:
        return int(signing.Signer(salt=_SALT).unsign(token)) if len(token) <= _MAX_CHARS else None
    except (signing.BadSignature, ValueError):
        return None


def forget_picture(asset_id: int) -> None:
    """Removes a picture that came with items and that none of them shows any more.

    It stays where a person made it a photo of their gallery: by uploading or showing it, by words of theirs, by
    deciding of its caption.
    """
    with transaction.atomic():
        asset = asset_store.locked(asset_id)
        if asset is None or asset.in_gallery or asset.items.exists():
            return
        if not assets_reviewed().filter(frame__asset=asset).exists():
            asset_store.delete_asset(asset)


def forget_forsaken() -> int:
    """Removes all such pictures: those of a site that is gone, and of who died before an item showed it. How many."""
    forsaken = list(_forsaken().values_list("pk", flat=True))
    for asset_id in forsaken:
        try:
            forget_picture(asset_id)
        except (Unavailable, DatabaseError):  # of one, which the next sweep finds again
            _log.exception("picture %s could not be removed", asset_id)
    return len(forsaken) - Asset.objects.filter(pk__in=forsaken).count()


def _forsaken() -> QuerySet[Asset]:
    shown = Exists(Item.objects.filter(asset=OuterRef("pk")))
    decided = Exists(assets_reviewed().filter(frame__asset=OuterRef("pk")))
    stored = timezone.now() - _SHOWN_WITHIN
    return Asset.objects.filter(~shown, ~decided, in_gallery=False, created_at__lt=stored).order_by("pk")
