"""The photos beside a photo, which its page fetches and which also stand alone; and what pages of sites load."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from core.errors import Unavailable
from library import renditions
from library.access import viewer_of
from library.models import Asset
from library.selectors import Viewer, asset_for, listed_assets
from recommender.pictures import picture_for
from recommender.related import Suggestion, examples_of
from recommender.related_lists import Place, RelatedList, related_list, shown_before
from recommender.related_things import things_of
from recommender.wish import Wish
from search.cards import Card

RELATED_COUNT = 12
#: How long a copy of an item's picture may outlive the item.
_PICTURE_MAX_AGE_S = 3600
_SCRIPT = Path(__file__).parent / "embed" / "related.js"
_SCRIPT_MAX_AGE_S = 3600


@require_safe
def related(request: HttpRequest, asset_id: int) -> HttpResponse:
    """What the API answers beside this photo; an engine that is away is said, never shown as "none"."""
    viewer = viewer_of(request)
    asset = asset_for(viewer, asset_id)
    try:
        found = _beside(viewer, asset, request.GET.get("cursor"))
    except Unavailable as error:
        response = render(
            request, "recommender/related.html", {"asset": asset, "problem": str(error)}, status=503
        )
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    more = f"{request.path}?{urlencode({'cursor': found.next})}" if found.next else ""
    cards = [_card(one) for one in found.suggestions]
    context = {"asset": asset, "found": found, "cards": cards, "more_url": more}
    return render(request, "recommender/related.html", context)


@require_safe
def item_picture(request: HttpRequest, token: str, width_px: int) -> HttpResponse:
    """The picture of an item, for pages of its site and whoever reads them."""
    with renditions.open_thumbnail(picture_for(token), width_px) as file:
        response = HttpResponse(file.read(), content_type="image/webp")
    response.headers["Cache-Control"] = f"public, max-age={_PICTURE_MAX_AGE_S}"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@require_safe
def embed_script(request: HttpRequest) -> HttpResponse:
    """The script that sites put on their pages, the same for all of them."""
    script = _script()
    etag = f'"{sha256(script).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=etag)
    if response is None:
        response = HttpResponse(script, content_type="text/javascript; charset=utf-8")
    assert isinstance(response, HttpResponse)
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"public, max-age={_SCRIPT_MAX_AGE_S}"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _beside(viewer: Viewer, asset: Asset, cursor: str | None) -> RelatedList:
    (seed,) = things_of([asset], [])
    about = str(seed.ref)
    wish = Wish(examples_of(seed), listed_assets(viewer), site=None, limit=RELATED_COUNT, shown=[seed])
    return related_list(wish, Place(about=about), shown_before(cursor, about))


def _card(one: Suggestion) -> Card:
    assert one.thing.asset is not None  # of photos alone
    return Card(one.thing.asset, one.thing.known.shown, because=one.reason)


@cache
def _script() -> bytes:
    return _SCRIPT.read_bytes()
