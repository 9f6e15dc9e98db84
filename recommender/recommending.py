"""What suits a visitor of a site: content, behaviour and popularity in one list, and a little of what is untried."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone
from numpy.typing import NDArray

from core.errors import InvalidInput
from library.models import Asset
from recommender import experiments, recommendation_ids
from recommender.content import assets_near, content_of, items_near
from recommender.learned_behaviour import Learned, learned_of
from recommender.models import Item, Site
from recommender.recommendation_ids import Recommendation
from recommender.refs import Ref
from recommender.rules import Rules, rules_in_force
from recommender.scoring import personal
from recommender.scoring.diversity import diversified
from recommender.scoring.profile import Interests, interests
from recommender.site_selectors import assets_shown_by, shown_items
from recommender.visitor_selectors import History, history_of
from recommender.visitor_signals import fitting, signals_of, together

KINDS = ("item", "asset", "any")
LIMIT_MAX = 50
#: So many candidates of each source; of all together, so many more than are shown are looked at for variety.
_NEAR, _POPULAR, _NEWEST = 150, 150, 50
_POOL = 5
#: What is explored stands behind the first so many, which people look at most.
_EXPLORED_FROM = 3

_REASONS = {
    personal.CONTENT: "like what you looked at",
    personal.FACTORS: "liked by people with your taste",
    personal.TOGETHER: "others who looked at the same looked at this",
    personal.POPULARITY: "popular now",
}
EXPLORED = "new here"


@dataclass(frozen=True)
class Wanted:
    """What is asked for. about: an item on whose page the visitor is, for whom nothing else may be known."""

    visitor: str = ""
    kind: str = "item"
    limit: int = 10
    scenario: str = ""
    about: Ref | None = None
    exclude: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Recommended:
    """One thing, why it stands there, and what each signal added to its score."""

    ref: Ref
    score: float
    reason: str
    why: Mapping[str, float]
    row: Item | Asset


@dataclass(frozen=True)
class Answer:
    """id: later interactions name it. based_on: what the list rests on: content, behaviour, popularity or newest."""

    id: str
    results: list[Recommended]
    based_on: list[str]
    variant: str = ""


@dataclass(frozen=True)
class _Tuning:
    """How a list is made for this visitor: the site's settings, or a variant's."""

    diversity: float
    exploration: float
    weights: Mapping[str, float] = field(default_factory=lambda: personal.WEIGHTS)
    arm: str = ""
    variant: str = ""


def recommend(site: Site, wanted: Wanted) -> Answer:
    """A list for a visitor; for a stranger by the item at hand and by what is popular, else by what is new.

    Without what the visitor has seen or dismissed, and what is excluded. InvalidInput names the field.
    """
    if wanted.kind not in KINDS or not 1 <= wanted.limit <= LIMIT_MAX:
        raise InvalidInput(f"kind is one of {', '.join(KINDS)}; limit from 1 to {LIMIT_MAX}.", field="kind")
    now = timezone.now()
    tuning = _tuning(site, wanted)
    history = _history(site, wanted, now)
    learned = learned_of(site)
    liked = _interests(history)
    rules = rules_in_force(site, now)
    subjects = _candidates(site, wanted, history, learned, liked, rules)
    rows = _rows(site, subjects, now)
    wishes = rules.wishes(row for row in rows.values() if isinstance(row, Item))
    subjects = [one for one in subjects if one in rows and not (one.is_item and one.pk in wishes.hidden)]
    known = signals_of(subjects, history, learned, liked)
    scores = personal.blended(known, len(subjects), tuning.weights)
    scores = wishes.lifted(scores, [one.pk if one.is_item else None for one in subjects])
    order = _ordered(scores, subjects, wanted, tuning)
    explored = _explored(order, subjects, learned, wanted, tuning, now)
    results = [
        _told(subjects[at], at, float(scores[at]), known, tuning.weights, rows, new=at in explored)
        for at in _with_explored(order, explored, wanted.limit)
    ]
    about = str(wanted.about or "")
    made = Recommendation(site.pk, "recommendations", wanted.scenario, about, tuning.arm)
    return Answer(recommendation_ids.written(made), results, _based_on(known), tuning.variant)


def _tuning(site: Site, wanted: Wanted) -> _Tuning:
    plain = _Tuning(site.diversity, settings.RECOMMENDATION_EXPLORATION)
    running = experiments.running(site, wanted.scenario) if wanted.visitor else None
    if running is None:
        return plain
    variant = experiments.variant_for(running, wanted.visitor)
    changes = variant.changes
    return _Tuning(
        changes.get("diversity", plain.diversity),
        changes.get("exploration", plain.exploration),
        {name: changes.get(name, weight) for name, weight in personal.WEIGHTS.items()},
        experiments.arm_of(running, variant),
        variant.name,
    )


def _history(site: Site, wanted: Wanted, now: datetime) -> History:
    """What the visitor did; to whom is on the page of an item, that item counts as clicked now."""
    done = (
        history_of(site, wanted.visitor, now)
        if wanted.visitor
        else History(np.empty(0, np.int64), np.empty(0), np.empty(0), frozenset())
    )
    if wanted.about is None:
        return done
    code = wanted.about.code
    return History(
        np.append(done.codes, code),
        np.append(done.strengths, 1.0),
        np.append(done.ages_s, 0.0),
        done.spent | {code},
    )


def _interests(history: History) -> Interests:
    vectors = content_of([Ref.of_code(code) for code in history.codes.tolist()])
    known = vectors.any(axis=1) if vectors.size else np.zeros(len(vectors), dtype=bool)
    return interests(vectors[known], history.strengths[known], history.ages_s[known])


def _candidates(
    site: Site, wanted: Wanted, history: History, learned: Learned, liked: Interests, rules: Rules
) -> list[Ref]:
    """Of each source the best, each once: near an interest, gone with what was done, popular, new, and boosted."""
    found: dict[Ref, None] = {}
    for vector in liked.vectors:
        if wanted.kind != "asset":
            found |= dict.fromkeys(items_near(vector, site.pk, _NEAR))
        if wanted.kind != "item":
            found |= dict.fromkeys(assets_near(vector, _NEAR))
    for scores in (learned.popularity, together(history, learned), fitting(history, learned)):
        best = np.argsort(-scores, kind="stable")[:_POPULAR]
        found |= dict.fromkeys(Ref.of_code(code) for code in learned.codes[best].tolist())
    if wanted.kind != "asset":
        newest = shown_items(site).order_by("-pk").values_list("pk", flat=True)[:_NEWEST]
        boosted = shown_items(site).filter(external_id__in=rules.boosted_ids).values_list("pk", flat=True)
        found |= dict.fromkeys(Ref(True, pk) for pk in [*newest, *boosted])
    if wanted.kind != "item":
        photos = assets_shown_by(site).order_by("-pk").values_list("pk", flat=True)[:_NEWEST]
        found |= dict.fromkeys(Ref(False, pk) for pk in photos)
    unwanted = history.spent | wanted.exclude
    kinds = {"item": (True,), "asset": (False,), "any": (True, False)}[wanted.kind]
    return [one for one in found if one.code not in unwanted and one.is_item in kinds]


def _rows(site: Site, subjects: Sequence[Ref], now: datetime) -> dict[Ref, Item | Asset]:
    """Of the candidates those that the site may show now, with their rows."""
    items = (
        shown_items(site, now)
        .select_related("asset")
        .filter(pk__in=[one.pk for one in subjects if one.is_item])
    )
    rows: dict[Ref, Item | Asset] = {Ref(True, item.pk): item for item in items}
    photos = [one.pk for one in subjects if not one.is_item]
    if photos:
        rows |= {Ref(False, asset.pk): asset for asset in assets_shown_by(site).filter(pk__in=photos)}
    return rows


def _ordered(
    scores: NDArray[np.float32], subjects: Sequence[Ref], wanted: Wanted, tuning: _Tuning
) -> list[int]:
    """Positions of the list, the best first, with the variety that is wished for; and some more behind it."""
    if not len(scores):
        return []
    pool = np.argsort(-scores, kind="stable")[: _POOL * wanted.limit]
    vectors = content_of([subjects[at] for at in pool.tolist()])
    chosen = diversified(scores[pool], vectors, wanted.limit, tuning.diversity)
    return [int(pool[at]) for at in chosen]


def _explored(
    order: Sequence[int],
    subjects: Sequence[Ref],
    learned: Learned,
    wanted: Wanted,
    tuning: _Tuning,
    now: datetime,
) -> list[int]:
    """Positions of things that nobody turned to yet, drawn by chance: the same ones for a visitor for an hour."""
    count = round(tuning.exploration * wanted.limit)
    codes = np.array([one.code for one in subjects], dtype=np.int64)
    unknown = np.setdiff1d(np.flatnonzero(learned.rows_of(codes) < 0), np.array(order, dtype=np.int64))
    if not count or not len(unknown) or not len(learned.codes):
        return []
    seed = hashlib.sha256(f"{wanted.visitor}:{now:%Y-%m-%d %H}".encode()).digest()
    drawn = np.random.default_rng(int.from_bytes(seed[:8])).permutation(unknown)
    return [int(at) for at in drawn[:count]]


def _with_explored(order: Sequence[int], explored: Sequence[int], limit: int) -> list[int]:
    """The list with its last places given to what is explored."""
    room = min(len(explored), max(0, limit - _EXPLORED_FROM))
    return [*order[: limit - room], *explored[:room]]


def _told(
    ref: Ref,
    at: int,
    score: float,
    known: Mapping[str, NDArray[np.float32]],
    weights: Mapping[str, float],
    rows: Mapping[Ref, Any],
    *,
    new: bool,
) -> Recommended:
    why = {
        name: round(float(personal.weighed(values, weights[name])[at]), 4) for name, values in known.items()
    }
    strongest = max(why, key=lambda name: why[name], default="")
    reason = EXPLORED if new or not strongest or why[strongest] <= 0 else _REASONS[strongest]
    return Recommended(ref, round(score, 4), reason, why, rows[ref])


def _based_on(known: Mapping[str, NDArray[np.float32]]) -> list[str]:
    told = ["content"] if personal.CONTENT in known else []
    told += ["behaviour"] if {personal.FACTORS, personal.TOGETHER} & known.keys() else []
    told += ["popularity"] if personal.POPULARITY in known else []
    return told or ["newest"]
