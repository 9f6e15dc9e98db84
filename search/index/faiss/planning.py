"""Which kind of index suits so many vectors within stated budgets. Arithmetic only: nothing is built here.

The models of memory and latency are counts of bytes: what stays resident, and what one query has to read. The rates
were measured on one core of an AMD EPYC; another machine shifts them all alike, and what a generation truly takes is
measured at publication and recorded with it.
"""

import enum
import itertools
import math
from dataclasses import dataclass

from search.index.base import Budget

MEGABYTE = 1_000_000
#: Rows that are compared at a time, of a filter's, before their pages are given back.
_SCANNED_BYTES = 16 * MEGABYTE
GRAPH_LINKS = 16
RABITQ_BITS = 4
_FRAME_ID_BYTES = 8
_FLAT_BYTES_PER_MS = 20 * MEGABYTE
_CODES_BYTES_PER_MS = 8 * MEGABYTE
_RABITQ_BYTES_PER_MS = 3 * MEGABYTE
_RERANK_MS = 0.3
#: Cells that must be looked into for a recall near 0.98, as a share of all: 1/5 of 10,000 vectors, 1/8 of a million.
_CELLS_LOOKED_INTO = 1 / 8
#: A graph is walked some hundred steps, each a jump to another place in memory.
_GRAPH_STEPS_MS = 1.5
_TRAINING_ROWS_PER_CELL = 39
_LAST_RESORT = "no other kind reached the recall that was asked for"


class Kind(enum.StrEnum):
    """FLAT compares every vector. SQ8 compares all of them, a byte a number. IVF compares those of the nearest cells
    (Sivic & Zisserman 2003), a byte a number. HNSW walks a graph (Malkov & Yashunin 2018) over such bytes. RABITQ is
    cells of randomly rotated vectors, a few bits a number (Gao & Long 2024). What all but FLAT find is ranked by the
    stored vectors again.
    """

    FLAT = "flat"
    SQ8 = "sq8"
    IVF = "ivf"
    HNSW = "hnsw"
    RABITQ = "rabitq"


#: What gives up least comes first; the graph after the cells, since it takes ten times as long to build.
PREFERENCE = (Kind.FLAT, Kind.SQ8, Kind.IVF, Kind.HNSW, Kind.RABITQ)


@dataclass(frozen=True)
class Plan:
    """A kind, what it is expected to take, and in words why it comes where it comes."""

    kind: Kind
    memory_bytes: int
    latency_ms: float
    why: str


def plans(count: int, dimension: int, budget: Budget) -> list[Plan]:
    """The kinds worth building, the best first, FLAT last: it has every answer, whatever else it costs.

    Memory is a limit and latency a wish: where nothing keeps both, what fits into the memory comes by latency.
    """
    if budget.kind:
        forced = Kind(budget.kind)
        chosen = [_plan(forced, count, dimension, "the settings ask for this kind")]
    else:
        chosen = _within(count, dimension, budget)
    before = list(itertools.takewhile(lambda plan: plan.kind is not Kind.FLAT, chosen))
    last = (
        chosen[len(before)] if len(before) < len(chosen) else _plan(Kind.FLAT, count, dimension, _LAST_RESORT)
    )
    return [*before, last]


def cells(count: int) -> int:
    """How many cells to part so many vectors into: as many as keep a cell's list and the list of cells alike short."""
    return max(1, min(2 * math.isqrt(count), count // _TRAINING_ROWS_PER_CELL))


def training_rows(count: int) -> int:
    """How many vectors show where cells and bounds of bytes lie."""
    return min(count, max(10_000, _TRAINING_ROWS_PER_CELL * cells(count)))


def memory_bytes(kind: Kind, count: int, dimension: int) -> int:
    """What one reader keeps resident; other readers of the machine share its mapped pages."""
    ids = _FRAME_ID_BYTES * count
    if kind is Kind.FLAT:
        return 4 * dimension * count + ids
    centroids = 4 * dimension * cells(count)
    of_codes = {
        Kind.SQ8: dimension * count,
        Kind.IVF: (dimension + 8) * count + centroids,
        Kind.HNSW: (dimension + 2 * 4 * GRAPH_LINKS + 16) * count,
        Kind.RABITQ: (dimension * RABITQ_BITS // 8 + 20 + 8) * count + centroids,
    }
    return of_codes[kind] + ids + min(_SCANNED_BYTES, 4 * dimension * count)


def latency_ms(kind: Kind, count: int, dimension: int) -> float:
    """Of one query by one reader alone."""
    if kind is Kind.FLAT:
        return 4 * dimension * count / _FLAT_BYTES_PER_MS
    if kind is Kind.SQ8:
        return dimension * count / _CODES_BYTES_PER_MS + _RERANK_MS
    if kind is Kind.HNSW:
        return _GRAPH_STEPS_MS * math.log10(max(count, 10)) / 6 + _RERANK_MS
    centroids = 4 * dimension * cells(count) / _FLAT_BYTES_PER_MS
    looked_into = count * _CELLS_LOOKED_INTO
    if kind is Kind.IVF:
        return centroids + dimension * looked_into / _CODES_BYTES_PER_MS + _RERANK_MS
    return centroids + dimension * RABITQ_BITS / 8 * looked_into / _RABITQ_BYTES_PER_MS + _RERANK_MS


def _within(count: int, dimension: int, budget: Budget) -> list[Plan]:
    fitting: list[Plan] = []
    slow: list[Plan] = []
    passed_over: list[str] = []
    for kind in PREFERENCE:
        plan = _plan(kind, count, dimension, "")
        if plan.memory_bytes > budget.memory_bytes:
            passed_over.append(f"{kind} would take {_megabytes(plan)}")
        elif plan.latency_ms > budget.latency_ms:
            passed_over.append(f"{kind} would take {plan.latency_ms:.1f} ms")
            slow.append(plan)
        else:
            fitting.append(plan)
    asked = f"{budget.memory_bytes // MEGABYTE:,} MB and {budget.latency_ms:g} ms a query"
    before = f"; {', '.join(passed_over)}" if passed_over else ""
    if fitting:
        first = f"the first kind within {asked}{before}"
        return _explained(fitting, first)
    if slow:
        slow.sort(key=lambda plan: plan.latency_ms)
        return _explained(slow, f"nothing keeps {asked}; this is the fastest within the memory{before}")
    smallest = min(
        (_plan(kind, count, dimension, "") for kind in PREFERENCE), key=lambda plan: plan.memory_bytes
    )
    return _explained([smallest], f"nothing keeps {asked}; this is the smallest{before}")


def _explained(found: list[Plan], first: str) -> list[Plan]:
    """The first says why it was chosen, the others that those before them missed the recall."""
    return [
        Plan(
            plan.kind,
            plan.memory_bytes,
            plan.latency_ms,
            first
            if at == 0
            else f"{found[at - 1].kind} missed the recall, and this comes next within the budgets",
        )
        for at, plan in enumerate(found)
    ]


def _plan(kind: Kind, count: int, dimension: int, why: str) -> Plan:
    return Plan(kind, memory_bytes(kind, count, dimension), latency_ms(kind, count, dimension), why)


def _megabytes(plan: Plan) -> str:
    return f"{max(1, plan.memory_bytes // MEGABYTE):,} MB"
