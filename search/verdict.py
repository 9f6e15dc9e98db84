"""The verdict on one search: whether anything that the viewer may find comes close to the query."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from django.conf import settings

from search import keywords
from search.active import CHECKPOINTS
from search.candidates import Candidates
from search.closeness import Cutoff, evidence_of, read_cutoff, scores_of_assets
from search.language import PHRASE, Condition
from search.scope import Scope

CUTOFF = "cutoff.json"
#: What people wrote about a photo, and what stands in it: no guess of a model.
_TOLD = ("names", "description")


def close(
    candidates: Candidates,
    scope: Scope,
    words: Sequence[str],
    conditions: Sequence[Condition],
    models: Mapping[str, str],
) -> bool | None:
    """Whether anything comes close; None where there is no verdict: switched off, or not fitted for these models.

    candidates: what the signals image, caption and keyword found for a text with these words.
    """
    cutoff = cutoff_for(models)
    if cutoff is None or not words or not candidates.ranks:
        return None
    if any(one.operator in (PHRASE, "text") and not one.without for one in conditions):
        return True  # what was asked for word by word stands there
    photos = photos_among(candidates, scope)
    scores = {signal: scores_of_assets(hits) for signal, hits in candidates.rankings.items()}
    evidence = evidence_of(scores, photos)
    if not cutoff.weights.keys() <= evidence.keys():
        return None  # not all signals were asked
    return cutoff.is_close(evidence, photos) or told(scope, words)


def told(scope: Scope, words: Sequence[str]) -> bool:
    """Whether a title, tags and description, with what is written in the picture, hold all of these words."""
    return scope.has_any(keywords.holding_all(words, _TOLD))


def photos_among(candidates: Candidates, scope: Scope) -> int:
    """About how many photos the candidates are the best of: counting a wide scope would cost more than searching it."""
    if candidates.complete:
        return len(candidates.ranks)
    return max(len(candidates.ranks), round(candidates.documents * scope.share))


def cutoff_for(models: Mapping[str, str]) -> Cutoff | None:
    """The cut-off of these models by space; None where it is switched off, or was fitted for others."""
    if not settings.SEARCH_CUTOFF:
        return None
    cutoff = _read(CHECKPOINTS / CUTOFF)
    return cutoff if cutoff is not None and cutoff.models == models else None


@cache
def _read(file: Path) -> Cutoff | None:
    return read_cutoff(file)
