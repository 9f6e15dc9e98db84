"""Related things as the API tells them, with the id of the answer and how long caches may keep it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response, patch_vary_headers
from ninja import Field, Schema

from captioning.alt_text import alt_text
from library.models import Asset
from recommender.pictures import picture_url
from recommender.related import Suggestion
from recommender.related_lists import RelatedList

#: How long a list may be old. A page that is read now, and again in a minute, need not ask twice.
MAX_AGE_S = 60
_DECIMALS = 4
#: Parts of an answer that say nothing of what is in it.
_NEVER_THE_SAME = frozenset({"recommendation", "next"})


class RelatedAsset(Schema):
    id: int
    title: str
    caption: str
    alt_text: str
    thumbnail: str
    width: int
    height: int
    blurhash: str


class RelatedItem(Schema):
    external_id: str
    title: str
    url: str
    language: str
    tags: list[str]
    alt_text: str = Field("", description="Of its picture; empty where it has none")
    thumbnail: str = ""
    width: int | None = None
    height: int | None = None
    blurhash: str = ""


class RelatedThing(Schema):
    kind: Literal["asset", "item"]
    asset: RelatedAsset | None = None
    item: RelatedItem | None = None
    score: float
    why: dict[str, float] = Field(description="What each signal added to the score")
    reason: str = Field(description="In words, such as: both show a dog on a beach")
    fallback: str = Field("", description="recent: it is here because it is new, not because it is alike")


class RelatedAnswer(Schema):
    results: list[RelatedThing]
    recommendation: str = Field(description="The id of this answer; interactions that come from it name it")
    fallbacks: list[str] = Field(
        description="How the list was filled where too little is alike; usually empty"
    )
    variant: str = Field("", description="Of the experiment that runs, for a visitor that is named")
    next: str | None = Field(None, description="Cursor of the page after; null on the last one")


def told(found: RelatedList) -> dict[str, Any]:
    """A `RelatedAnswer`."""
    return {
        "results": [_told(one) for one in found.suggestions],
        "recommendation": found.recommendation,
        "fallbacks": found.fallbacks,
        "variant": found.variant,
        "next": found.next,
    }


def cached(request: HttpRequest, answer: Mapping[str, Any], *, public: bool, arm: str = "") -> HttpResponse:
    """With an ETag of what the list says, whatever its id; a list that says the same is a 304.

    public: shared caches may keep it, too. The list differs by who asks, so caches keep it for each apart.
    arm: of an experiment, which the id names: the same list of another arm is another one.
    """
    said = {name: value for name, value in answer.items() if name not in _NEVER_THE_SAME} | {"arm": arm}
    told_things = json.dumps(said, cls=DjangoJSONEncoder, sort_keys=True)
    etag = f'W/"{hashlib.sha256(told_things.encode()).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=etag) or JsonResponse(dict(answer))
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"{'public' if public else 'private'}, max-age={MAX_AGE_S}"
    patch_vary_headers(response, ["Origin", "Authorization", "Cookie"])
    return response


def _told(one: Suggestion) -> dict[str, Any]:
    item, asset, known = one.thing.item, one.thing.asset, one.thing.known
    return {
        "kind": "item" if item is not None else "asset",
        "asset": None if item is not None or asset is None else _asset(asset, known.shown),
        "item": None
        if item is None
        else {
            "external_id": item.external_id,
            "title": item.title,
            "url": item.url,
            "language": item.language,
            "tags": item.tags,
            **_picture(asset, known.shown),
        },
        "score": round(one.score, _DECIMALS),
        "why": {name: round(worth, _DECIMALS) for name, worth in one.why.items()},
        "reason": one.reason,
        "fallback": one.fallback,
    }


def _asset(asset: Asset, caption: str) -> dict[str, Any]:
    return {"id": asset.pk, "title": asset.title, "caption": caption, **_picture(asset, caption)}


def _picture(asset: Asset | None, caption: str) -> dict[str, Any]:
    if asset is None:
        return {"alt_text": "", "thumbnail": "", "width": None, "height": None, "blurhash": ""}
    return {
        "alt_text": alt_text(caption),
        "thumbnail": picture_url(asset),
        "width": asset.width_px,
        "height": asset.height_px,
        "blurhash": asset.blurhash,
    }
