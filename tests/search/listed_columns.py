"""Columns of listed rows, and all kinds of conditions on them."""

import numpy as np

from search.index.where import LABEL_BITS, LABELS, UNKNOWN_LABELS, Columns, Comparison, Where

PUBLIC, OWNED = Comparison("public", "==", 1), Comparison("owner", "==", 7)
NOT_OWNED = Comparison("owner", "!=", 7)
#: Of the bits that `columns_of` sets, the lowest and the highest.
LOW, HIGH = Comparison(LABELS[0], "has", 1), Comparison(LABELS[-1], "has", 1 << LABEL_BITS - 1)
EARLY, LATE = Comparison("moment", "<", 500_000_000_000_000), Comparison("moment", ">=", 900_000_000_000_000)


WHERES = (
    Where(((PUBLIC,),)),
    Where(((PUBLIC, OWNED),)),
    Where(((OWNED,), (LATE,))),
    Where(((NOT_OWNED,), (EARLY, OWNED), (PUBLIC,))),
    Where(((Comparison("owner", "==", -1),),)),
    Where(((LOW,),)),
    Where(((PUBLIC, OWNED), (LOW,), (HIGH,))),
)


def columns_of(count: int, seed: int) -> Columns:
    """Of some owners, a third of it public, over thirty years, with half of all labels; of a tenth none known."""
    random = np.random.default_rng(seed)
    public = (random.random(count) < 1 / 3).astype(np.int64)
    labels = random.integers(0, 2**LABEL_BITS - 1, (len(LABELS), count))
    labels[:, random.random(count) < 0.1] = UNKNOWN_LABELS
    return np.stack([random.integers(1, 10, count), public, random.integers(0, 10**15, count), *labels])
