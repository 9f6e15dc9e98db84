"""Writing items of sites: what is the same already costs nothing, what changed is embedded and looked at anew."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import IO, Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from core.errors import InvalidInput, NotFound
from library import asset_store
from library.asset_store import Upload, fingerprint
from library.details import Details
from library.models import Asset
from library.quota import Room
from recommender.item_content import Content
from recommender.item_vectors import mark_outdated
from recommender.models import Item, Site
from recommender.pictures import forget_picture
from recommender.webhooks import note_captions, note_refusal

CREATED, CHANGED, UNCHANGED = "created", "changed", "unchanged"
_ERROR_MAX_CHARS = 300
#: Of an item's content these are columns; its picture is looked after by itself.
_COLUMNS = ("title", "text", "url", "language", "tags", "published_at", "expires_at", "attributes")
_WRITTEN = (
    *_COLUMNS,
    *("content_sha256", "image_url", "asset", "updated_at"),
    *("picture_state", "picture_error", "picture_due_at", "picture_attempts"),
)


@dataclass(frozen=True)
class StoredItem:
    """`outcome`: created, changed or unchanged."""

    item: Item
    outcome: str


def put_item(site: Site, external_id: str, content: Content, picture: IO[bytes] | None = None) -> StoredItem:
    """Stores an item as it is now; the same content again changes nothing, except that a refused picture is retried.

    picture: an uploaded file, instead of `image_url`. Where it is refused, the item is kept without it and says why.
    A picture by address is fetched by a worker.
    """
    if picture is not None and content.image_url:
        raise InvalidInput("Send a picture or the address of one, not both.", field="image_url")
    upload, refusal = _looked_at(picture)
    sha256 = upload.sha256 if upload else ""
    stored = _write(site, {external_id: content}, sha256, picture_follows=upload is not None)[external_id]
    if refusal is not None:
        refuse_picture(stored.item, refusal)
    elif upload is not None and (stored.outcome != UNCHANGED or stored.item.asset_id is None):
        attach_upload(stored.item, upload)
    return stored


def put_items(site: Site, contents: Mapping[str, Content]) -> dict[str, str]:
    """Stores many items in one go; what became of each, by its external id."""
    return {external_id: one.outcome for external_id, one in _write(site, contents).items()}


def delete_item(site: Site, external_id: str) -> None:
    """With its vectors, and its picture unless another item or the gallery has it. NotFound where there is none."""
    with transaction.atomic():
        item = Item.objects.select_for_update().filter(site=site, external_id=external_id).first()
        if item is None:
            raise NotFound("There is no such item.")
        release_picture(item)
        item.delete()


def attach_upload(item: Item, upload: Upload) -> None:
    """Keeps a picture as an asset of the site's owner, private, and makes it the item's.

    Call it outside of a transaction. A picture that can't be read is refused: the item says why. Where the item was
    changed to show another picture, or deleted meanwhile, this one is forgotten.
    """
    try:
        while not _attached(item, _kept(item.site.owner, upload)):
            pass  # who stored it first, or showed it, has deleted it meanwhile
    except InvalidInput as error:
        refuse_picture(item, str(error))


def refuse_picture(item: Item, reason: str) -> None:
    """The item goes on without a picture, and says why.

    Where it was changed to show another picture, or deleted meanwhile, nothing is refused.
    """
    with transaction.atomic():
        current = Item.objects.select_for_update().filter(pk=item.pk, image_url=item.image_url).first()
        if current is None:
            return
        release_picture(current)
        _set(
            current,
            asset=None,
            picture_state=Item.Picture.REFUSED,
            picture_error=reason[:_ERROR_MAX_CHARS],
            picture_due_at=None,
        )
        note_refusal(current)
        item.refresh_from_db()


def release_picture(item: Item) -> None:
    """Lets go of an item's picture, which goes with the last item that shows it; see `forget_picture`."""
    if item.asset_id is not None:
        transaction.on_commit(partial(forget_picture, item.asset_id), robust=True)


def _kept(owner: User, upload: Upload) -> Asset:
    """The owner's asset of these bytes, in their gallery only if it was there before."""
    stored = asset_store.known_asset(owner, upload, in_gallery=False)
    if stored is None:
        Room(owner).check(upload.size_bytes)
        picture = asset_store.develop(upload)
        stored = asset_store.keep(owner, upload, picture, Details(), in_gallery=False)
    return stored.asset


