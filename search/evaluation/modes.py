"""Every human caption of a split is asked of each mode, through the code that serves people."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from search import keywords
from search.active import spaces
from search.encoding import embedder
from search.evaluation.ingest import Query
from search.index.base import Vectors
from search.query import MAX_LIMIT
from search.reranking import active_reranker
from search.services import Question, answer
from search.training.recall import figures_of

KEYWORD, HYBRID, RERANKED = "keyword", "hybrid", "reranked"
#: A rank for what is not among the first MAX_LIMIT results.
_MISSED = 10**6
_BATCH = 256

Figures = dict[str, dict[str, float]]


def evaluate_modes(queries: Sequence[Query]) -> Figures:
    """r1, r5, r10 and mrr (over the first 100) of each space alone, of keywords alone, of all fused, and of these
    reranked where the settings name a reranker. ModelUnavailable where that can't be loaded.
    """
    return told(ranks_by_mode(queries))


def told(ranks: Mapping[str, NDArray[np.int64]]) -> Figures:
    """Figures from the ranks of each mode."""
    return {
        mode: {name: round(value, 4) for name, value in figures_of(r).items()} for mode, r in ranks.items()
    }


def ranks_by_mode(queries: Sequence[Query]) -> dict[str, NDArray[np.int64]]:
    """By mode the rank (Q,) of each query's own asset; 0 is first."""
    vectors = {space: query_vectors([query.text for query in queries], space) for space in spaces()}
    ranks: dict[str, NDArray[np.int64]] = {}
    for mode in (*spaces(), KEYWORD, HYBRID, *([RERANKED] if active_reranker() else [])):
        ranks[mode] = np.array(
            [
                _rank(query, mode, {space: rows[at] for space, rows in vectors.items()})
                for at, query in enumerate(tqdm(queries, desc=f"{mode} queries"))
            ]
        )
    return ranks


def query_vectors(texts: Sequence[str], space: str) -> Vectors:
    """(M, dimension) of M queries."""
    model = embedder(space)
    return np.concatenate(
        [model.embed_queries(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
    )


def _rank(query: Query, mode: str, vectors: dict[str, Vectors]) -> int:
    asked = {space: row for space, row in vectors.items() if mode in (space, HYBRID, RERANKED)}
    words = keywords.query_words(query.text) if mode in (KEYWORD, HYBRID, RERANKED) else ()
    text = query.text if mode == RERANKED else ""
    page = answer(None, Question("text", f"evaluation:{mode}", asked, words, text=text), limit=MAX_LIMIT)
    for rank, match in enumerate(page.matches):
        if match.asset_id == query.asset_id:
            return rank
    return _MISSED
