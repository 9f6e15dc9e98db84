"""How many of the true nearest an index finds, asked before it goes live."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from search.index.base import NO_HITS, Hits, Rows, Vectors
from search.index.scan import best_of, scan

K = 10
SAMPLE_SIZE = 256
#: How far queries are moved off the rows, in lengths of a vector: a text query never equals a picture's vector.
OFF_THE_ROWS = 0.5
#: A walk over a graph that is begun beside a row ends there, whatever else it would lose: this far off, it finds what
#: it finds for real queries (docs/benchmarks.md, "Engines").
FAR_OFF_THE_ROWS = 1.5
_ROUNDING = 2e-5


class RecallProbe:
    """Sample queries and their exact answers, gathered from the very rows while they stream into the index.

    So the truth comes from the database and not from the file that is being judged.
    """

    def __init__(self, sample: Rows, moved: float = OFF_THE_ROWS) -> None:
        self.sample = sample
        noise = np.random.default_rng(0).standard_normal(sample.vectors.shape).astype(np.float32)
        noisy = sample.vectors + moved * noise / np.sqrt(max(sample.vectors.shape[1], 1), dtype=np.float32)
        self._queries: Vectors = noisy / np.linalg.norm(noisy, axis=1, keepdims=True)
        self._truth: list[Hits] = [NO_HITS] * len(sample)

    def observe(self, rows: Rows) -> None:
        """Takes a chunk of rows into the exact answers."""
        if not len(rows) or not len(self.sample):
            return
        best = (rows.vectors @ self._queries.T).max(axis=0)
        for at, known in enumerate(self._truth):
            # After some chunks few have anything to add. A little under the last, since scores are rounded.
            if len(known) < K or best[at] >= known.scores[-1] - _ROUNDING:
                found = scan(rows.frame_ids, rows.vectors, self._queries[at], K)
                self._truth[at] = best_of([known, found], K)

    def measured(self, search: Callable[[Vectors, int], Hits]) -> tuple[float, float]:
        """Share of the true K nearest that `search` finds over all sample queries, and the median of its times in ms.

        A hit as near as the K-th true one counts: of two copies of a picture either may be returned.
        """
        found = expected = 0
        times: list[float] = []
        for truth, query in zip(self._truth, self._queries, strict=True):
            started = time.perf_counter()
            hits = search(query, K)
            times.append(time.perf_counter() - started)
            as_near = (
                hits.scores >= truth.scores[-1] - _ROUNDING if len(truth) else np.zeros(0, dtype=np.bool_)
            )
            right = np.isin(hits.frame_ids, truth.frame_ids) | as_near
            found += min(int(right.sum()), len(truth))
            expected += len(truth)
        return (found / expected if expected else 1.0), (1000 * median(times) if times else 0.0)
