"""Which kind of index is built, what is measured of it, and what keeps it from being published."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import EngineUnavailable
from search.index.base import EVERYTHING, Budget, Rows
from search.index.faiss import lookup, mapped, rebuilding
from search.index.faiss.engine import FaissIndex
from search.index.faiss.generations import Draft
from search.index.faiss.planning import Kind
from tests.search.listed_rows import DIMENSION, ListedRows, unit_vectors
from tests.search.sealing import sealed


class TestPlannedKinds:
    """What is chosen is built, measured, and let go of where it finds too little."""

    def test_what_finds_too_little_makes_way_for_the_next_and_at_last_for_flat(
        self, rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookup, "_LEAST_CANDIDATES", 1)
        monkeypatch.setattr(lookup, "_CANDIDATES", dict.fromkeys(Kind, 0))
        report = FaissIndex(rows, tmp_path, Budget(kind="ivf")).rebuild("first")
        assert (report.kind, report.recall_at_10) == ("flat", 1.0)
        assert "ivf was built and found only" in report.why
        assert not (tmp_path / "first" / "codes.faiss").exists()

    def test_a_report_says_what_it_cost_and_why(self, rows: ListedRows, tmp_path: Path) -> None:
        report = FaissIndex(rows, tmp_path, Budget(kind="hnsw")).rebuild("first")
        assert report.kind == "hnsw"
        assert "settings ask for" in report.why
        assert report.latency_ms > 0
        assert report.memory_bytes > 200 * DIMENSION

    def test_a_graph_is_asked_from_far_off_its_rows(
        self, rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Beside a row even a walk that is cut short ends there: 0.995 was measured of a graph that found 0.947."""
        rows.put(range(1, 3001), unit_vectors(3000, 7))
        asked: list[tuple[str, float]] = []

        def nearest(self: lookup.Lookup, query: Any, k: int, keep: Any = None) -> Any:
            hits = found(self, query, k, keep)
            asked.append((str(self.kind), float(hits.scores[0])))
            return hits

        found = lookup.Lookup.nearest
        monkeypatch.setattr(lookup.Lookup, "nearest", nearest)
        for kind in ("hnsw", "ivf"):
            FaissIndex(rows, tmp_path / kind, Budget(kind=kind)).rebuild("first")
        nearness = {kind: np.mean([score for each, score in asked if each == kind]) for kind, _ in asked}
        assert nearness["hnsw"] < 0.7
        assert nearness["ivf"] > 0.8

    def test_every_vector_is_found_though_only_some_cells_are_looked_into(
        self, rows: ListedRows, tmp_path: Path
    ) -> None:
        """Who gets fewer hits than asked for takes it that there are no more."""
        engine = sealed(rows, tmp_path, budget=Budget(kind="ivf", recall_floor=0.1))
        for k in (1, 50, 200, 300):
            hits = engine.search(unit_vectors(1, 9)[0], k, EVERYTHING)
            assert len(hits) == min(k, 200)

    @pytest.mark.parametrize("kind", ["flat", "sq8", "ivf", "hnsw", "rabitq"])
    @pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
    def test_a_wide_filter_keeps_the_recall(
        self, rows: ListedRows, tmp_path: Path, kind: str, share: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lookup, "EXACT_UP_TO", 0)
        rows.put(range(1, 3001), unit_vectors(3000, 7))
        engine = sealed(rows, tmp_path, budget=Budget(kind=kind))
        rows.put(range(1, 101), unit_vectors(100, 8))
        allowed = np.flatnonzero(np.random.default_rng(5).random(3001) < share).astype(np.int64)
        found = expected = 0
        for query in unit_vectors(10, 6):
            hits, truth = engine.search(query, 10, allowed), rows.truth(query, 10, allowed)
            assert np.isin(hits.frame_ids, allowed).all()
            found += len(set(hits.frame_ids.tolist()) & set(truth))
            expected += len(truth)
        assert found >= 0.95 * expected

    @pytest.mark.parametrize("read_up_to", [0, 1000])
    def test_stored_vectors_are_right_whether_they_are_read_or_mapped_and_given_back(
        self, rows: ListedRows, tmp_path: Path, read_up_to: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mapped, "_READ_UP_TO", read_up_to)
        engine = sealed(rows, tmp_path, budget=Budget(kind="sq8"))
        for query in unit_vectors(5, 3):
            assert engine.search(query, 10, EVERYTHING).frame_ids.tolist() == rows.truth(query, 10)


class TestVerification:
    """A generation that is wrong is never published, whatever made it so."""

    break_it: Callable[[pytest.MonkeyPatch], None]

    def refused(self, rows: ListedRows, folder: Path, why: str) -> None:
        sealed(rows, folder)
        rows.put(range(201, 221), unit_vectors(20, 2))
        with pytest.raises(EngineUnavailable, match=why):
            self.broken(rows, folder)
        assert FaissIndex(rows, folder).describe().generation == "first"

    def broken(self, rows: ListedRows, folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            self.break_it(patch)
            sealed(rows, folder, "second")

    def test_lost_rows(self, rows: ListedRows, tmp_path: Path) -> None:
        def lossy(self: Draft, chunk: Rows) -> None:
            append(self, chunk.at(slice(-1)))

        append = Draft.append
        self.break_it = lambda patch: patch.setattr(Draft, "append", lossy)
        self.refused(rows, tmp_path, "missing")

    def test_swapped_ids(self, rows: ListedRows, tmp_path: Path) -> None:
        def swapped(self: Draft, chunk: Rows) -> None:
            append(self, replace(chunk, vectors=chunk.vectors[::-1]))

        append = Draft.append
        self.break_it = lambda patch: patch.setattr(Draft, "append", swapped)
        self.refused(rows, tmp_path, "not those of the rows")

    def test_an_index_that_finds_too_little(self, rows: ListedRows, tmp_path: Path) -> None:
        def lazy(self: lookup.Lookup, query: Any, k: int, keep: Any = None) -> Any:
            return nearest(self, query, k // 2, keep)

        nearest = lookup.Lookup.nearest
        self.break_it = lambda patch: patch.setattr(lookup.Lookup, "nearest", lazy)
        self.refused(rows, tmp_path, "true nearest")

    def test_rows_of_two_lengths(
        self, rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sealed(rows, tmp_path)
        rows.put([999], unit_vectors(1, 2, DIMENSION + 1))
        rows.chunk = 1
        monkeypatch.setattr(rebuilding, "SAMPLE_SIZE", 5)
        with pytest.raises(EngineUnavailable, match="length"):
            sealed(rows, tmp_path, "second")
