"""Filters over columns: what is known of a frame beside its vector, in whole numbers, the same in every engine."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: Of the asset of a frame: its owner's id; 1 where everybody may see it, else 0; when it was taken, else uploaded, in
#: microseconds since 1970.
COLUMNS: Final = ("owner", "public", "moment")
#: Of N frames: (len(COLUMNS), N).
Columns = NDArray[np.int64]

NO_COLUMNS: Final[Columns] = np.empty((len(COLUMNS), 0), dtype=np.int64)

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Comparison:
    """A column against a number; `operator` is ==, !=, < or >=."""

    column: str
    operator: str
    value: int

    def written(self, equals: str) -> str:
        """As in `Where.written`."""
        return f"{self.column} {equals if self.operator == '==' else self.operator} {self.value}"

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """(N,)"""
        found: NDArray[np.bool_] = _OPERATORS[self.operator](columns[COLUMNS.index(self.column)], self.value)
        return found


@dataclass(frozen=True)
class Where:
    """All of these hold, and of each at least one comparison. ValueError where there is none."""

    all_of: tuple[tuple[Comparison, ...], ...]

    def __post_init__(self) -> None:
        if not self.all_of or not all(self.all_of):
            raise ValueError("A filter of no comparisons: what lets everything through is EVERYTHING.")

    def written(self, equals: str) -> str:
        """As SQL (`=`) and Milvus (`==`) write it, who agree in all else."""
        return " and ".join(
            f"({' or '.join(one.written(equals) for one in any_of)})" for any_of in self.all_of
        )

    def holds(self, columns: Columns) -> NDArray[np.bool_]:
        """(N,): of which frames it holds."""
        holding = np.ones(columns.shape[1], dtype=np.bool_)
        for any_of in self.all_of:
            holding &= reduce(np.logical_or, [one.holds(columns) for one in any_of])
        return holding
