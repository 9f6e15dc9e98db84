"""Related photos over HTTP."""

from typing import Any

from django.http import HttpRequest
from ninja import Field, Query, Router

from library.access import Anyone, viewer_of
from library.selectors import asset_for
from recommender.services import DEFAULT_LIMIT, related_assets
from search.query import MAX_LIMIT
from search.results import Paging, Results, as_results, refuse_unknown

router = Router(tags=["Related"], auth=Anyone())


class RelatedPaging(Paging):
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)


@router.get("/assets/{int:asset_id}/related", response=Results, summary="Photos like this one")
def related(request: HttpRequest, asset_id: int, asked: Query[RelatedPaging]) -> dict[str, Any]:
    """Like it in what they show and in how they look; without itself and without exact copies."""
    refuse_unknown(request, RelatedPaging)
    viewer = viewer_of(request)
    asset = asset_for(viewer, asset_id)
    return as_results(viewer, related_assets(viewer, asset, limit=asked.limit, cursor=asked.cursor))
