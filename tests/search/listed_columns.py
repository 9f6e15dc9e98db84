"""Columns of listed rows, and all kinds of conditions on them."""

import numpy as np

from search.index.where import Columns, Comparison, Where

PUBLIC, OWNED = Comparison("public", "==", 1), Comparison("owner", "==", 7)
NOT_OWNED = Comparison("owner", "!=", 7)
EARLY, LATE = Comparison("moment", "<", 500_000_000_000_000), Comparison("moment", ">=", 900_000_000_000_000)


WHERES = (
    Where(((PUBLIC,),)),
    Where(((PUBLIC, OWNED),)),
    Where(((OWNED,), (LATE,))),
    Where(((NOT_OWNED,), (EARLY, OWNED), (PUBLIC,))),
    Where(((Comparison("owner", "==", -1),),)),
)


def columns_of(count: int, seed: int) -> Columns:
    """Of some owners, a third of it public, over some thirty years."""
    random = np.random.default_rng(seed)
    public = (random.random(count) < 1 / 3).astype(np.int64)
    return np.stack([random.integers(1, 10, count), public, random.integers(0, 10**15, count)])
