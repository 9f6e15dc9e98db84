"""What a visitor of a site did. Every reader says which site; a visitor of one is a stranger to another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Count, Max, Q, QuerySet
from numpy.typing import NDArray

from recommender.models import Interaction, Site
from recommender.refs import Ref

Kind = Interaction.Kind
#: How much each kind of action says of what a visitor likes, as a click says 1.
STRENGTHS: Mapping[str, float] = {
    Kind.VIEW: 0.5,
    Kind.DWELL: 0.5,
    Kind.CLICK: 1.0,
    Kind.LIKE: 2.0,
    Kind.PURCHASE: 3.0,
}
#: So many of a visitor's last actions make their profile.
_REMEMBERED = 500
#: Shown so often and never turned to: it need not be shown again.
_TIRED_OF = 8
#: Who is done with more is no person; of them the latest are not shown again.
_SPENT_MAX = 10_000


@dataclass(frozen=True)
class History:
    """What a visitor turned to: codes, strengths and ages (R,), one row an action. spent: what not to show again."""

    codes: NDArray[np.int64]
    strengths: NDArray[np.float64]
    ages_s: NDArray[np.float64]
    spent: frozenset[int]


def history_of(site: Site, visitor: str, now: datetime) -> History:
    """Asked anew at each request, so that the next answer knows what was done before it.

    The database chooses: however much somebody did, or a machine in their name, no more than the limits is read.
    """
    done = Interaction.objects.filter(site=site, visitor=visitor)
    spent = {_code(item_id, asset_id): bool(dismissed) for item_id, asset_id, dismissed in _spent(done)}
    liked = _liked(done, [Ref.of_code(code) for code, dismissed in spent.items() if dismissed])
    rows = liked.values_list("item_id", "asset_id", "kind", "at") if spent else []
    return History(
        np.array([_code(item_id, asset_id) for item_id, asset_id, _, _ in rows], dtype=np.int64),
        np.array([STRENGTHS[kind] for _, _, kind, _ in rows], dtype=np.float64),
        np.array([(now - at).total_seconds() for _, _, _, at in rows], dtype=np.float64),
        frozenset(spent),
    )


def _spent(done: QuerySet[Interaction]) -> QuerySet[Interaction, Any]:
    """What was turned to or dismissed, or shown so often that it need not be shown again; of very much the latest.

    Each as item, photo, and how often it was dismissed.
    """
    shown = Q(kind=Kind.IMPRESSION)
    counted = done.values("item_id", "asset_id").annotate(
        turned_to=Count("pk", filter=~shown),
        shown=Count("pk", filter=shown),
        dismissed=Count("pk", filter=Q(kind=Kind.DISMISS)),
        latest=Max("at"),
    )
    spent = counted.filter(Q(turned_to__gt=0) | Q(shown__gte=_TIRED_OF)).order_by("-latest")
    return spent.values_list("item_id", "asset_id", "dismissed")[:_SPENT_MAX]


def _liked(done: QuerySet[Interaction], dismissed: Sequence[Ref]) -> QuerySet[Interaction]:
    """The last actions that say what a visitor likes, newest first, but for what they dismissed at any time."""
    liked = done.filter(kind__in=list(STRENGTHS))
    if items := [one.pk for one in dismissed if one.is_item]:
        liked = liked.exclude(item_id__in=items)
    if assets := [one.pk for one in dismissed if not one.is_item]:
        liked = liked.exclude(asset_id__in=assets)
    return liked.order_by("-at", "-pk")[:_REMEMBERED]


def actions_of(site: Site) -> QuerySet[Interaction]:
    """What can be learned from: who turned to what, each visitor's actions together and the newest first.

    Said by what is left out, as the index of it says it: SQLite looks into none for a list of kinds.
    """
    done = Interaction.objects.filter(site=site).exclude(kind=Kind.IMPRESSION).exclude(kind=Kind.DISMISS)
    return done.order_by("visitor", "-at", "-pk")


def _code(item_id: int | None, asset_id: int | None) -> int:
    return item_id if item_id is not None else -(asset_id or 0)