def _attached(item: Item, picture: Asset) -> bool:
    """Whether there was a picture to make the item's, if the item still wants one."""
    with transaction.atomic():
        if asset_store.locked(picture.pk) is None:
            return False
        current = Item.objects.select_for_update().filter(pk=item.pk, image_url=item.image_url).first()
        if current is None:
            transaction.on_commit(partial(forget_picture, picture.pk), robust=True)
            return True
        if current.asset_id != picture.pk:
            release_picture(current)
        _set(
            current,
            asset=picture,
            picture_state=Item.Picture.READY,
            picture_error="",
            picture_due_at=None,
        )
        note_captions([picture.pk])  # which it has already, where the picture was known
        item.refresh_from_db()  # as long as the lock lets nobody delete it
        return True


def _looked_at(picture: IO[bytes] | None) -> tuple[Upload | None, str | None]:
    if picture is None:
        return None, None
    try:
        return fingerprint(picture, "item"), None
    except InvalidInput as error:
        return None, str(error)


def _write(
    site: Site, contents: Mapping[str, Content], upload_sha256: str = "", *, picture_follows: bool = False
) -> dict[str, StoredItem]:
    """The rows, in one transaction. Two writers of one site come one after the other, NotFound who after its end."""
    stored: dict[str, StoredItem] = {}
    with transaction.atomic():
        if Site.objects.select_for_update(no_key=True).filter(pk=site.pk).first() is None:
            raise NotFound("There is no such site.")
        known = Item.objects.filter(site=site, external_id__in=list(contents)).select_related("asset")
        items = {item.external_id: item for item in known}
        for external_id, content in contents.items():
            item = items.get(external_id) or Item(site=site, external_id=external_id)
            item.site = site
            outcome = _filled(item, content, content.sha256(upload_sha256), picture_follows=picture_follows)
            stored[external_id] = StoredItem(item, outcome)
        Item.objects.bulk_create(one.item for one in stored.values() if one.outcome == CREATED)
        changed = [one.item for one in stored.values() if one.outcome == CHANGED]
        Item.objects.bulk_update(changed, _WRITTEN, batch_size=200)
        mark_outdated(item.pk for item in changed)
        for one in stored.values():
            if one.outcome == UNCHANGED:
                _try_lost_picture_again(one.item)
    return stored


def _filled(item: Item, content: Content, sha256: str, *, picture_follows: bool) -> str:
    """Puts the content into the row, which is not saved, and says what that makes of it."""
    if item.content_sha256 == sha256:
        return UNCHANGED
    given = asdict(content)
    for name in _COLUMNS:
        setattr(item, name, given[name])
    item.tags = list(content.tags)
    item.content_sha256 = sha256
    item.updated_at = timezone.now()  # which a bulk update does not do by itself
    if picture_follows:
        item.image_url, item.picture_due_at = "", None
    else:
        _set_picture_address(item, content.image_url)
    return CHANGED if item.pk else CREATED


def _set_picture_address(item: Item, image_url: str) -> None:
    """Another address is another picture; none takes the picture away."""
    if image_url and image_url == item.image_url and item.picture_state != Item.Picture.REFUSED:
        return
    if item.pk:
        release_picture(item)
    item.image_url, item.asset, item.picture_error = image_url, None, ""
    item.picture_state = Item.Picture.WAITING if image_url else Item.Picture.NONE
    item.picture_due_at = timezone.now() if image_url else None
    item.picture_attempts = 0


def _try_lost_picture_again(item: Item) -> None:
    """One that was refused may be good now, and one that was deleted in the gallery is wanted here."""
    lost = item.picture_state == Item.Picture.READY and item.asset_id is None
    if item.image_url and (lost or item.picture_state == Item.Picture.REFUSED):
        item.picture_state = Item.Picture.REFUSED
        _set_picture_address(item, item.image_url)
        item.updated_at = timezone.now()
        # Not `save`, which stumbles over an item that was deleted meanwhile.
        Item.objects.bulk_update([item], _WRITTEN)


def _set(item: Item, **values: Any) -> None:
    for name, value in values.items():
        setattr(item, name, value)
    item.save(update_fields=[*values, "updated_at"])
