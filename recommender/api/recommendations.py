"""What suits a visitor of a site."""

from typing import Any, Literal

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from captioning.alt_text import alt_text
from core.errors import InvalidInput, NotAllowed, NotFound
from core.requests import refuse_unknown
from library.models import Asset
from recommender.api import doors, excluded
from recommender.api.related_questions import Scenario
from recommender.interactions import checked_visitor
from recommender.item_cards import captions_of_assets
from recommender.models import Item, Site
from recommender.pictures import picture_url
from recommender.recommending import LIMIT_MAX, Recommended, Wanted, recommend
from recommender.refs import Ref
from recommender.site_access import SiteAccess
from recommender.site_selectors import assets_shown_by, item_of

router = Router(tags=["Recommendations"], auth=SiteAccess())
_EXCLUDE_MAX = 200


class RecommendationQuery(Schema):
    visitor: str = Field("", description="The id that your site gave the visitor; empty: a stranger")
    kind: Literal["item", "asset", "any"] = "item"
    limit: int = Field(10, ge=1, le=LIMIT_MAX)
    scenario: Scenario
    item: str = Field("", description="external_id of the item on whose page the visitor is")
    asset: int | None = Field(None, ge=1, description="id of the photo on whose page the visitor is")
    key: str = Field("", description="The site's publishable key, where no header is sent")
    exclude: list[str] = Field(
        [],
        max_length=_EXCLUDE_MAX,
        description="external_ids (or item:external_id) and asset:ids that you show already; repeated",
    )


class RecommendedOut(Schema):
    """An item (by external_id) or a photo (by id) of the gallery, and why it is here."""

    kind: Literal["item", "asset"]
    item: str | None = None
    asset: int | None = None
    title: str
    url: str
    picture: str | None
    alt: str = Field(description="Of its picture, at most 125 characters; empty where it has none")
    score: float
    reason: str = Field(description="In words, to be shown")
    why: dict[str, float] = Field(description="What content, factors, together and popularity added")


class Recommendations(Schema):
    """id: name it in the interactions that come from this list."""

    id: str
    based_on: list[str] = Field(
        description="Of content, behaviour, popularity; or newest, where nothing is known"
    )
    variant: str = Field(description="Of the experiment that runs, if any")
    results: list[RecommendedOut]


@router.get("/recommendations", response=Recommendations, summary="What suits a visitor")
def recommendations(request: HttpRequest, asked: Query[RecommendationQuery]) -> dict[str, Any]:
    """Without what the visitor has seen or dismissed. What they did last counts with the next request."""
    refuse_unknown(request, RecommendationQuery)
    caller = doors.page_or_person(request)
    if caller is None:
        raise NotAllowed("Only a site asks for recommendations: send one of its keys.")
    site = caller.site
    answer = recommend(
        site,
        Wanted(
            visitor=checked_visitor(asked.visitor) if asked.visitor else "",
            kind=asked.kind,
            limit=asked.limit,
            scenario=asked.scenario,
            about=_about(site, asked),
            exclude=frozenset(ref.code for ref in excluded.of_names(site, asked.exclude)),
        ),
    )
    assets = [_asset_of(one.row) for one in answer.results]
    captions = captions_of_assets([asset.pk for asset in assets if asset is not None])
    return {
        "id": answer.id,
        "based_on": answer.based_on,
        "variant": answer.variant,
        "results": [_shown(one, captions) for one in answer.results],
    }


def _about(site: Site, asked: RecommendationQuery) -> Ref | None:
    if asked.item and asked.asset:
        raise InvalidInput("name either item or asset, and not both.", field="item")
    if asked.item:
        return Ref(True, item_of(site, asked.item).pk)
    if asked.asset:
        if not assets_shown_by(site).filter(pk=asked.asset).exists():
            raise NotFound("There is no such photo that this site shows.")
        return Ref(False, asked.asset)
    return None


def _asset_of(row: Item | Asset) -> Asset | None:
    return row.asset if isinstance(row, Item) else row


def _shown(one: Recommended, captions: dict[int, str]) -> dict[str, Any]:
    asset, row = _asset_of(one.row), one.row
    caption = captions.get(asset.pk, "") if asset else ""
    return {
        "kind": "item" if one.ref.is_item else "asset",
        "item": row.external_id if isinstance(row, Item) else None,
        "asset": None if isinstance(row, Item) else row.pk,
        "title": row.title or caption,
        "url": row.url if isinstance(row, Item) else "",
        "picture": picture_url(asset) if asset else None,
        "alt": alt_text(caption),
        "score": one.score,
        "reason": one.reason,
        "why": one.why,
    }
