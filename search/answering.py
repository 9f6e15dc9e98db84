"""One page of a ranking over what a viewer may see: signals are asked, fused, and cut into pages."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from django.db.models import QuerySet

from library.models import Asset
from library.selectors import AssetFilters, Viewer, filtered, listed_assets, listed_keys, listed_parts
from search import cursors, keywords, pushdown, verdict
from search.active import CHECKPOINTS, active_models
from search.candidates import Candidates, gather
from search.conditions import are_dated, narrowed, reason_for_nothing
from search.engines import engine_of
from search.fusion import Weights, fuse, read_weights, scaled, summed_by_signal, without
from search.index.base import Vectors
from search.language import PHRASE, Condition
from search.listing import newest, newest_of
from search.paging import Ranking, page, tiered
from search.query import BY_DATE, BY_RELEVANCE, checked_limit
from search.reranking import reranked
from search.scope import Scope
from search.signals import KEYWORD, KeywordSignal, Signal, VectorSignal

DEFAULT_LIMIT = 20
NO_FILTERS = AssetFilters()
#: Everything fits a text to some degree: by date come the so many that fit best.
_DATED_DEPTH = 200


@dataclass(frozen=True)
class Match:
    """An asset that answers a question.

    why: what each signal (image, caption, keyword, reranker) added to the score; unwanted: what unwanted terms took
    from it.
    """

    asset_id: int
    score: float
    why: dict[str, float]


@dataclass(frozen=True)
class SearchPage:
    """Matches, best first or newest first. next: cursor of the page after, None on the last one.

    reason: why there is nothing, where conditions allow nothing. terms: the words that were looked for.
    record: the token of a search that was recorded. corrected: the query as it was read, where that is not as typed.
    notice: what this answer lacks, where the reranker is away.
    close: whether anything comes close to the query; None where there is no verdict, as on pages after the first.
    """

    matches: list[Match]
    next: str | None
    took_ms: int
    reason: str = ""
    terms: tuple[keywords.Term, ...] = ()
    record: str = ""
    corrected: str = ""
    notice: str = ""
    close: bool | None = None


@dataclass(frozen=True)
class Part:
    """One thing that is asked for: a text, a picture, a photo. purpose names its fusion weights.

    weight: how much it counts beside other parts; below zero it is unwanted, and takes away what it would give.
    """

    purpose: str
    vectors: Mapping[str, Vectors]
    words: Sequence[str] = ()
    weight: float = 1.0


@dataclass(frozen=True)
class Question:
    """What is asked of the index. purpose names the fusion weights; identity binds cursors to this question.

    conditions: what must hold of every match, whatever its score. besides: what else is asked for at once.
    models: ids of the models that made the vectors, by space; default: the active ones. text: what the best are
    reranked for, where the settings name a reranker; empty: they are not.
    """

    purpose: str
    identity: str
    vectors: Mapping[str, Vectors]
    words: Sequence[str] = ()
    conditions: tuple[Condition, ...] = ()
    sort: str = BY_RELEVANCE
    besides: tuple[Part, ...] = ()
    weight: float = 1.0
    models: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Part(self.purpose, self.vectors, self.words, self.weight), *self.besides)


@dataclass(frozen=True)
class _Asked:
    """The signals of all parts, each with a name of its own, and how it counts."""

    wanted: list[Signal]
    unwanted: list[Signal]
    weights: Weights


def answer(
    viewer: Viewer,
    question: Question,
    *,
    limit: int,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
    started: float | None = None,
) -> SearchPage:
    """One page of the fused ranking over what the viewer may see."""
    started = time.perf_counter() if started is None else started
    limit, after = checked_limit(limit), cursors.read(cursor, question.identity)
    conditions = question.conditions
    scope = Scope(
        partial(allowed, viewer, filters, conditions),
        partial(pushdown.where, viewer, filters, conditions),
        keys=listed_keys(viewer) if filters == NO_FILTERS and not conditions else None,
    )
    asked = _signals(question, scope)
    gathered: list[Candidates] = []

    def ranking_at(depth: int) -> Ranking:
        gathered.append(gather(asked.wanted, scope, depth))
        return _ranked(asked, scope, gathered[-1], depth)

    notice = ""
    if question.sort == BY_DATE:
        best = ranking_at(_DATED_DEPTH).results[:_DATED_DEPTH]
        shown, place = newest_of(allowed(viewer, filters, conditions), best, after, limit)
    else:
        best_first, notice = reranked(ranking_at, question.text, scope, after)
        shown, place = page(best_first, after, limit)
    return SearchPage(
        [Match(one.asset_id, one.score, summed_by_signal(one.why)) for one in shown],
        cursors.written(place, question.identity) if place else None,
        ms_since(started),
        _reason(viewer, filters, conditions, shown),
        (*_looked_for(asked.wanted), *_demanded(conditions)),
        notice=notice,
        close=None if after else _close(question, gathered[0], scope),
    )


def listed(
    viewer: Viewer,
    conditions: tuple[Condition, ...],
    identity: str,
    *,
    limit: int,
    cursor: str | None = None,
    filters: AssetFilters = NO_FILTERS,
) -> SearchPage:
    """The newest of what conditions allow: nothing is ranked, and no model is asked."""
    started = time.perf_counter()
    in_order = filters == NO_FILTERS and are_dated(conditions)
    wanted = listed_parts(viewer) if in_order else [listed_assets(viewer)]
    assets = [narrowed(filtered(some, viewer, filters), viewer, conditions) for some in wanted]
    ids, place = newest(assets, cursors.read(cursor, identity), limit, in_order=in_order)
    return SearchPage(
        [Match(asset_id, 0.0, {}) for asset_id in ids],
        cursors.written(place, identity) if place else None,
        ms_since(started),
        _reason(viewer, filters, conditions, ids),
        _demanded(conditions),
    )


def allowed(viewer: Viewer, filters: AssetFilters, conditions: Sequence[Condition]) -> QuerySet[Asset]:
    """What may be found at all."""
    return narrowed(filtered(listed_assets(viewer), viewer, filters), viewer, conditions)


def fusion_weights(purpose: str) -> Weights:
    """How signals count for `text`, `image` or `related`; ModelUnavailable where the file of weights is damaged."""
    return _weights(CHECKPOINTS / "fusion.json")[purpose]


def ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def _signals(question: Question, scope: Scope) -> _Asked:
    """A question of one part names its signals as they are, and one of several by the part's number before."""
    wanted: list[Signal] = []
    unwanted: list[Signal] = []
    weights: dict[str, Weights] = {}
    models = question.models or active_models()
    for at, part in enumerate(question.parts):
        prefix = f"{at}:" if question.besides else ""
        signals = wanted if part.weight > 0 else unwanted
        for space in part.vectors:
            engine = engine_of(space, models[space])
            signals.append(VectorSignal(space, engine, part.vectors, scope, name=f"{prefix}{space}"))
        if part.words:
            signals.append(KeywordSignal(part.words, scope, name=f"{prefix}{KEYWORD}"))
        weights[prefix] = scaled(fusion_weights(part.purpose), abs(part.weight))
    named = {f"{prefix}{name}": one for prefix, all_of in weights.items() for name, one in all_of.items()}
    return _Asked(wanted, unwanted, named)


