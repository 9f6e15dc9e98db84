"""What every vector engine offers, and what it reads its vectors from."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress
from search.index.where import NO_COLUMNS, Columns, Where

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Everything(enum.Enum):
    """A type of its own, so that "no filter" can never be confused with a filter that lets nothing through."""

    EVERYTHING = "everything"


EVERYTHING: Final = Everything.EVERYTHING
#: Which frames a search may find: these, those of which this holds, or all.
Allowed = Ids | Where | Literal[Everything.EVERYTHING]


@dataclass(frozen=True)
class Rows:
    """N vectors of one space and model, and what filters ask of their frames.

    frame_ids: (N,), no frame twice; vectors: (N, dimension), unit length; columns: (len(COLUMNS), N).
    """

    frame_ids: Ids
    vectors: Vectors
    columns: Columns

    def __len__(self) -> int:
        return len(self.frame_ids)

    def at(self, which: Ids | NDArray[np.bool_] | slice) -> "Rows":
        """Those at these positions."""
        return Rows(self.frame_ids[which], self.vectors[which], self.columns[:, which])


def joined(chunks: Sequence[Rows]) -> Rows:
    """All of them in one."""
    if not chunks:
        return NO_ROWS
    return Rows(
        np.concatenate([chunk.frame_ids for chunk in chunks]),
        np.concatenate([chunk.vectors for chunk in chunks]),
        np.concatenate([chunk.columns for chunk in chunks], axis=1),
    )


@dataclass(frozen=True)
class Hits:
    """The nearest frames, best first. scores: cosine similarity."""

    frame_ids: Ids
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.frame_ids)


NO_ROWS: Final = Rows(np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32), NO_COLUMNS)
NO_HITS: Final = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


@dataclass(frozen=True)
class Position:
    """How far the one writer has numbered rows. A reader that has seen `number` has seen all below it.

    `token` changes when the rows are another database's, so that numbers that start again are not taken for old.
    """

    token: str
    number: int

    def covers(self, other: "Position") -> bool:
        """Whether what was read up to here holds all that was numbered up to `other`."""
        return self.token == other.token and self.number >= other.number


@dataclass(frozen=True)
class Budget:
    """What an index may cost, and the least it must find; engines that choose between kinds choose by it.

    recall_floor: share of the true ten nearest; memory_bytes: resident, for one space; latency_ms: of one query on
    one core; kind: the only kind to build, where somebody knows better.
    """

    recall_floor: float = 0.98
    memory_bytes: int = 4_000_000_000
    latency_ms: float = 20.0
    kind: str = ""


@dataclass(frozen=True)
class Description:
    """What an engine says of itself. `generation` is empty where nothing is sealed yet."""

    engine: str
    sealed_count: int
    tail_count: int
    last_number: int
    generation: str


@dataclass(frozen=True)
class RebuildReport:
    """What a rebuild put live. latency_ms: median of a query, measured; why: the choice of `kind` in words."""

    dimension: int
    count: int
    last_number: int
    recall_at_10: float
    kind: str
    latency_ms: float
    memory_bytes: int
    why: str


class RowSource(Protocol):
    """The rows of one space and model: the truth that every index can be rebuilt from.

    A row whose columns change gets a new number, as one whose vector does.
    """

    @property
    def space(self) -> str: ...

    @property
    def model_id(self) -> str: ...

    def position(self) -> Position:
        """One cheap query."""

    def rows(self, after: int, up_to: int) -> Iterator[Rows]:
        """Rows numbered in (after, up_to], in chunks, frame ids rising."""

    def sample(self, size: int, up_to: int) -> Rows:
        """Some of the rows numbered up to there, chosen evenly, frame ids rising; all where there are fewer."""

    def count(self, up_to: int) -> int:
        """How many rows are numbered up to there."""

    def knows(self, generation: str) -> bool:
        """Whether a generation of this name was begun against these very rows."""


class Searchable(Protocol):
    """What answers the questions of one search, from any thread."""

    def search(self, query: Vectors, k: int, allowed: Allowed) -> Hits:
        """The k best of the allowed frames for one query of shape (dimension,).

        A given set of ids is scanned exactly, however small; an empty one gives no hits. Where a
        generation was sealed before there were columns every `Where` lets all of it through: the caller asks anyway.
        """


class VectorIndex(Searchable, Protocol):
    """Nearest vectors among the rows of one source. Safe to share between threads.

    An engine may still return a frame whose row was deleted: the caller asks the database about the few hits
    it got, which is cheaper and surer than telling every process about every deletion.
    Every method raises EngineUnavailable where the engine can't answer; none answers with less than it has.
    """

    def apply(self) -> int:
        """Makes all numbered rows searchable in every process, and returns the number reached.

        Called by the one writer after each commit, for engines that hold copies of the rows. Safe to call twice.
        """

    def now(self) -> Searchable:
        """All rows that are numbered by now, for who has several questions: whether there are newer ones is looked up
        once. What is returned asks no database, so that another thread may ask it.
        """

    def rebuild(self, name: str, progress: Progress | None = None) -> RebuildReport:
        """Builds a fresh generation beside the live one, verifies it, and puts it live at once."""

    def describe(self) -> Description:
        """Counts and the live generation."""

    def differences(self) -> list[str]:
        """In words, where what the engine keeps is not what the rows say; a rebuild puts all of it right.

        Reads everything, and not while a rebuild is under way.
        """
