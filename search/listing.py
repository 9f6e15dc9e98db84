"""Photos by date instead of by how well they fit: the newest first, page by page."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import DateTimeField, Q, QuerySet
from django.db.models.functions import Coalesce

from core.ids import any_of
from library.models import DATED_AT, Asset
from search.columns import microseconds, moment_at
from search.fusion import Fused
from search.paging import Place

# The same moment in words that no index has: where few of many fit, a database had better find these and sort them than
# look for them from the newest on.
_SORTED_BY = Coalesce("taken_at", "created_at", "created_at", output_field=DateTimeField())


def newest(
    assets: Sequence[QuerySet[Asset]], after: Place | None, limit: int, *, in_order: bool
) -> tuple[list[int], Place | None]:
    """Ids of the newest of these assets after a place, and the place where the next page goes on, None at the end.

    in_order: an index has each of these sets in the order of dates.
    """
    found = set[tuple[int, datetime]]()
    for some in assets:
        # The date that before: and after: compare.
        dated = some.annotate(dated_at=DATED_AT if in_order else _SORTED_BY).order_by("-dated_at", "-pk")
        if after is not None:
            moment = moment_at(int(after.score))
            dated = dated.filter(Q(dated_at__lt=moment) | Q(pk__lt=after.asset_id), dated_at__lte=moment)
        found.update(dated.values_list("pk", "dated_at")[: limit + 1])
    shown = sorted(found, key=lambda one: (one[1], one[0]), reverse=True)[:limit]
    return [asset_id for asset_id, _ in shown], _place(*shown[-1]) if len(found) > limit else None


def newest_of(
    assets: QuerySet[Asset], ranked: Sequence[Fused], after: Place | None, limit: int
) -> tuple[list[Fused], Place | None]:
    """The same of a ranking: its results, the newest first."""
    known = {one.asset_id: one for one in ranked}
    ids, place = newest([assets.filter(pk__in=any_of(known))], after, limit, in_order=False)
    return [known[asset_id] for asset_id in ids], place


def _place(asset_id: int, dated_at: datetime) -> Place:
    """Whole microseconds, since a cursor must find the very moment again."""
    return Place(0, 0, microseconds(dated_at), asset_id)