def _close(question: Question, candidates: Candidates, scope: Scope) -> bool | None:
    """The verdict on a text alone: what else can be asked for nobody has fitted, and by date the best is not first."""
    if question.purpose != "text" or question.besides or question.sort == BY_DATE:
        return None
    models = question.models or active_models()
    return verdict.close(candidates, scope, question.words, question.conditions, models)


def _ranked(asked: _Asked, scope: Scope, candidates: Candidates, depth: int) -> Ranking:
    fused = fuse(candidates.rankings, asked.weights)
    if asked.unwanted:
        # What is unwanted finds nothing: it only takes away from what was found.
        frames = scope.frames_of(candidates.ranks)
        scores = {signal.name: signal.scores(frames) for signal in asked.unwanted}
        fused = without(fused, fuse(scores, asked.weights))
    return tiered(fused, candidates.ranks, depth, complete=candidates.complete)


def _reason(
    viewer: Viewer, filters: AssetFilters, conditions: Sequence[Condition], found: Sequence[object]
) -> str:
    if found:
        return ""
    whole, *parts = (
        filtered(some, viewer, filters) for some in (listed_assets(viewer), *listed_parts(viewer))
    )
    return reason_for_nothing(whole, viewer, conditions, parts)


def _looked_for(signals: Sequence[Signal]) -> list[keywords.Term]:
    return [term for signal in signals if isinstance(signal, KeywordSignal) for term in signal.terms]


def _demanded(conditions: Sequence[Condition]) -> tuple[keywords.Term, ...]:
    """The words of text: and of phrases, which every match holds."""
    said = [one.value for one in conditions if one.operator in {"text", PHRASE} and not one.without]
    return tuple(keywords.Term(word) for word in dict.fromkeys(keywords.query_words(" ".join(said))))


@cache
def _weights(path: Path) -> dict[str, Weights]:
    return dict(read_weights(path))
