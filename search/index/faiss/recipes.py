"""How each kind of code is made, and searched with how much effort."""

from typing import Any, Final

import faiss
import numpy as np

from search.index.base import Vectors
from search.index.faiss import planning
from search.index.faiss.planning import Kind

_GRAPH_BUILD_EFFORT: Final = 100
_GRAPH_EFFORTS: Final = (32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)
_EFFORT_GROWTH: Final = 1.25
_ADDED_AT_A_TIME: Final = 16_384
_SEED: Final = 0


def trained(kind: Kind, vectors: Vectors) -> Any:
    """An empty index of codes that has seen a sample of the vectors, shape (N, dimension)."""
    count, dimension = vectors.shape
    index = _empty(kind, count, dimension)
    chosen = np.random.default_rng(_SEED).choice(count, planning.training_rows(count), replace=False)
    index.train(np.ascontiguousarray(vectors[np.sort(chosen)]))
    return index


def batches(count: int) -> list[tuple[int, int]]:
    """Bounds of the parts in which vectors are added, small enough to be read as they are added."""
    return [(start, min(start + _ADDED_AT_A_TIME, count)) for start in range(0, count, _ADDED_AT_A_TIME)]


def efforts(index: Any, kind: Kind) -> list[int]:
    """Efforts to try, the cheapest first. Cells looked into, or the width of the walk over a graph."""
    if kind is Kind.HNSW:
        return list(_GRAPH_EFFORTS)
    tried, most = [1], most_effort(index, kind)
    while tried[-1] < most:
        tried.append(min(most, max(tried[-1] + 1, int(tried[-1] * _EFFORT_GROWTH))))
    return tried


def most_effort(index: Any, kind: Kind) -> int:
    """With which an index finds all that its codes let it find."""
    if kind is Kind.HNSW:
        return max(_GRAPH_EFFORTS[-1], int(index.ntotal))
    return 1 if kind is Kind.SQ8 else int(index.nlist)


def parameters(kind: Kind, effort: int, wanted: int, selector: Any) -> Any:
    """For one search of `wanted` candidates; `selector` is a FAISS selector of positions, or None for all."""
    if kind is Kind.SQ8:
        return faiss.SearchParameters(sel=selector) if selector else None
    if kind is Kind.HNSW:
        # A beam narrower than what is wanted could not even hold the answer.
        return faiss.SearchParametersHNSW(sel=selector, efSearch=max(effort, wanted))
    if kind is Kind.IVF:
        return faiss.SearchParametersIVF(sel=selector, nprobe=effort)
    return faiss.IVFRaBitQSearchParameters(sel=selector, nprobe=effort)


def _empty(kind: Kind, count: int, dimension: int) -> Any:
    metric, byte = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_8bit
    if kind is Kind.SQ8:
        return faiss.IndexScalarQuantizer(dimension, byte, metric)
    if kind is Kind.HNSW:
        graph = faiss.IndexHNSWSQ(dimension, byte, planning.GRAPH_LINKS, metric)
        graph.hnsw.efConstruction = _GRAPH_BUILD_EFFORT
        return graph
    cells = planning.cells(count)
    centroids = faiss.IndexFlatIP(dimension)
    if kind is Kind.IVF:
        index = faiss.IndexIVFScalarQuantizer(centroids, dimension, cells, byte, metric)
    else:
        index = faiss.IndexIVFRaBitQ(centroids, dimension, cells, metric, True, planning.RABITQ_BITS)
    index.cp.min_points_per_centroid = 1
    # The index takes the centroids with it: Python would free them when this function ends.
    centroids.this.disown()
    index.own_fields = True
    return index
