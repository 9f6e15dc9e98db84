"""What every operation of a site begins with: who asks, and whether they ask too often."""

from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from ninja.errors import Throttled

from core.client_address import client_address
from recommender.models import SiteKey
from recommender.site_access import SiteCaller, site_caller_of, site_key_caller_of, writer_of_site
from workers import pipeline

_WINDOW_S = 60


def reader(request: HttpRequest, slug: str) -> SiteCaller:
    """Who reads of this site; Throttled beyond what the site allows each of its keys, and of pages each visitor."""
    return _within_limit(request, site_caller_of(request, slug))


def writer(request: HttpRequest, slug: str) -> SiteCaller:
    """Who changes something of this site; Throttled likewise."""
    return _within_limit(request, writer_of_site(request, slug))


def page_or_person(request: HttpRequest) -> SiteCaller | None:
    """The site whose key came with the request, within its limit; None for people and strangers."""
    caller = site_key_caller_of(request)
    return None if caller is None else _within_limit(request, caller)


def _within_limit(request: HttpRequest, caller: SiteCaller) -> SiteCaller:
    if caller.key is not None and caller.site.requests_per_minute:
        purse = f"site-key:{visitor_of(request)}" if caller.is_page else "site-key"
        spend(caller.key, 1, caller.site.requests_per_minute, purse)
    return caller


def visitor_of(request: HttpRequest) -> str:
    """Tells visitors of pages apart, who all come with the same key; addresses of theirs are kept nowhere."""
    return salted_hmac("visitor", client_address(request)).hexdigest()[:16]


def spend(key: SiteKey, amount: int, limit: int, purse: str = "site-key") -> None:
    """Throttled where a key has asked for more than `limit` in this minute, with the seconds until the next one."""
    if pipeline.spend(f"{purse}:{key.pk}", amount, window_s=_WINDOW_S) > limit:
        raise Throttled(wait=pipeline.window_left_s(_WINDOW_S))
