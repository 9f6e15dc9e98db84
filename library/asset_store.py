"""Writing assets: a file is checked, then stored, then its row commits. A crash leaves at most an unreferenced file.

Files are shared by every asset of the same bytes, so whoever adds or removes the first or last of them holds the
lock of these bytes: a file is never removed under a row that is being written.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import IO, Any, TypedDict, Unpack

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from core.errors import NotAllowed, NotFound
from core.locks import named_lock
from library import storage
from library.details import Details, checked_description, checked_tags, checked_title, checked_visibility
from library.media.embedded_text import clean_line
from library.media.hashes import sha256_of
from library.media.metadata import Metadata
from library.media.moments import is_believable
from library.media.probe import Picture, probe
from library.models import Asset, AssetTag, Frame
from library.quota import Room

_LOCK_TIMEOUT_S = 60.0
_NAME_MAX_CHARS = 255


@dataclass(frozen=True)
class Upload:
    """A file that was read once, to know its identity. The file stays open for whoever made it."""

    file: IO[bytes]
    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class StoredAsset:
    """`created` is false where the owner had these bytes already."""

    asset: Asset
    created: bool


class Changes(TypedDict, total=False):
    title: str
    description: str
    tags: Iterable[str]
    visibility: str


@transaction.atomic
def set_unsafe_scores(scores: Mapping[int, float]) -> None:
    """What a model makes of assets, by id. `updated_at` stays: no word of theirs has to be read anew."""
    # In the order in which others lock several of them.
    assets = list(Asset.objects.select_for_update(no_key=True).filter(pk__in=list(scores)).order_by("pk"))
    for asset in assets:
        asset.unsafe_score = scores[asset.pk]
    Asset.objects.bulk_update(assets, ["unsafe_score"])


def store_upload(owner: User, file: IO[bytes], *, name: str, **words: Unpack[Changes]) -> StoredAsset:
    """One picture of `owner`; UnsupportedMedia, CorruptMedia, TooLarge or InvalidInput where it is refused.

    The file must be seekable. Waking the workers is left to the caller, after the commit.
    """
    details = Details.checked(**words)
    upload = fingerprint(file, name)
    if known := known_asset(owner, upload):
        return known
    Room(owner).check(upload.size_bytes)
    return keep(owner, upload, develop(upload), details)


def fingerprint(file: IO[bytes], name: str) -> Upload:
    """Reads the file in pieces, no further than the limit on its size."""
    sha256, size_bytes = sha256_of(file, max_bytes=settings.UPLOAD_MAX_BYTES)
    return Upload(file, name, sha256, size_bytes)


def develop(upload: Upload) -> Picture:
    """Decodes and checks the picture. Touches no database, so several may run in threads."""
    return probe(
        upload.file,
        max_pixels=settings.UPLOAD_MAX_PIXELS,
        thumbnail_widths_px=settings.THUMBNAIL_WIDTHS_PX,
    )


def known_asset(owner: User, upload: Upload, *, in_gallery: bool = True) -> StoredAsset | None:
    """The owner's asset of these very bytes. A stored file that went missing is put back: here it is again.

    in_gallery: it belongs there from now on, should it only have come with something else.
    """
    known = _known(owner, upload.sha256, in_gallery=in_gallery)
    if known is None or storage.holds(known.asset.original_key, known.asset.size_bytes):
        return known
    with _content_lock(upload.sha256):
        # Gone, with its file, if it was deleted meanwhile.
        known = _known(owner, upload.sha256, in_gallery=in_gallery)
        if known is not None:
            storage.put(known.asset.original_key, upload.file)
        return known


def keep(
    owner: User, upload: Upload, picture: Picture, details: Details, *, in_gallery: bool = True
) -> StoredAsset:
    """Stores the files, then the row. Call it outside of a transaction: the lock must outlast the commit."""
    with _content_lock(upload.sha256):
        if stored := _known(owner, upload.sha256, in_gallery=in_gallery):
            return stored
        _store_files(upload, picture)
        try:
            with transaction.atomic(durable=True):
                asset = _insert(owner, upload, picture, details, in_gallery=in_gallery)
                return StoredAsset(asset, created=True)
        except IntegrityError:
            stored = _known(owner, upload.sha256, in_gallery=in_gallery)
            if stored is None:
                raise
            return stored


def update_asset(asset: Asset, **changes: Unpack[Changes]) -> Asset:
    """Changes words or visibility; what is not named stays. InvalidInput names the field."""
    checked: dict[str, Any] = {name: _CHECKS[name](value) for name, value in changes.items()}
    tags = checked.pop("tags", None)
    with transaction.atomic():
        current = Asset.objects.select_for_update().filter(pk=asset.pk).first()
        if current is None:
            raise NotFound("There is no such asset.")
        for name, value in (checked | {"in_gallery": True}).items():
            setattr(current, name, value)
        if tags is not None:
            _replace_tags(current, tags)
        # Also where only tags changed: whoever keeps a copy of an asset's words compares this time.
        current.save(update_fields=[*checked, "in_gallery", "updated_at"])
    return current


def mark_changed(asset_id: int) -> None:
    """Has whoever keeps a copy of what is known of an asset read it again."""
    Asset.objects.filter(pk=asset_id).update(updated_at=timezone.now())


def delete_asset(asset: Asset) -> None:
    """Removes the rows, and after the commit the files, unless another asset is made of the same bytes."""
    with transaction.atomic():
        locked(asset.pk)
        Asset.objects.filter(pk=asset.pk).delete()
        transaction.on_commit(partial(forget_content, asset.sha256), robust=True)


def locked(asset_id: int) -> Asset | None:
    """As it stands, and so for the rest of the transaction; None where there is none (any more).

    Frames, the asset, then all that hangs on them: so lock who describes or indexes it, and nobody adds to what is
    collected here to be deleted.
    """
    list(Frame.objects.select_for_update().filter(asset=asset_id).order_by("pk").values_list("pk"))
    return Asset.objects.select_for_update().filter(pk=asset_id).first()


def forget_content(sha256: str) -> bool:
    """Removes the files of these bytes if no asset needs them (any more); says whether it did."""
    with _content_lock(sha256), storage.storage_errors():
        if Asset.objects.filter(sha256=sha256).exists():
            return False
        storage.remove_content(sha256)
        return True


_CHECKS: dict[str, Any] = {
    "title": checked_title,
    "description": checked_description,
    "tags": checked_tags,
    "visibility": checked_visibility,
}


def _known(owner: User, sha256: str, *, in_gallery: bool) -> StoredAsset | None:
    mine = Asset.objects.filter(owner=owner, sha256=sha256)
    asset = mine.first()
    if asset is not None and in_gallery and not asset.in_gallery:
        asset.in_gallery = True
        if not mine.update(in_gallery=True):  # deleted meanwhile
            return None
    return StoredAsset(asset, created=False) if asset else None


@contextmanager
def _content_lock(sha256: str) -> Iterator[None]:
    """256 locks for all contents: neighbours wait for each other a moment, and no million lock files pile up."""
    with named_lock(f"content-{sha256[:2]}", _LOCK_TIMEOUT_S):
        yield


def _store_files(upload: Upload, picture: Picture) -> None:
    """A file that no row vouches for may be the rest of a crash, and is written anew."""
    key = storage.original_key(upload.sha256, picture.format.extension)
    shared = Asset.objects.filter(sha256=upload.sha256).exists()
    if shared and storage.holds(key, upload.size_bytes):
        return
    storage.put(key, upload.file)
    for width_px, content in picture.thumbnails.items():
        storage.put(storage.thumbnail_key(upload.sha256, width_px), content)


def _insert(owner: User, upload: Upload, picture: Picture, details: Details, *, in_gallery: bool) -> Asset:
    if not User.objects.select_for_update(no_key=True).filter(pk=owner.pk, is_active=True).exists():
        raise NotAllowed("This account is closed.")
    found = picture.metadata
    details = details.completed_by(found)
    asset = Asset.objects.create(
        owner=owner,
        sha256=upload.sha256,
        mime_type=picture.format.mime_type,
        original_key=storage.original_key(upload.sha256, picture.format.extension),
        original_name=_base_name(upload.name),
        size_bytes=upload.size_bytes,
        width_px=picture.width_px,
        height_px=picture.height_px,
        perceptual_hash=picture.perceptual_hash,
        blurhash=picture.blurhash,
        title=details.title,
        description=details.description,
        visibility=details.visibility,
        in_gallery=in_gallery,
        taken_at=_taken_at(found),
        camera=found.camera,
        latitude=found.latitude,
        longitude=found.longitude,
    )
    AssetTag.objects.bulk_create(AssetTag(asset=asset, name=name) for name in details.tags)
    return asset


def _taken_at(found: Metadata) -> datetime | None:
    """None also for a moment at the edge of the calendar, from whichever reader: SQLite refuses it, and PostgreSQL
    takes it and then breaks every list that holds the row.
    """
    if found.taken_at is None or not is_believable(found.taken_at):
        return None
    return timezone.make_aware(found.taken_at) if timezone.is_naive(found.taken_at) else found.taken_at


def _replace_tags(asset: Asset, names: Iterable[str]) -> None:
    wanted = set(names)
    asset.tags.exclude(name__in=wanted).delete()
    present = set(asset.tags.values_list("name", flat=True))
    AssetTag.objects.bulk_create(AssetTag(asset=asset, name=name) for name in wanted - present)


def _base_name(name: str) -> str:
    """The last part of a path of any system, as one clean line that keeps its ending."""
    base = clean_line(name.replace("\\", "/").rsplit("/", 1)[-1])
    return base[-_NAME_MAX_CHARS:]
