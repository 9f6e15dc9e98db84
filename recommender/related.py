"""What belongs beside a photo, an item, a text or a picture: the best of what may be shown, varied, with the reason.

First the nearest candidates of each kind are found by vectors, then these few hundred are compared in every respect.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from library.models import Asset
from recommender.candidates import WIDENING, things_near, told_items
from recommender.models import Item
from recommender.refs import Ref
from recommender.related_things import Thing, things_of
from recommender.rules import Rules, Wishes, rules_in_force
from recommender.scoring.copies import without_near_copies
from recommender.scoring.diversity import diversified
from recommender.scoring.reasons import reason_for
from recommender.scoring.relatedness import Example, Known, Related, related, variety
from recommender.wish import Wish
from search.keywords.words import STOP_WORDS

ASSET, ITEM = "asset", "item"
#: The fallback: things that may be shown, the newest first, whatever they are about.
RECENT = "recent"
#: What a site's rules add to a score, and the reason of what nothing else speaks for.
RULE, PICKED = "rule", "picked by the editors"
#: Candidates of each kind and space, at least; and so many for each that is shown. Where most of them turn out to be
#: copies, more are looked for.
_LEAST_DEPTH, _DEPTH_FOR_EACH = 24, 2
_DEEPEST = 2_000
#: What is varied: the best few for each that is shown.
_POOL_FOR_EACH = 3


@dataclass(frozen=True)
class Suggestion:
    """One thing beside another. why: what each signal added. fallback: how it came here if not by likeness."""

    thing: Thing
    score: float
    why: Mapping[str, float]
    reason: str
    fallback: str = ""


def examples_of(seed: Thing) -> list[Example]:
    """A thing as what is asked for more of; none where nothing is known of it yet that anything could be like."""
    return [] if seed.known.is_empty else [Example(seed.known)]


def suggestions(wish: Wish) -> list[Suggestion]:
    """Best first, as many as are asked for wherever enough may be shown; items as the rules of their site have it."""
    rules = rules_in_force(wish.site) if wish.site is not None else Rules()
    boosted, excluded = _boosted(wish, rules), wish.excluded
    depth = max(_LEAST_DEPTH, _DEPTH_FOR_EACH * wish.limit) + len(excluded)
    while True:
        found = things_near(wish, depth)
        chosen = _chosen(wish, _with(found, boosted), rules)
        if len(chosen) == wish.limit or len(found) + len(excluded) < depth or depth > _DEEPEST:
            break
        depth *= WIDENING
    if len(chosen) < wish.limit:
        chosen += _recent(wish, chosen, boosted, rules)
    return chosen


def _boosted(wish: Wish, rules: Rules) -> list[Thing]:
    """Items that a rule names to be shown further up."""
    items, excluded = wish.items, wish.excluded
    if items is None or not rules.boosted_ids:
        return []
    named = told_items(items.filter(external_id__in=rules.boosted_ids), "created_at").order_by("-pk")
    kept = [one for one in named if Ref(True, one.pk) not in excluded and wish.filters.admits(one)]
    return things_of([], kept)


def _with(found: Sequence[Thing], more: Sequence[Thing]) -> list[Thing]:
    """Each thing once."""
    return list({one.ref: one for one in [*found, *more]}.values())


def _chosen(wish: Wish, found: Sequence[Thing], rules: Rules) -> list[Suggestion]:
    """The best, without copies, each chosen for its score less what it repeats of those before it."""
    wishes = rules.wishes(one.item for one in found if one.item is not None)
    things = [one for one in found if not _is_hidden(one, wishes)]
    if not things or not wish.examples:
        return []
    known = [thing.known for thing in things]
    judged = _lifted(related(wish.examples, known, wish.emphasis), things, wishes)
    ranked = np.argsort(-judged.scores, kind="stable").tolist()
    traits = [thing.trait for thing in things]
    kept = without_near_copies(
        ranked, traits, [one.trait for one in wish.shown], most=_POOL_FOR_EACH * wish.limit
    )
    if not kept:
        return []
    order = diversified(
        judged.scores[kept], variety([known[at] for at in kept]), min(wish.limit, len(kept)), wish.diversity
    )
    seed = max(wish.examples, key=lambda one: one.weight).known
    told = partial(_suggestion, things, judged.scores, judged.worths, seed)
    return [told(kept[at]) for at in order]


def _is_hidden(thing: Thing, wishes: Wishes) -> bool:
    return thing.item is not None and thing.item.pk in wishes.hidden


def _lifted(judged: Related, things: Sequence[Thing], wishes: Wishes) -> Related:
    """With what the rules add; `why` tells it as one signal more."""
    if not wishes.lifts:
        return judged
    scores = wishes.lifted(judged.scores, [one.ref.pk if one.ref.is_item else None for one in things])
    return Related(scores, {**judged.worths, RULE: scores - judged.scores})


def _suggestion(
    things: Sequence[Thing], scores: Any, worths: Mapping[str, Any], seed: Known, at: int
) -> Suggestion:
    why = {name: float(values[at]) for name, values in worths.items() if abs(float(values[at])) > 0}
    alike = {name: worth for name, worth in why.items() if name != RULE}
    chosen_by_hand = why.get(RULE, 0.0) > 0 and all(worth <= 0 for worth in alike.values())
    reason = PICKED if chosen_by_hand else reason_for(seed, things[at].known, alike, STOP_WORDS)
    return Suggestion(things[at], float(scores[at]), why, reason)


def _recent(
    wish: Wish, chosen: Sequence[Suggestion], boosted: Sequence[Thing], rules: Rules
) -> list[Suggestion]:
    """So many of the newest that the list is full, of kinds that are asked for; what is boosted before the others."""
    missing = wish.limit - len(chosen)
    shown = [*wish.shown, *(one.thing for one in chosen)]
    known = wish.exclude | {one.ref for one in shown}
    boosted = [one for one in boosted if one.ref not in known]
    depth = _DEPTH_FOR_EACH * missing
    while True:
        assets = _newest(wish, depth, {ref.pk for ref in known if not ref.is_item})
        items = _newest_items(wish, depth, {ref.pk for ref in known if ref.is_item}, rules)
        found = _with(things_of(assets, items), boosted)
        wishes = rules.wishes(one.item for one in found if one.item is not None)
        things = [one for one in found if not _is_hidden(one, wishes)]
        things.sort(key=lambda one: _recency(one, wishes), reverse=True)
        traits, before = [one.trait for one in things], [one.trait for one in shown]
        kept = without_near_copies(range(len(things)), traits, before, most=missing)
        if len(kept) == missing or max(len(assets), len(items)) < depth or depth > _DEEPEST:
            return [Suggestion(things[at], 0.0, {}, "new here", RECENT) for at in kept]
        depth *= WIDENING


def _recency(thing: Thing, wishes: Wishes) -> tuple[float, datetime]:
    if thing.item is not None:
        return wishes.lifts.get(thing.item.pk, 0.0), thing.item.created_at
    assert thing.asset is not None
    return 0.0, thing.asset.created_at


def _newest(wish: Wish, count: int, without: Collection[int]) -> list[Asset]:
    if wish.photos is None:
        return []
    return list(wish.photos.order_by("-pk").exclude(pk__in=without)[:count])


def _newest_items(wish: Wish, count: int, without: Collection[int], rules: Rules) -> list[Item]:
    shown = wish.items
    if shown is None:
        return []
    newest = told_items(shown.exclude(pk__in=without), "created_at").order_by("-pk")
    if not wish.filters.looks_inside and not rules.rules:
        return list(newest[:count])
    found: list[Item] = []
    for item in newest.iterator(chunk_size=500):
        if wish.filters.admits(item) and not rules.wishes([item]).hidden:
            found.append(item)
        if len(found) >= count:
            break
    return found
