"""Which pages of other origins may read what the API answers: those of sites, and only what they may ask.

Browsers ask beforehand about requests with a header of their own; an answer itself names the origin whose key came
with the request, and no other. Nothing is ever allowed to cookies.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

from recommender.models import SiteOrigin
from recommender.site_access import page_origin

GetResponse = Callable[[HttpRequest], HttpResponseBase]
_API = "/api/"
_METHODS, _HEADERS = "GET, POST", "Authorization, Content-Type"
_PREFLIGHT_MAX_AGE_S = 600


def cross_origin(get_response: GetResponse) -> GetResponse:
    """Middleware: answers preflights, and lets a page of a site read what its key was answered."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        origin = request.headers.get("Origin")
        if origin is None or not request.path.startswith(_API):
            return get_response(request)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return _preflight(origin)
        response = get_response(request)
        if page_origin(request) == origin.lower():
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
        patch_vary_headers(response, ["Origin"])
        return response

    return middleware


def _preflight(origin: str) -> HttpResponse:
    """A preflight carries no key, so all that is known is whether some site lives there."""
    response = HttpResponse(status=204)
    patch_vary_headers(response, ["Origin"])
    if SiteOrigin.objects.filter(origin=origin.lower()).exists():
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = _METHODS
        response.headers["Access-Control-Allow-Headers"] = _HEADERS
        response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_MAX_AGE_S)
    return response
