"""A shop whose items are found, and visitors who do things there."""

from typing import Any

from recommender.interactions import Received, receive
from recommender.item_content import checked_content
from recommender.item_vectors import embed_items
from recommender.items import put_items
from recommender.models import Item, Site


def put(site: Site, /, **titles: str) -> None:
    """Items by external id, with their titles."""
    put_items(site, {name: checked_content({"title": title}) for name, title in titles.items()})
    embed_items(Item.objects.filter(site=site).values_list("pk", flat=True))


def did(site: Site, visitor: str, kind: str, *items: str, **more: Any) -> Received:
    """A visitor does the same with each of these items."""
    return receive(site, [{"visitor": visitor, "kind": kind, "item": item, **more} for item in items])
