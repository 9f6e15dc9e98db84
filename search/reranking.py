"""The best of a ranking, put in order by a model that reads the query and each caption together.

What the reranker thinks of a photo is added to its fused score like one more signal, so it can tell good from better
without overruling everything else. Pages stay right because the cursor carries where the reranked head of the fused
ranking ended: on later pages the same photos are in it, whatever was added or deleted meanwhile.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from captioning.selectors import sentences_of
from core import backends
from core.errors import ModelUnavailable
from search.fusion import Fused
from search.paging import Bound, Place, Ranking, ended, headed
from search.rerankers.base import Candidate, Reranker
from search.scope import Scope

log = logging.getLogger(__name__)

#: In why: what the reranker added.
RERANKER = "reranker"
AWAY = "The results are not reranked: the reranker can't be loaded."
_RETRY_S = 60.0
#: When each reranker that can't be loaded may be tried again, and why it couldn't.
_failed: dict[str, tuple[float, str]] = {}
RankingAt = Callable[[int], Ranking]


def configuration() -> str:
    """What decides how results are reranked, for identities of questions; empty where nothing is reranked."""
    if not settings.RERANKER:
        return ""
    options = sorted(settings.RERANKER_OPTIONS.items())
    return repr((settings.RERANKER, options, settings.RERANKED, settings.RERANKER_WEIGHT))


def active_reranker() -> Reranker | None:
    """None where the settings want none; ModelUnavailable where it can't be loaded, which is tried once a minute."""
    if not settings.RERANKER:
        return None
    asked = configuration()
    again_at, problem = _failed.get(asked, (0.0, ""))
    if time.monotonic() < again_at:
        raise ModelUnavailable(problem)
    try:
        found = cast(Reranker, backends.load(settings.RERANKER, **settings.RERANKER_OPTIONS))
    except (ModelUnavailable, ImproperlyConfigured, TypeError) as error:
        wrong_options = f"{settings.RERANKER} does not take these RERANKER_OPTIONS: "
        problem = f"{wrong_options if isinstance(error, TypeError) else ''}{error}"
        _failed[asked] = (time.monotonic() + _RETRY_S, problem)
        log.warning("Searches are not reranked. %s", problem)
        raise ModelUnavailable(problem) from error
    _failed.pop(asked, None)
    return found


def reranked(ranking_at: RankingAt, text: str, scope: Scope, after: Place | None) -> tuple[RankingAt, str]:
    """A ranking whose best are reranked for this text, and what to say where they should have been and are not.

    A page goes on as the first one began: one that begins is not reranked where the reranker is away, one that goes on
    behind reranked results raises ModelUnavailable then, since no other order fits to what was shown.
    """
    if not text or (after is not None and after.head is None):
        return ranking_at, ""
    try:
        model = active_reranker()
    except ModelUnavailable:
        if after is not None:
            raise
        return ranking_at, AWAY
    if model is None:
        return ranking_at, ""
    return _Head(ranking_at, model, text, scope, after.head if after else None).ranking_at, ""


class _Head:
    """The reranked head of the ranking of one search; no photo is read twice."""

    def __init__(
        self, fused_at: RankingAt, model: Reranker, text: str, scope: Scope, bound: Bound | None
    ) -> None:
        self._fused_at, self._model, self._text, self._scope = fused_at, model, text, scope
        self._bound = bound
        self._worth: dict[int, float] = {}

    def ranking_at(self, depth: int) -> Ranking:
        ranking = self._fused_at(depth)
        if self._bound is None:
            self._bound = ended(ranking, settings.RERANKED)
        return ranking if self._bound is None else headed(ranking, self._bound, self._in_order)

    def _in_order(self, best: Sequence[Fused]) -> list[Fused]:
        self._read([one.asset_id for one in best if one.asset_id not in self._worth])
        lifted = [_lifted(one, self._worth[one.asset_id]) for one in best]
        return sorted(lifted, key=lambda one: (one.score, one.asset_id), reverse=True)

    def _read(self, asset_ids: Sequence[int]) -> None:
        """Of an asset with several frames the one counts that fits best."""
        frames = self._scope.frames_of(set(asset_ids))
        for asset_id, score in _scores(self._model, self._text, frames).items():
            self._worth[asset_id] = round(settings.RERANKER_WEIGHT * score, 6)
        for asset_id in asset_ids:
            self._worth.setdefault(asset_id, 0.0)


def _scores(model: Reranker, text: str, frames: Mapping[int, int]) -> dict[int, float]:
    sentences = sentences_of(frames)
    candidates = [
        Candidate(frame_id, sentences[frame_id].text if frame_id in sentences else "")
        for frame_id in sorted(frames)
    ]
    best: dict[int, float] = {}
    if candidates:
        # A weight bounds what is added, whatever a model may say.
        scores = np.clip(model.score(text, candidates), 0.0, 1.0).tolist()
        for one, score in zip(candidates, scores, strict=True):
            asset_id = frames[one.frame_id]
            best[asset_id] = max(score, best.get(asset_id, 0.0))
    return best


def _lifted(one: Fused, worth: float) -> Fused:
    return Fused(
        one.asset_id, round(one.score + worth, 6), {**one.why, RERANKER: worth} if worth else one.why
    )
