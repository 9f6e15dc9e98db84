"""Reading the library. Every reader says who is looking; nobody sees more than public assets and their own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from heapq import nsmallest

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum, Value
from django.db.models.functions import Upper
from django.db.models.lookups import Exact
from django.urls import reverse
from PIL import Image

from core.errors import CorruptMedia, NotAllowed, NotFound
from core.ids import MAX_ID, KeysOf
from library import storage
from library.media.decoding import decode_file
from library.media.hashes import bits_apart
from library.models import SEEN_BY, Asset, AssetTag, Frame

Viewer = AbstractBaseUser | AnonymousUser | None
#: At most so many of 64 bits differ between versions of one picture (recompressed, scaled, slightly cropped).
NEAR_DUPLICATE_MAX_BITS = 6
#: A few tenths of a second for one request, whatever the size of the library.
NEAR_DUPLICATES_COMPARED = 100_000
NEAR_DUPLICATES_MOST = 100
#: Of the thumbnail that lists show and answers name.
LIST_THUMBNAIL_PX = 320
_VIEWERS_REMEMBERED = 1_000
_NO_SUCH_ASSET = "There is no such asset."


@dataclass(frozen=True)
class AssetFilters:
    """Which of the visible assets; what is None does not narrow. `mine` keeps the viewer's own."""

    mine: bool | None = None
    visibility: str | None = None
    tag: str | None = None
    taken_after: datetime | None = None
    taken_before: datetime | None = None


@dataclass(frozen=True)
class Stored:
    """How many photos there are, and how many bytes their originals have."""

    photos: int
    size_bytes: int


def visible_assets(viewer: Viewer) -> QuerySet[Asset]:
    """Public ones and the viewer's own. Being staff opens no private asset."""
    return _visible(_own(viewer))


def listed_assets(viewer: Viewer) -> QuerySet[Asset]:
    """Those of the visible ones that lists and searches offer: of others none that is taken for unsafe."""
    return _listed(_own(viewer))


def listed_parts(viewer: Viewer) -> list[QuerySet[Asset]]:
    """The same in parts, with some assets in two: an index has each part in the order of dates, and none the whole."""
    public, private = (
        Asset.objects.filter(Exact(SEEN_BY, Upper(Value(visibility))))
        for visibility in (Asset.Visibility.PUBLIC, Asset.Visibility.PRIVATE)
    )
    offered = public if settings.UNSAFE_PHOTOS == "show" else public.filter(~taken_for_unsafe())
    if _id_of(viewer) is None:
        return [offered]
    return [offered, public.filter(_own(viewer)), private.filter(_own(viewer))]


def listed_keys(viewer: Viewer) -> KeysOf:
    """For who asks which of some assets are among those: to put that together takes longer than to answer it."""
    return _listed_keys(_id_of(viewer), connection.vendor, settings.UNSAFE_PHOTOS, settings.UNSAFE_MIN_SCORE)


def offered_to_all() -> QuerySet[Asset]:
    """What lists and searches offer to people without an account."""
    return listed_assets(None)


def taken_for_unsafe() -> Q:
    """Assets that a person called unsafe, or a model where no person said anything."""
    return Q(judged_unsafe=True) | Q(judged_unsafe=None, unsafe_score__gte=settings.UNSAFE_MIN_SCORE)


def is_taken_for_unsafe(asset: Asset) -> bool:
    if asset.judged_unsafe is not None:
        return asset.judged_unsafe
    return asset.unsafe_score is not None and asset.unsafe_score >= settings.UNSAFE_MIN_SCORE


def is_hidden(asset: Asset) -> bool:
    """Whether lists and searches of others leave it out for what it is taken for."""
    return settings.UNSAFE_PHOTOS != "show" and is_taken_for_unsafe(asset)


def asset_for(viewer: Viewer, asset_id: int) -> Asset:
    """NotFound where it does not exist, and just the same where it is somebody's private one."""
    return _one_of(visible_assets(viewer), asset_id)


