"""/assets: reading, changing and deleting. Composed here, because an answer speaks of captions and stages, too."""

from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest
from ninja import Field, Query, Schema, Status

from config.api import uploads
from config.api.asset_answers import AssetBrief, AssetOut, briefs, full
from core import cursors
from core.errors import InvalidInput
from core.moments import Moment
from core.requests import refuse_unknown
from library import asset_store
from library.access import Anyone, Scope, caller_of, require_scope, viewer_of
from library.details import checked_tags
from library.models import ApiKey
from library.selectors import (
    AssetFilters,
    asset_for,
    asset_page,
    editable_asset_for,
    exact_duplicate_ids,
    near_duplicate_ids,
)
from workers import pipeline

# The very router of the uploads: where one address is spread over two, ninja answers 405 to the second's methods.
router = uploads.router
_READ, _WRITE = Scope(ApiKey.Scope.READ), Scope(ApiKey.Scope.WRITE)
_LIST = "assets"


class AssetQuery(Schema):
    """Filters of the list; all that are given must hold."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    mine: bool | None = Field(None, description="Only your own, or only others'")
    visibility: Literal["private", "public"] | None = None
    tag: str | None = Field(None, description="A tag that a person gave, in any case")
    taken_after: Moment | None = Field(None, description="Without a time zone it is UTC")
    taken_before: Moment | None = Field(None, description="Without a time zone it is UTC")


class AssetPage(Schema):
    results: list[AssetBrief]
    next: str | None = Field(description="Cursor of the next page; null on the last one")


class AssetChange(Schema, extra="forbid"):
    """What is left out stays as it is."""

    title: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    visibility: Literal["private", "public"] | None = None


class Duplicates(Schema):
    exact: list[int] = Field(
        description="The same bytes, uploaded by others, as far as lists show them to you"
    )
    near: list[int] = Field(description="Other versions of the picture, closest first; at most 100")


@router.get("/assets", response=AssetPage, auth=Anyone(), summary="Public assets and your own, newest first")
def list_assets(request: HttpRequest, query: Annotated[AssetQuery, Query()]) -> dict[str, Any]:
    refuse_unknown(request, AssetQuery)
    viewer = viewer_of(request)
    assets, next_id = asset_page(
        viewer, _filters(query), before_id=cursors.read(_LIST, query.cursor), limit=query.limit
    )
    return {"results": briefs(viewer, assets), "next": cursors.written(_LIST, next_id)}


@router.get(
    "/assets/{int:asset_id}", response=AssetOut, auth=Anyone(), summary="One asset with all that is known"
)
def get_asset(request: HttpRequest, asset_id: int) -> dict[str, Any]:
    """404 for a stranger's private asset, as for one that does not exist."""
    viewer = viewer_of(request)
    return full(viewer, asset_for(viewer, asset_id))


@router.get(
    "/assets/{int:asset_id}/duplicates", response=Duplicates, auth=_READ, summary="The same picture again"
)
def duplicates(request: HttpRequest, asset_id: int) -> dict[str, list[int]]:
    """Of the photos that lists show you: all of the same bytes, and of the newest 100,000 those that look the same.

    For people with an account: the latter are compared one by one, which strangers could abuse.
    """
    viewer = viewer_of(request)
    asset = asset_for(viewer, asset_id)
    return {
        "exact": exact_duplicate_ids(viewer, asset),
        "near": near_duplicate_ids(viewer, asset),
    }


@router.patch(
    "/assets/{int:asset_id}",
    response={200: AssetOut, 204: None},
    auth=_WRITE,
    summary="Change words or visibility",
)
def change_asset(request: HttpRequest, asset_id: int, change: AssetChange) -> Status[Any]:
    """The asset as it is now; 204 for a key that may write and not read."""
    user = require_scope(request, ApiKey.Scope.WRITE)
    asset, changes = editable_asset_for(user, asset_id), change.dict(exclude_none=True)
    if changes:
        asset = asset_store.update_asset(asset, **changes)
        transaction.on_commit(pipeline.wake)
    return Status(200, full(user, asset)) if caller_of(request).has(ApiKey.Scope.READ) else Status(204, None)


@router.delete(
    "/assets/{int:asset_id}", response={204: None}, auth=_WRITE, summary="Delete an asset and its files"
)
def remove_asset(request: HttpRequest, asset_id: int) -> Status[None]:
    user = require_scope(request, ApiKey.Scope.WRITE)
    asset_store.delete_asset(editable_asset_for(user, asset_id))
    return Status(204, None)


def _filters(query: AssetQuery) -> AssetFilters:
    return AssetFilters(
        mine=query.mine,
        visibility=query.visibility,
        tag=_checked_tag(query.tag),
        taken_after=query.taken_after,
        taken_before=query.taken_before,
    )


def _checked_tag(tag: str | None) -> str | None:
    if tag is None:
        return None
    try:
        names = checked_tags([tag])
    except InvalidInput as error:
        raise InvalidInput(str(error), field="tag") from error
    if not names:
        raise InvalidInput("tag must not be empty.", field="tag")
    return names[0]
