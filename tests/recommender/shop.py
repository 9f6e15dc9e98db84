"""A shop whose items are found, and visitors who do things there and are recommended others."""

from typing import Any

from django.contrib.auth.models import User

from recommender.interactions import Received, receive
from recommender.item_content import checked_content
from recommender.item_vectors import embed_items
from recommender.items import put_items
from recommender.models import Item, Site
from recommender.recommending import Answer, Wanted, recommend
from tests.recommender.sites import site


def put(of: Site, /, **titles: str) -> None:
    """Items by external id, with their titles."""
    put_items(of, {name: checked_content({"title": title}) for name, title in titles.items()})
    embed_items(Item.objects.filter(site=of).values_list("pk", flat=True))


def furnished(owner: User) -> Site:
    """A site with sofas, boats and a pan, whose lists are not made various."""
    made = site(owner, diversity=0.0)
    put(
        made,
        sofa1="red sofa of leather",
        sofa2="red sofa of cotton",
        sofa3="red sofa of wool",
        boat1="wooden boat with sails",
        boat2="wooden boat with oars",
        pan="iron pan for eggs",
    )
    return made


def did(of: Site, visitor: str, kind: str, *items: str, **more: Any) -> Received:
    """A visitor does the same with each of these items."""
    return receive(of, [{"visitor": visitor, "kind": kind, "item": item, **more} for item in items])


def names(answer: Answer) -> list[str]:
    """The items of an answer by their external ids, best first."""
    return [one.row.external_id for one in answer.results if isinstance(one.row, Item)]


def ask(of: Site, visitor: str = "v1", **more: Any) -> list[str]:
    """What a visitor is recommended."""
    return names(recommend(of, Wanted(visitor=visitor, **more)))