def editable_asset_for(viewer: Viewer, asset_id: int) -> Asset:
    """NotFound for what the viewer can't see, NotAllowed for what is public but not theirs."""
    asset = asset_for(viewer, asset_id)
    if not is_owner(viewer, asset):
        raise NotAllowed("Only its owner may change this asset.")
    return asset


def people_named(name: str) -> list[int]:
    """Ids of accounts of this name; of names that differ in case only there may be several."""
    named = User.objects.filter(username__iexact=name).order_by("pk")
    return list(named.values_list("pk", flat=True))


def stored_by(owner: User) -> Stored:
    """What is theirs, pictures of their sites' items among it."""
    counted = Asset.objects.filter(owner=owner).aggregate(
        photos=Count("pk"), size_bytes=Sum("size_bytes", default=0)
    )
    return Stored(**counted)


def is_owner(viewer: Viewer, asset: Asset) -> bool:
    return viewer is not None and viewer.is_authenticated and asset.owner_id == viewer.pk


def asset_page(
    viewer: Viewer, filters: AssetFilters, *, before_id: int | None, limit: int
) -> tuple[list[Asset], int | None]:
    """Newest first, with tags; and the id after which the next page begins, None on the last one."""
    newest = _newest(viewer, filters, MAX_ID if before_id is None else min(before_id, MAX_ID), limit + 1)
    assets = listed_assets(viewer).filter(pk__in=newest[:limit]).order_by("-id")
    return list(assets.prefetch_related("tags", "frames")), newest[limit - 1] if len(newest) > limit else None


def _newest(viewer: Viewer, filters: AssetFilters, before_id: int, limit: int) -> list[int]:
    """The ids of the newest of the viewer's own and of those that all are offered, each from an index that has them in
    order: for both in one question SQLite reads and sorts all of them.
    """
    parts = [Asset.objects.filter(_own(viewer))] if viewer is not None and viewer.is_authenticated else []
    if not filters.mine and filters.visibility != Asset.Visibility.PRIVATE:
        parts.append(offered_to_all())
    found = set[int]()
    for part in parts:
        assets = filtered(part, viewer, filters).filter(id__lt=before_id).order_by("-id")
        found.update(assets.values_list("pk", flat=True)[:limit])
    return sorted(found, reverse=True)[:limit]


def filtered(assets: QuerySet[Asset], viewer: Viewer, filters: AssetFilters) -> QuerySet[Asset]:
    if filters.mine is not None:
        assets = assets.filter(_own(viewer)) if filters.mine else assets.exclude(_own(viewer))
    if filters.visibility is not None:
        assets = assets.filter(visibility=filters.visibility)
    if filters.tag is not None:
        assets = assets.filter(tagged(filters.tag))
    if filters.taken_after is not None:
        assets = assets.filter(taken_at__gte=filters.taken_after)
    if filters.taken_before is not None:
        assets = assets.filter(taken_at__lt=filters.taken_before)
    return assets


def tagged(name: str) -> Q:
    """Assets that somebody called so, without regard to case, as far as the database knows the letters.

    Upper case on both sides is what the index over tags holds; on SQLite `iexact` would read every tag.
    """
    tags = AssetTag.objects.filter(Exact(Upper("name"), Upper(Value(name)))).order_by()
    return Q(pk__in=tags.values("asset"))


