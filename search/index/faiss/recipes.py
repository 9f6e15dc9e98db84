"""Which FAISS index suits how many vectors."""

from typing import Any, Final

import faiss
import numpy as np

from search.index.base import Hits, Ids, Vectors

#: Below it every vector is compared: 100,000 of 512 take 29 ms on two cores, and recall is 1 by construction.
FLAT_UP_TO: Final = 200_000
RECALL_FLOOR: Final = 0.95
_HNSW_LINKS: Final = 32
_HNSW_BUILD_EFFORT: Final = 200
_HNSW_SEARCH_EFFORTS: Final = (64, 128, 256, 512, 1024)


def empty_index(count: int, dimension: int, flat_up_to: int = FLAT_UP_TO) -> Any:
    """An index to put `count` vectors into. Both kinds can be mapped read-only with IO_FLAG_MMAP_IFC."""
    if count <= flat_up_to:
        return faiss.IndexFlatIP(dimension)
    index = faiss.IndexHNSWFlat(dimension, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _HNSW_BUILD_EFFORT
    return index


def is_exact(index: Any) -> bool:
    return isinstance(index, faiss.IndexFlat)


def search_efforts(index: Any) -> tuple[int, ...]:
    """Efforts to try, the cheapest first; an exact index knows only one."""
    return (0,) if is_exact(index) else _HNSW_SEARCH_EFFORTS


def set_search_effort(index: Any, effort: int) -> None:
    """Written with the file, so readers need not know the kind of index."""
    if not is_exact(index):
        index.hnsw.efSearch = effort


def stored_vectors(index: Any) -> Vectors:
    """The vectors inside an index as an array of shape (count, dimension), without a copy."""
    flat = index if is_exact(index) else faiss.downcast_index(index.storage)
    if not index.ntotal:
        return np.empty((0, index.d), dtype=np.float32)
    view = faiss.rev_swig_ptr(flat.get_xb(), index.ntotal * index.d).reshape(index.ntotal, index.d)
    return np.asarray(view, dtype=np.float32)


def nearest(index: Any, frame_ids: Ids, query: Vectors, k: int, keep: Any = None) -> Hits:
    """The k nearest; `keep` is a FAISS selector of positions, or None for all."""
    k = min(k, index.ntotal)
    parameters = None
    if is_exact(index):
        parameters = faiss.SearchParameters(sel=keep) if keep else None
    else:
        # A beam narrower than k could not even hold the answer.
        effort = max(index.hnsw.efSearch, k)
        parameters = faiss.SearchParametersHNSW(sel=keep, efSearch=effort)
    scores, positions = index.search(query.reshape(1, -1), k, params=parameters)
    found = positions[0] >= 0
    return Hits(frame_ids[positions[0][found]], scores[0][found])
