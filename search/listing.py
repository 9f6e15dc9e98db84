"""Photos by date instead of by how well they fit: the newest first, page by page."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import DateTimeField, Q, QuerySet
from django.db.models.functions import Coalesce

from core.ids import any_of
from library.models import Asset
from search.columns import microseconds, moment_at
from search.fusion import Fused
from search.paging import Place


def newest(assets: QuerySet[Asset], after: Place | None, limit: int) -> tuple[list[int], Place | None]:
    """Ids of the newest assets after a place, and the place where the next page goes on, None at the end."""
    # When each was taken, else uploaded: the date that before: and after: compare.
    dated_at = Coalesce("taken_at", "created_at", output_field=DateTimeField())
    dated = assets.annotate(dated_at=dated_at).order_by("-dated_at", "-pk")
    if after is not None:
        moment = moment_at(int(after.score))
        dated = dated.filter(Q(dated_at__lt=moment) | Q(dated_at=moment, pk__lt=after.asset_id))
    found: list[tuple[int, datetime]] = list(dated.values_list("pk", "dated_at")[: limit + 1])
    shown = found[:limit]
    return [asset_id for asset_id, _ in shown], _place(*shown[-1]) if len(found) > limit else None


def newest_of(
    assets: QuerySet[Asset], ranked: Sequence[Fused], after: Place | None, limit: int
) -> tuple[list[Fused], Place | None]:
    """The same of a ranking: its results, the newest first."""
    known = {one.asset_id: one for one in ranked}
    ids, place = newest(assets.filter(pk__in=any_of(known)), after, limit)
    return [known[asset_id] for asset_id in ids], place


def _place(asset_id: int, dated_at: datetime) -> Place:
    """Whole microseconds, since a cursor must find the very moment again."""
    return Place(0, 0, microseconds(dated_at), asset_id)