def tags_of(asset_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(asset id, tag), in no order."""
    tags = AssetTag.objects.filter(asset_id__in=asset_ids).order_by()
    return tags.values_list("asset_id", "name").iterator()


def frames_of(asset: Asset) -> QuerySet[Frame]:
    return asset.frames.all()


def open_frame(frame: Frame, *, at_least_px: int | None = None) -> Image.Image:
    """The frame's pixels, upright, RGB or RGBA. CorruptMedia where the stored file is gone or damaged.

    With `at_least_px` the picture may come smaller, as long as its shorter side keeps that many pixels: large
    photos decode several times faster.
    """
    return open_picture_of(frame.asset, at_least_px=at_least_px)


def open_picture_of(asset: Asset, *, at_least_px: int | None = None) -> Image.Image:
    try:
        file = storage.open_file(asset.original_key)
    except FileNotFoundError as error:
        raise CorruptMedia("The stored file of this asset is missing.") from error
    with file:
        return decode_file(file, max_pixels=settings.UPLOAD_MAX_PIXELS, at_least_px=at_least_px)


def exact_duplicate_ids(viewer: Viewer, asset: Asset) -> list[int]:
    """Listed assets of other owners of the same bytes."""
    same = listed_assets(viewer).filter(sha256=asset.sha256).exclude(pk=asset.pk)
    return list(same.order_by("pk").values_list("pk", flat=True))


def near_duplicate_ids(viewer: Viewer, asset: Asset) -> list[int]:
    """Listed assets of other bytes that look the same, closest first; at most NEAR_DUPLICATES_MOST.

    Compared are the hashes of the newest NEAR_DUPLICATES_COMPARED of those that lists offer to the viewer, one by
    one: no index of our databases knows how many bits differ. What is older in a larger library is not found.
    """
    others = listed_assets(viewer).exclude(sha256=asset.sha256).order_by("-pk")
    compared = others.values_list("pk", "perceptual_hash")[:NEAR_DUPLICATES_COMPARED]
    distances = ((bits_apart(asset.perceptual_hash, other), pk) for pk, other in compared.iterator())
    near = ((distance, pk) for distance, pk in distances if distance <= NEAR_DUPLICATE_MAX_BITS)
    return [pk for _, pk in nsmallest(NEAR_DUPLICATES_MOST, near)]


def thumbnail_url(asset: Asset, width_px: int) -> str:
    return reverse("asset-thumbnail", args=[asset.pk, width_px])


def thumbnail_urls(asset: Asset) -> dict[int, str]:
    return {width_px: thumbnail_url(asset, width_px) for width_px in settings.THUMBNAIL_WIDTHS_PX}


def original_url(asset: Asset) -> str:
    return reverse("asset-original", args=[asset.pk])


def tag_names(asset: Asset) -> list[str]:
    return sorted(tag.name for tag in asset.tags.all())


def unreferenced(hashes: Sequence[str]) -> list[str]:
    """Those of these contents that no asset is made of."""
    known = set(Asset.objects.filter(sha256__in=hashes).values_list("sha256", flat=True))
    return [sha256 for sha256 in hashes if sha256 not in known]


def _id_of(viewer: Viewer) -> int | None:
    """None for who is not signed in."""
    return viewer.pk if viewer is not None and viewer.is_authenticated else None


def _own(viewer: Viewer) -> Q:
    return _owned_by(_id_of(viewer))


def _owned_by(user_id: int | None) -> Q:
    """Nothing for nobody: a filter by `owner=None` would be one slip away from everything."""
    return Q(pk__in=[]) if user_id is None else Q(owner_id=user_id)


def _visible(own: Q) -> QuerySet[Asset]:
    return Asset.objects.filter(Q(visibility=Asset.Visibility.PUBLIC) | own)


def _listed(own: Q) -> QuerySet[Asset]:
    visible = _visible(own)
    return visible if settings.UNSAFE_PHOTOS == "show" else visible.filter(~taken_for_unsafe() | own)


@lru_cache(maxsize=_VIEWERS_REMEMBERED)
def _listed_keys(user_id: int | None, *_asked_of: object) -> KeysOf:
    """_asked_of: what else the question is put together from."""
    return KeysOf(_listed(_owned_by(user_id)))


def _one_of(assets: QuerySet[Asset], asset_id: int) -> Asset:
    if not 0 < asset_id <= MAX_ID:
        raise NotFound(_NO_SUCH_ASSET)
    asset = assets.filter(pk=asset_id).first()
    if asset is None:
        raise NotFound(_NO_SUCH_ASSET)
    return asset
