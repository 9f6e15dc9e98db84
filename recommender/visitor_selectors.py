"""What a visitor of a site did. Every reader says which site; a visitor of one is a stranger to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.db.models import QuerySet
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
    done = Interaction.objects.filter(site=site, visitor=visitor).order_by("-at")
    rows = list(done.values_list("item_id", "asset_id", "kind", "at")[:_REMEMBERED])
    liked = [row for row in rows if row[2] in STRENGTHS]
    codes = [_code(item_id, asset_id) for item_id, asset_id, _, _ in liked]
    shown: dict[int, int] = {}
    spent = set(codes)
    for item_id, asset_id, kind, _ in rows:
        code = _code(item_id, asset_id)
        if kind == Kind.DISMISS:
            spent.add(code)
        elif kind == Kind.IMPRESSION:
            shown[code] = shown.get(code, 0) + 1
    spent |= {code for code, times in shown.items() if times >= _TIRED_OF}
    dismissed = {_code(item_id, asset_id) for item_id, asset_id, kind, _ in rows if kind == Kind.DISMISS}
    kept = [at for at, code in enumerate(codes) if code not in dismissed]
    return History(
        np.array([codes[at] for at in kept], dtype=np.int64),
        np.array([STRENGTHS[liked[at][2]] for at in kept], dtype=np.float64),
        np.array([(now - liked[at][3]).total_seconds() for at in kept], dtype=np.float64),
        frozenset(spent),
    )


def actions_of(site: Site) -> QuerySet[Interaction]:
    """What can be learned from: actions that say that somebody turned to something, the oldest first."""
    return Interaction.objects.filter(site=site, kind__in=list(STRENGTHS)).order_by("pk")


def _code(item_id: int | None, asset_id: int | None) -> int:
    return item_id if item_id is not None else -(asset_id or 0)
