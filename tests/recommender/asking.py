"""Items of a site, encoded, and what is related to them over HTTP."""

from typing import Any

from django.test import Client

from recommender.item_content import checked_content
from recommender.items import put_items
from recommender.models import Item, Site
from tests.recommender.sites import secret
from tests.search.photos import photo
from workers import errands


def put(of: Site, **contents: Any) -> None:
    """Items by their titles, or all of their content, encoded."""
    told = {name: {"title": one} if isinstance(one, str) else one for name, one in contents.items()}
    put_items(of, {name: checked_content(one) for name, one in told.items()})
    errands.encode_items()


def with_picture(of: Site, name: str, title: str, **described: Any) -> Item:
    """An item whose picture has gone through every stage."""
    put(of, **{name: title})
    asset = photo(of.owner, visibility="private", in_gallery=False, **described)
    Item.objects.filter(site=of, external_id=name).update(asset=asset, picture_state="ready")
    return Item.objects.get(site=of, external_id=name)


def beside(of: Site, name: str, **asked: Any) -> Any:
    """What is answered to a site's server that asks what is related to an item."""
    path = f"/api/v1/sites/{of.slug}/items/{name}/related"
    answer = Client(headers=secret(of)).get(path, asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def ask(question: Any, headers: dict[str, str]) -> Any:
    """The response to a question of any kind."""
    return Client(headers=headers).post("/api/v1/related", question, content_type="application/json")


def names(answer: Any) -> list[Any]:
    """Items by their external ids, photos by their ids, best first."""
    return [one["item"]["external_id"] if one["item"] else one["asset"]["id"] for one in answer["results"]]
