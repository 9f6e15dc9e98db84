"""What every operation of a site begins with: who asks, and whether they ask too often."""

import threading
import time
from collections import Counter

from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from ninja.errors import Throttled

from core.client_address import client_address
from recommender.models import SiteKey
from recommender.site_access import SiteCaller, site_caller_of, site_key_caller_of, writer_of_site
from workers import pipeline

_WINDOW_S = 60
_counting = threading.Lock()
#: What was spent of each purse in a window; of the last one alone.
_counted: dict[int, Counter[str]] = {}


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
        purse = f"site-key:{_visitor(request)}" if caller.is_page else "site-key"
        spend(caller.key, 1, caller.site.requests_per_minute, purse)
    return caller


def _visitor(request: HttpRequest) -> str:
    """Tells visitors of pages apart, who all come with the same key; addresses of theirs are kept nowhere."""
    return salted_hmac("visitor", client_address(request)).hexdigest()[:16]


def spend(key: SiteKey, amount: int, limit: int, purse: str = "site-key") -> None:
    """Throttled where a key has asked for more than `limit` in this minute, with the seconds until the next one.

    Counted in Redis for all processes together; while Redis is away, each process counts for itself.
    """
    now = int(time.time())
    spent = pipeline.spent(f"{purse}:{key.pk}", amount, window_s=_WINDOW_S)
    if spent is None:
        spent = _spent_here(f"{purse}:{key.pk}", amount, now // _WINDOW_S)
    if spent > limit:
        raise Throttled(wait=_WINDOW_S - now % _WINDOW_S)


def _spent_here(purse: str, amount: int, window: int) -> int:
    with _counting:
        if window not in _counted:
            _counted.clear()
        purses = _counted.setdefault(window, Counter())
        purses[purse] += amount
        return purses[purse]
