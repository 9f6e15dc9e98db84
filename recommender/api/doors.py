"""What every operation of a site begins with: who asks, and whether they ask too often."""

import threading
import time

from django.http import HttpRequest
from ninja.errors import Throttled

from recommender.models import SiteKey
from recommender.site_access import SiteCaller, site_caller_of, site_key_caller_of, writer_of_site
from workers import pipeline

_WINDOW_S = 60
_counting = threading.Lock()
_counted: dict[tuple[str, int], int] = {}


def reader(request: HttpRequest, slug: str) -> SiteCaller:
    """Who reads of this site; Throttled beyond what the site allows each of its keys."""
    return _within_limit(site_caller_of(request, slug))


def writer(request: HttpRequest, slug: str) -> SiteCaller:
    """Who changes something of this site; Throttled likewise."""
    return _within_limit(writer_of_site(request, slug))


def page_or_person(request: HttpRequest) -> SiteCaller | None:
    """The site whose key came with the request, within its limit; None for people and strangers."""
    caller = site_key_caller_of(request)
    return None if caller is None else _within_limit(caller)


def _within_limit(caller: SiteCaller) -> SiteCaller:
    if caller.key is not None and caller.site.requests_per_minute:
        spend(caller.key, 1, caller.site.requests_per_minute)
    return caller


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
        for old in [known for known in _counted if known[1] != window]:
            del _counted[old]
        _counted[purse, window] = _counted.get((purse, window), 0) + amount
        return _counted[purse, window]
