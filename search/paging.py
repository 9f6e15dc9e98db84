"""Pages of a ranking that is only ever known to a depth. Plain Python: no Django.

The ranking grows in tiers: first what is among the best `FIRST_DEPTH` of any signal, then what is among the best
four times as many, and so on. Inside a tier the fused score decides. So the first pages cost little, paging on
reaches everything, and nothing comes twice: a deeper look only adds behind what was shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from search.fusion import Fused

FIRST_DEPTH = 64
GROWTH = 4
#: Nobody reads further, and every page costs as much as the whole ranking above it.
LAST_DEPTH = 16_384


#: Score and asset of the last result of the fused ranking that was reranked.
Bound = tuple[float, int]
#: Before the tiers of what signals found: the best, reranked.
_HEAD = -1


@dataclass(frozen=True)
class Place:
    """After which result to go on, and how deep the signals were asked to find it.

    head: where the reranked head of the ranking ended; None where nothing is reranked.
    """

    depth: int
    tier: int
    score: float
    asset_id: int
    head: Bound | None = None


@dataclass(frozen=True)
class Ranking:
    """A ranking as far as one depth shows it. complete: there is nothing beyond. head: as of Place."""

    depth: int
    complete: bool
    tiers: Sequence[int]
    results: Sequence[Fused]
    head: Bound | None = None


def tiered(fused: Sequence[Fused], ranks: Mapping[int, int], depth: int, *, complete: bool) -> Ranking:
    """Fused results, which come best first, in the order in which pages give them."""
    # Sorting keeps the order of equals, so only the tiers are left to be told apart.
    placed = sorted(((_tier(ranks[one.asset_id]), one) for one in fused), key=itemgetter(0))
    return Ranking(depth, complete, [tier for tier, _ in placed], [one for _, one in placed])


def ended(ranking: Ranking, count: int) -> Bound | None:
    """Where the best `count` of the first tier end; None where there are no results."""
    best = [one for tier, one in zip(ranking.tiers, ranking.results, strict=True) if tier == 0][:count]
    return (best[-1].score, best[-1].asset_id) if best else None


def headed(ranking: Ranking, head: Bound, in_order: Callable[[Sequence[Fused]], Sequence[Fused]]) -> Ranking:
    """The ranking with its results down to `head` in another order, before all others.

    Given by a place in the fused ranking and not by a count, so that what is deleted or added meanwhile moves nobody
    else across it.
    """
    best = [
        one
        for tier, one in zip(ranking.tiers, ranking.results, strict=True)
        if tier == 0 and (one.score, one.asset_id) >= head
    ]
    return replace(
        ranking,
        tiers=[_HEAD] * len(best) + list(ranking.tiers[len(best) :]),
        results=[*in_order(best), *ranking.results[len(best) :]],
        head=head,
    )


def page(
    ranking_at: Callable[[int], Ranking], after: Place | None, limit: int
) -> tuple[list[Fused], Place | None]:
    """`limit` results after a place, and the place where the next page goes on, None at the end."""
    ranking = ranking_at(after.depth if after else FIRST_DEPTH)
    start = _start(ranking, after)
    # One more than asked for tells whether there is a next page.
    while len(ranking.results) - start <= limit and not ranking.complete and ranking.depth < LAST_DEPTH:
        ranking = ranking_at(ranking.depth * GROWTH)
        start = _start(ranking, after)
    end = start + limit
    shown = list(ranking.results[start:end])
    if end >= len(ranking.results):
        return shown, None
    last = shown[-1]
    return shown, Place(ranking.depth, ranking.tiers[end - 1], last.score, last.asset_id, ranking.head)


def _start(ranking: Ranking, after: Place | None) -> int:
    """Behind the last result shown; where that is gone (deleted, hidden), behind where it would be now."""
    if after is None:
        return 0
    for at, one in enumerate(ranking.results):
        if one.asset_id == after.asset_id:
            return at + 1
    gone = (after.tier, -after.score, -after.asset_id)
    return sum((tier, *_order(one)) < gone for tier, one in zip(ranking.tiers, ranking.results, strict=True))


def _order(one: Fused) -> tuple[float, int]:
    return -one.score, -one.asset_id


def _tier(rank: int) -> int:
    tier, reach = 0, FIRST_DEPTH
    while rank >= reach:
        tier, reach = tier + 1, reach * GROWTH
    return tier
