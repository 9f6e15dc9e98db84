"""What was searched for and which results were opened, where the settings want it kept: without user and address."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core import signing
from django.db import IntegrityError
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import Lower
from django.utils import timezone

from core.errors import InvalidInput
from library.models import Asset
from search.models import SearchClick, SearchRecord

_SALT = "search.record"
_MAX_CHARS = 200
_REPORTED_AT_MOST = 100
LAST_PLACE = 100_000


@dataclass(frozen=True)
class Unanswered:
    """A query, in lower case, with how often it was asked and when last."""

    query: str
    times: int
    last_at: datetime


def record_search(query: str, *, scores: Sequence[float], listed: bool, took_ms: int) -> str:
    """Keeps a search, where settings.RECORD_SEARCHES says so, and returns the token that clicks on its results name.

    scores: of the first page. listed: it was asked by conditions alone, where no photo has a score.
    """
    if not settings.RECORD_SEARCHES:
        return ""
    found = len(scores) if listed else sum(score > 0 for score in scores)
    record = SearchRecord.objects.create(query=query.strip(), found=found, took_ms=took_ms)
    return signing.dumps(record.pk, salt=_SALT)


def record_click(token: str, asset: Asset, place: int) -> None:
    """Keeps that a result was opened, once however often; InvalidInput for a token that was not given out."""
    if not 1 <= place <= LAST_PLACE:
        raise InvalidInput(f"place must be from 1 to {LAST_PLACE}.", field="place")
    try:
        if len(token) > _MAX_CHARS:
            raise signing.BadSignature
        search_id = int(signing.loads(token, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError) as error:
        raise InvalidInput("search is not a token that a search gave out.", field="search") from error
    if not SearchRecord.objects.filter(pk=search_id).exists():
        return  # forgotten meanwhile
    with suppress(IntegrityError):  # the photo, or the search, is gone since it was looked up
        SearchClick.objects.get_or_create(search_id=search_id, asset=asset, defaults={"place": place})


def unanswered(days: int) -> list[Unanswered]:
    """The queries of the last days that found nothing, the most frequent first."""
    return _grouped(_since(days).filter(found=0))


def unopened(days: int) -> list[Unanswered]:
    """The queries of the last days that found something of which nobody ever opened anything."""
    found = _since(days).filter(found__gt=0).annotate(opened=Count("clicks"))
    quiet = found.filter(opened=0).exclude(
        query__in=_since(days).filter(clicks__isnull=False).values("query")
    )
    return _grouped(SearchRecord.objects.filter(pk__in=quiet.values("pk")))


def forget_old() -> int:
    """Removes what is older than settings.RECORD_SEARCHES_DAYS; returns how many searches that were."""
    before = timezone.now() - timedelta(days=settings.RECORD_SEARCHES_DAYS)
    old = SearchRecord.objects.filter(at__lt=before)
    count = old.count()
    old.delete()
    return count


def _since(days: int) -> QuerySet[SearchRecord]:
    return SearchRecord.objects.filter(at__gte=timezone.now() - timedelta(days=days))


def _grouped(records: QuerySet[SearchRecord]) -> list[Unanswered]:
    grouped = records.order_by().values(folded=Lower("query")).annotate(times=Count("pk"), last_at=Max("at"))
    rows = grouped.order_by("-times", "folded").values_list("folded", "times", "last_at")[:_REPORTED_AT_MOST]
    return [Unanswered(*row) for row in rows]
