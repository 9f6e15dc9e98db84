"""Filters over columns: what is known of a frame beside its vector, in whole numbers, the same in every engine."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: What a frame's asset is called and shows, 63 bits in each.
LABELS: Final = ("labels_a", "labels_b", "labels_c", "labels_d")
LABEL_BITS: Final = 63
#: Of the asset of a frame: its owner's id; 1 where everybody may see it, else 0; when it was taken, else uploaded, in
#: microseconds since 1970; its labels.
COLUMNS: Final = ("owner", "public", "moment", *LABELS)
#: Every bit is set: a photo of which no label is known may have any.
UNKNOWN_LABELS: Final = -1
#: Of N frames: (len(COLUMNS), N).
Columns = NDArray[np.int64]

NO_COLUMNS: Final[Columns] = np.empty((len(COLUMNS), 0), dtype=np.int64)

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
    "has": lambda column, bits: (column & bits) == bits,
}


@dataclass(frozen=True)
class Comparison:
    """A column against a number; `operator` is ==, !=, < or >=, or has: all bits of the number are set."""

    column: str
    operator: str
    value: int

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """(N,)"""
        found: NDArray[np.bool_] = _OPERATORS[self.operator](columns[COLUMNS.index(self.column)], self.value)
        return found


@dataclass(frozen=True)
class Where:
    """All of these hold, and of each at least one comparison. ValueError where there is none.

    named: words, normalised, that stand in the names of every asset that the filter allows: for who has an index of
    words.
    """

    all_of: tuple[tuple[Comparison, ...], ...]
    named: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.all_of or not all(self.all_of):
            raise ValueError("A filter of no comparisons: what lets everything through is EVERYTHING.")

    @property
    def asks_labels(self) -> bool:
        return any(one.operator == "has" for any_of in self.all_of for one in any_of)

    def written(self, write: Callable[[Comparison], str]) -> str:
        """As SQL and Milvus write it, who agree in all but single comparisons."""
        return " and ".join(f"({' or '.join(map(write, any_of))})" for any_of in self.all_of)

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """(N,): of which frames it holds."""
        holding = np.ones(columns.shape[1], dtype=np.bool_)
        for any_of in self.all_of:
            holding &= reduce(np.logical_or, [one.holds(columns) for one in any_of])
        return holding
