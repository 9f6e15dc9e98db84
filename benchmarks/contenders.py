"""The engines that benchmarks/engines.py compares: ours, FAISS bare, and those of benchmarks/peers.py."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.contender import Contender, Ids, K, Vectors, recall_of
from benchmarks.peers import MilvusLite, Qdrant
from search.index.base import EVERYTHING, Allowed, Budget, Position, Rows
from search.index.where import COLUMNS

_CHUNK = 5_000
_CANDIDATE_QUERIES = 60


def rows_of(row_ids: Ids, vectors: Vectors) -> Rows:
    """Rows of which nothing else is told."""
    return Rows(row_ids, vectors, np.zeros((len(COLUMNS), len(row_ids)), dtype=np.int64))


@dataclass
class ArrayRows:
    """A RowSource over an array, whose row N is frame N, and what is inserted behind it."""

    vectors: Vectors
    space: str = "caption"
    model_id: str = "benchmark"
    token: str = "benchmark"  # noqa: S105 - tells one numbering from another
    generations: set[str] = field(default_factory=set)
    inserted: list[Rows] = field(default_factory=list)

    def position(self) -> Position:
        return Position(self.token, len(self.vectors) + sum(map(len, list(self.inserted))))

    def put(self, rows: Rows) -> None:
        self.inserted.append(rows)

    def rows(self, after: int, up_to: int) -> Iterator[Rows]:
        for start in range(after, min(up_to, len(self.vectors)), _CHUNK):
            end = min(start + _CHUNK, up_to, len(self.vectors))
            yield rows_of(np.arange(start, end), np.asarray(self.vectors[start:end]))
        number = len(self.vectors)
        for rows in list(self.inserted):
            taken = slice(max(0, after - number), max(0, up_to - number))
            if len(chunk := rows.at(taken)):
                yield chunk
            number += len(rows)

    def sample(self, size: int, up_to: int) -> Rows:
        chosen = np.random.default_rng(0).choice(
            len(self.vectors), min(size, len(self.vectors)), replace=False
        )
        chosen.sort()
        return rows_of(chosen, np.asarray(self.vectors[chosen]))

    def count(self, up_to: int) -> int:
        return min(up_to, self.position().number)

    def knows(self, generation: str) -> bool:
        return True


class Sightline(Contender):
    """Our engine over FAISS, with the kind that the planner picks, or a given one."""

    kind = ""

    def _engine(self) -> Any:
        from search.index.faiss.engine import FaissIndex

        self.source = ArrayRows(self.vectors)
        return FaissIndex(self.source, self.folder, Budget(kind=self.kind))

    def build(self, queries: Vectors, truth: Ids) -> dict[str, Any]:
        report = self._engine().rebuild("benchmark")
        return {
            "kind": report.kind,
            "published_recall": round(report.recall_at_10, 4),
            "planned_mb": round(report.memory_bytes / 1e6, 1),
            "why": report.why,
        }

    def open(self) -> None:
        self.engine = self._engine()
        self._allowed: dict[int, Ids] = {}
        self.engine.describe()

    def search(self, query: Vectors, bound: int | None) -> list[int]:
        found: list[int] = self.engine.search(query, K, self._filter(bound)).frame_ids.tolist()
        return found

    def insert(self, row: int, vector: Vectors) -> None:
        self.source.put(rows_of(np.array([row]), vector[None]))
        self.engine.apply()

    def _filter(self, bound: int | None) -> Allowed:
        if bound is None:
            return EVERYTHING
        if bound not in self._allowed:
            self._allowed[bound] = np.flatnonzero(self.draws < bound).astype(np.int64)
        return self._allowed[bound]


class SightlineSq8(Sightline):
    kind = "sq8"


class SightlineIvf(Sightline):
    kind = "ivf"


class SightlineHnsw(Sightline):
    kind = "hnsw"


class SightlineRabitq(Sightline):
    kind = "rabitq"


class BareFlat(Contender):
    """faiss.IndexFlatIP in memory: the exact scan that others are measured against."""

    def build(self, queries: Vectors, truth: Ids) -> dict[str, Any]:
        import faiss

        index = self._filled()
        best, best_recall = 0, -1.0
        for effort in self._efforts(index):
            self._set(index, effort)
            _, found = index.search(queries[:_CANDIDATE_QUERIES], K)
            recall = recall_of(found.tolist(), truth[:_CANDIDATE_QUERIES])
            if recall > best_recall:
                best, best_recall = effort, recall
            if recall >= 0.98:
                break
        faiss.write_index(index, str(self.folder / "bare.faiss"))
        (self.folder / "effort.json").write_text(json.dumps(best), "utf-8")
        return {"effort": best}

    def open(self) -> None:
        import faiss

        self.index = faiss.read_index(str(self.folder / "bare.faiss"))
        self._set(self.index, json.loads((self.folder / "effort.json").read_text("utf-8")))
        self._selectors: dict[int, tuple[Any, Any]] = {}

    def search(self, query: Vectors, bound: int | None) -> list[int]:
        _, found = self.index.search(query[None], K, params=self._parameters(bound))
        return [row for row in found[0].tolist() if row >= 0]

    def insert(self, row: int, vector: Vectors) -> None:
        self.index.add(vector[None])

    def _filled(self) -> Any:
        index = self._empty()
        if not index.is_trained:
            chosen = np.random.default_rng(0).permutation(len(self.vectors))[: 39 * 4096]
            index.train(np.asarray(self.vectors[np.sort(chosen)]))
        for start in range(0, len(self.vectors), _CHUNK):
            index.add(np.ascontiguousarray(self.vectors[start : start + _CHUNK]))
        return index

    def _empty(self) -> Any:
        import faiss

        return faiss.IndexFlatIP(self.vectors.shape[1])

    def _efforts(self, index: Any) -> list[int]:
        return [0]

    def _set(self, index: Any, effort: int) -> None:
        """Nothing to set where all is compared."""

    def _selector(self, bound: int | None) -> Any:
        import faiss

        if bound is None:
            return None
        if bound not in self._selectors:
            bits = np.packbits(self.draws < bound, bitorder="little")
            self._selectors[bound] = bits, faiss.IDSelectorBitmap(bits)
        return self._selectors[bound][1]

    def _parameters(self, bound: int | None) -> Any:
        import faiss

        return None if bound is None else faiss.SearchParameters(sel=self._selector(bound))


class BareIvf(BareFlat):
    """IVF with bytes, as a factory string of FAISS makes it, at the least effort with a recall of 0.98."""

    def _empty(self) -> Any:
        import faiss

        cells = max(1, 2 * int(len(self.vectors) ** 0.5))
        return faiss.index_factory(self.vectors.shape[1], f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)

    def _efforts(self, index: Any) -> list[int]:
        return sorted(
            {max(1, int(1.5**step)) for step in range(20) if 1.5**step < index.nlist} | {index.nlist}
        )

    def _set(self, index: Any, effort: int) -> None:
        index.nprobe = effort

    def _parameters(self, bound: int | None) -> Any:
        import faiss

        return faiss.SearchParametersIVF(sel=self._selector(bound), nprobe=self.index.nprobe)


class BareHnsw(BareFlat):
    """HNSW over whole vectors, 16 links, at the least effort with a recall of 0.98."""

    def _empty(self) -> Any:
        import faiss

        index = faiss.IndexHNSWFlat(self.vectors.shape[1], 16, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = 100
        return index

    def _efforts(self, index: Any) -> list[int]:
        return [32, 48, 64, 96, 128, 192, 256, 384, 512]

    def _set(self, index: Any, effort: int) -> None:
        index.hnsw.efSearch = effort

    def _parameters(self, bound: int | None) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(sel=self._selector(bound), efSearch=self.index.hnsw.efSearch)


#: By the names that `--only` takes.
CONTENDERS: dict[str, type[Contender]] = {
    "faiss-flat": BareFlat,
    "sightline": Sightline,
    "sightline-sq8": SightlineSq8,
    "sightline-ivf": SightlineIvf,
    "sightline-rabitq": SightlineRabitq,
    "sightline-hnsw": SightlineHnsw,
    "faiss-ivf": BareIvf,
    "faiss-hnsw": BareHnsw,
    "qdrant": Qdrant,
    "milvus-lite": MilvusLite,
}
