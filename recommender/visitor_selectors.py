"""What a visitor of a site did. Every reader says which site; a visitor of one is a stranger to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.db.models import Count, QuerySet
from numpy.typing import NDArray

from recommender.models import Interaction, Site

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


class Subject(NamedTuple):
    """What can be recommended: an item or a photo, by primary key."""

    item: bool
    pk: int

    @property
    def code(self) -> int:
        """One number for either, for arrays: items above zero, photos below."""
        return self.pk if self.item else -self.pk

    @classmethod
    def of_code(cls, code: int) -> "Subject":
        return cls(code > 0, abs(code))


@dataclass(frozen=True)
class History:
    """What a visitor turned to: codes, strengths and ages (R,), one row an action. spent: what not to show again."""

    codes: NDArray[np.int64]
    strengths: NDArray[np.float64]
    ages_s: NDArray[np.float64]
    spent: frozenset[int]


def history_of(site: Site, visitor: str, now: datetime) -> History:
    """Asked anew at each request, so that the next answer knows what was done before it."""
    done = Interaction.objects.filter(site=site, visitor=visitor)
    told = done.filter(kind__in=[*STRENGTHS, Kind.DISMISS]).order_by("-at")
    rows = [
        (_code(item_id, asset_id), kind, at)
        for item_id, asset_id, kind, at in told.values_list("item_id", "asset_id", "kind", "at")
    ]
    dismissed = {code for code, kind, _ in rows if kind == Kind.DISMISS}
    liked = [(code, STRENGTHS[kind], at) for code, kind, at in rows if code not in dismissed]
    liked = liked[:_REMEMBERED]
    return History(
        np.array([code for code, _, _ in liked], dtype=np.int64),
        np.array([strength for _, strength, _ in liked], dtype=np.float64),
        np.array([(now - at).total_seconds() for _, _, at in liked], dtype=np.float64),
        frozenset({code for code, _, _ in rows} | _tired_of(done)),
    )


def _tired_of(done: QuerySet[Interaction]) -> set[int]:
    """What was shown so often that it need not be shown again."""
    shown = done.filter(kind=Kind.IMPRESSION).values_list("item_id", "asset_id")
    often = shown.annotate(times=Count("pk")).filter(times__gte=_TIRED_OF).order_by()
    return {_code(item_id, asset_id) for item_id, asset_id, _ in often}


def actions_of(site: Site) -> QuerySet[Interaction]:
    """What can be learned from: actions that say that somebody turned to something, the oldest first."""
    return Interaction.objects.filter(site=site, kind__in=list(STRENGTHS)).order_by("pk")


def _code(item_id: int | None, asset_id: int | None) -> int:
    return item_id if item_id is not None else -(asset_id or 0)
