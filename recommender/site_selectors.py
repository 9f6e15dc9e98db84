"""Reading sites and their items. Every reader says which site; nothing crosses from one to another."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from core.errors import NotFound
from core.texts import has_control
from library.models import Asset
from library.selectors import offered_to_all
from recommender.models import Item, Site


def sites_of(owner: User) -> QuerySet[Site]:
    return Site.objects.filter(owner=owner).prefetch_related("origins")


def own_site(owner: User, slug: str) -> Site:
    """NotFound for somebody else's, as for one that does not exist."""
    site = None if has_control(slug) else Site.objects.filter(owner=owner, slug=slug).first()
    if site is None:
        raise NotFound("There is no such site.")
    return site


def item_of(site: Site, external_id: str) -> Item:
    """NotFound for another site's, as for one that does not exist."""
    items = Item.objects.select_related("asset").filter(site=site, external_id=external_id).order_by()
    item = None if has_control(external_id) else next(iter(items), None)  # which no database looks for
    if item is None:
        raise NotFound("There is no such item.")
    item.site = site
    return item


def item_page(
    site: Site, *, before_id: int | None, limit: int, picture: str | None = None
) -> tuple[list[Item], int | None]:
    """Newest first; and the id after which the next page begins, None on the last one. picture: only in that state."""
    items = Item.objects.filter(site=site).select_related("asset").order_by("-id")
    if picture is not None:
        items = items.filter(picture_state=picture)
    if before_id is not None:
        items = items.filter(pk__lt=before_id)
    found = list(items[: limit + 1])
    return found[:limit], found[limit - 1].pk if len(found) > limit else None


def shown_items(site: Site, now: datetime | None = None) -> QuerySet[Item]:
    """Those that may be shown now: published, and not expired."""
    now = now or timezone.now()
    published = Q(published_at=None) | Q(published_at__lte=now)
    lasting = Q(expires_at=None) | Q(expires_at__gt=now)
    return Item.objects.filter(published & lasting, site=site)


def assets_shown_by(site: Site) -> QuerySet[Asset]:
    """Photos of the gallery that the site may show beside its items: public ones, and none taken for unsafe."""
    if site.shows_assets == Site.Assets.NONE:
        return Asset.objects.none()
    public = offered_to_all()
    return public.filter(owner_id=site.owner_id) if site.shows_assets == Site.Assets.OWN else public
