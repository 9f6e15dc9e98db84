"""What every vector engine must do. A new engine's tests are a subclass of `IndexContract` and a fixture.

The rows are a list in memory, so hundreds of cases take a second; that the database's rows behave the same is
shown in test_rows.py, and what several processes see of them in test_index_processes.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import numpy as np
import pytest

from core.errors import EngineUnavailable
from search.index.base import EVERYTHING, VectorIndex
from search.index.where import COLUMNS, Where
from tests.search.listed_columns import PUBLIC, WHERES, columns_of
from tests.search.listed_rows import DIMENSION, ListedRows, unit_vectors


class IndexContract(ABC):
    """Subclass it and say how to open an engine over rows; two engines over the same rows share what is on disk."""

    #: Share of the true nearest that a search without filter must find; 1 for exact engines.
    recall_floor = 1.0

    @pytest.fixture
    @abstractmethod
    def open_engine(self) -> Callable[[ListedRows], VectorIndex]:
        """A fresh reader over these rows, as another process would open it."""

    @pytest.fixture
    def rows(self) -> ListedRows:
        return ListedRows()

    @pytest.fixture
    def engine(self, open_engine: Callable[[ListedRows], VectorIndex], rows: ListedRows) -> VectorIndex:
        return open_engine(rows)

    def rebuild(self, engine: VectorIndex, rows: ListedRows) -> str:
        name = f"image-{uuid4().hex}"
        rows.generations.add(name)
        engine.rebuild(name)
        return name

    def assert_right(self, engine: VectorIndex, rows: ListedRows, k: int = 10) -> None:
        """The nearest of some queries, with the stated recall, in falling order, each with its true score."""
        found = expected = 0
        for query in unit_vectors(8, 99):
            hits, truth = engine.search(query, k, EVERYTHING), rows.truth(query, k)
            assert (np.diff(hits.scores) <= 0).all()
            assert len(set(hits.frame_ids.tolist())) == len(hits), "a frame came twice"
            for frame_id, score in zip(hits.frame_ids.tolist(), hits.scores.tolist(), strict=True):
                assert score == pytest.approx(float(rows.stored[frame_id][1] @ query), abs=2e-5)
            found += len(set(hits.frame_ids.tolist()) & set(truth))
            expected += len(truth)
        assert found >= self.recall_floor * expected

    def assert_narrowed(self, engine: VectorIndex, rows: ListedRows) -> None:
        """By all kinds of conditions, to nothing but what they hold of, with the stated recall."""
        for where in WHERES:
            allowed = rows.allowed_by(where)
            found = expected = 0
            for query in unit_vectors(3, 6):
                hits, truth = engine.search(query, 10, where), rows.truth(query, 10, allowed)
                assert set(hits.frame_ids.tolist()) <= set(allowed.tolist())
                found += len(set(hits.frame_ids.tolist()) & set(truth))
                expected += len(truth)
            assert found >= self.recall_floor * expected

    # What is found

    def test_nothing_indexed_finds_nothing(self, engine: VectorIndex) -> None:
        assert len(engine.search(unit_vectors(1, 0)[0], 10, EVERYTHING)) == 0

    def test_finds_the_nearest_best_first(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 301), unit_vectors(300, 1))
        self.assert_right(engine, rows)

    def test_fewer_rows_than_asked_for_give_them_all(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put([5, 3, 9], unit_vectors(3, 1))
        query = unit_vectors(1, 2)[0]
        assert engine.search(query, 10, EVERYTHING).frame_ids.tolist() == rows.truth(query, 10)

    def test_equal_vectors_come_in_the_order_of_their_frames(
        self, engine: VectorIndex, rows: ListedRows
    ) -> None:
        rows.put([7, 2, 5], np.repeat(unit_vectors(1, 1), 3, axis=0))
        assert engine.search(unit_vectors(1, 1)[0], 3, EVERYTHING).frame_ids.tolist() == [2, 5, 7]

    def test_a_query_of_another_length_is_refused(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put([1], unit_vectors(1, 1))
        with pytest.raises(EngineUnavailable):
            engine.search(unit_vectors(1, 1, DIMENSION + 1)[0], 10, EVERYTHING)
        self.rebuild(engine, rows)
        with pytest.raises(EngineUnavailable):
            engine.search(unit_vectors(1, 1, DIMENSION + 1)[0], 10, EVERYTHING)

    # Filters

    def test_an_empty_filter_lets_nothing_through(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 31), unit_vectors(30, 1))
        self.rebuild(engine, rows)
        rows.put(range(31, 41), unit_vectors(10, 2))
        assert len(engine.search(unit_vectors(1, 3)[0], 10, np.empty(0, dtype=np.int64))) == 0

    @pytest.mark.parametrize("share", [0.002, 0.05, 0.9])
    def test_a_filter_is_scanned_exactly(self, engine: VectorIndex, rows: ListedRows, share: float) -> None:
        rows.put(range(1, 1001), unit_vectors(1000, 1))
        self.rebuild(engine, rows)
        rows.put(range(1001, 1201), unit_vectors(200, 2))
        rows.put(range(1, 101), unit_vectors(100, 3))
        allowed = np.flatnonzero(np.random.default_rng(5).random(1201) < share).astype(np.int64)
        for query in unit_vectors(5, 6):
            hits = engine.search(query, 10, allowed)
            assert hits.frame_ids.tolist() == rows.truth(query, 10, allowed)

    def test_a_filter_may_name_frames_that_are_not_there(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put([1, 2], unit_vectors(2, 1))
        allowed = np.array([2, 77, 2], dtype=np.int64)
        assert engine.search(unit_vectors(1, 3)[0], 10, allowed).frame_ids.tolist() == [2]

    # Columns

    def test_columns_narrow_what_is_found(self, engine: VectorIndex, rows: ListedRows) -> None:
        """Of sealed rows, of those numbered since, and of those numbered anew."""
        rows.put(range(1, 1001), unit_vectors(1000, 1), columns_of(1000, 1))
        self.rebuild(engine, rows)
        rows.put(range(1001, 1201), unit_vectors(200, 2), columns_of(200, 2))
        rows.put(range(1, 101), unit_vectors(100, 3), columns_of(100, 3))
        self.assert_narrowed(engine, rows)
        engine.apply()
        self.assert_narrowed(engine, rows)
        self.rebuild(engine, rows)
        self.assert_narrowed(engine, rows)

    def test_columns_that_change_are_followed_though_the_vector_stays(
        self, engine: VectorIndex, rows: ListedRows
    ) -> None:
        vectors, private = unit_vectors(30, 1), np.zeros((len(COLUMNS), 30), dtype=np.int64)
        rows.put(range(1, 31), vectors, private)
        self.rebuild(engine, rows)
        public = private[:, :1].copy()
        public[COLUMNS.index("public")] = 1
        rows.put([7], vectors[6:7], public)
        found = engine.search(vectors[0], 10, Where(((PUBLIC,),)))
        assert found.frame_ids.tolist() == [7]
        rows.put([7], vectors[6:7], private[:, :1])
        assert not len(engine.search(vectors[0], 10, Where(((PUBLIC,),))))

    def test_columns_of_an_empty_library_let_nothing_through(self, engine: VectorIndex) -> None:
        assert not len(engine.search(unit_vectors(1, 0)[0], 10, Where(((PUBLIC,),))))

    # Growing

    def test_what_is_numbered_is_found_at_once(self, engine: VectorIndex, rows: ListedRows) -> None:
        for at in range(20):
            rows.put(range(at * 7, at * 7 + 7), unit_vectors(7, at))
            query = unit_vectors(7, at)[3]
            assert engine.search(query, 1, EVERYTHING).frame_ids.tolist() == [at * 7 + 3]

    def test_every_open_reader_finds_it(
        self, open_engine: Callable[[ListedRows], VectorIndex], rows: ListedRows
    ) -> None:
        readers = [open_engine(rows) for _ in range(3)]
        for reader in readers:
            self.assert_right(reader, rows)
        rows.put(range(1, 100), unit_vectors(99, 1))
        readers[0].apply()
        for reader in readers:
            self.assert_right(reader, rows)

    def test_a_new_vector_takes_the_old_ones_place(self, engine: VectorIndex, rows: ListedRows) -> None:
        old, new = unit_vectors(2, 1)
        rows.put(range(1, 51), np.concatenate([[old], unit_vectors(49, 2)]))
        self.rebuild(engine, rows)
        rows.put([1], np.array([new]))
        assert engine.search(new, 1, EVERYTHING).frame_ids.tolist() == [1]
        self.assert_right(engine, rows)
        rows.put([1], np.array([-old]))
        assert engine.search(old, 50, EVERYTHING).frame_ids.tolist()[-1] == 1
        self.assert_right(engine, rows, k=50)

    def test_apply_says_how_far_it_got(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 31), unit_vectors(30, 1))
        assert engine.apply() == 30

    # Rebuilding

    def test_a_rebuild_changes_no_answer(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 401), unit_vectors(400, 1))
        rows.put(range(1, 401, 3), unit_vectors(134, 2))
        self.assert_right(engine, rows)
        self.rebuild(engine, rows)
        self.assert_right(engine, rows)
        rows.put(range(395, 420), unit_vectors(25, 3))
        self.assert_right(engine, rows)
        self.rebuild(engine, rows)
        self.assert_right(engine, rows)

    def test_a_rebuild_reports_what_it_holds(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 121), unit_vectors(120, 1))
        seen: list[tuple[int, int]] = []
        rows.generations.add("first")
        report = engine.rebuild("first", lambda done, total: seen.append((done, total)))
        assert (report.dimension, report.count, report.last_number) == (DIMENSION, 120, 120)
        assert report.recall_at_10 >= self.recall_floor
        assert seen[-1] == (120, 120)

    def test_deleted_rows_are_gone_after_a_rebuild(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 41), unit_vectors(40, 1))
        rows.delete(*range(1, 21))
        self.rebuild(engine, rows)
        assert set(engine.search(unit_vectors(1, 3)[0], 40, EVERYTHING).frame_ids.tolist()) == set(
            range(21, 41)
        )

    def test_the_newest_rows_may_be_deleted_and_new_ones_are_seen(
        self, engine: VectorIndex, rows: ListedRows
    ) -> None:
        rows.put(range(1, 41), unit_vectors(40, 1))
        self.rebuild(engine, rows)
        rows.delete(39, 40)
        rows.put([41], unit_vectors(1, 2))
        assert engine.search(unit_vectors(1, 2)[0], 1, EVERYTHING).frame_ids.tolist() == [41]

    def test_what_was_opened_for_a_search_answers_on_beside_a_rebuild(
        self, engine: VectorIndex, rows: ListedRows
    ) -> None:
        vectors = unit_vectors(40, 1)
        rows.put(range(1, 41), vectors)
        self.rebuild(engine, rows)
        opened = engine.now()
        rows.put([41], unit_vectors(1, 2))
        self.rebuild(engine, rows)
        for at in (0, 39):
            assert opened.search(vectors[at], 1, EVERYTHING).frame_ids.tolist() == [at + 1]
            assert opened.search(vectors[at], 1, np.array([7, at + 1])).frame_ids.tolist() == [at + 1]
        assert engine.now().search(unit_vectors(1, 2)[0], 1, EVERYTHING).frame_ids.tolist() == [41]

    def test_what_was_opened_for_a_search_asks_the_rows_nothing(
        self, engine: VectorIndex, rows: ListedRows, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another thread asks it, which has no connection to the database."""
        vectors = unit_vectors(60, 1)
        rows.put(range(1, 51), vectors[:50])
        self.rebuild(engine, rows)
        rows.put(range(51, 61), vectors[50:])
        opened = engine.now()
        for name in ("position", "rows", "sample", "count", "knows"):
            monkeypatch.setattr(rows, name, _not_to_be_asked)
        with ThreadPoolExecutor(1) as other:
            for at in (0, 59):
                for allowed in (EVERYTHING, np.array([7, at + 1])):
                    hits = other.submit(opened.search, vectors[at], 1, allowed).result()
                    assert hits.frame_ids.tolist() == [at + 1]

    def test_an_empty_library_can_be_rebuilt(self, engine: VectorIndex, rows: ListedRows) -> None:
        self.rebuild(engine, rows)
        assert len(engine.search(unit_vectors(1, 0)[0], 10, EVERYTHING)) == 0
        rows.put([1], unit_vectors(1, 1))
        self.assert_right(engine, rows)

    def test_rows_numbered_during_a_rebuild_are_found(self, engine: VectorIndex, rows: ListedRows) -> None:
        rows.put(range(1, 201), unit_vectors(200, 1))
        extra = iter(range(1000, 1100))

        def write_and_search() -> None:
            frame_id = next(extra)
            rows.put([frame_id, 200], unit_vectors(2, frame_id))
            hits = engine.search(unit_vectors(2, frame_id)[0], 1, EVERYTHING)
            assert hits.frame_ids.tolist() == [frame_id]

        # Searches stream rows, too: only the rebuild's own stream is written into.
        rows.while_streaming = _not_within_itself(write_and_search)
        self.rebuild(engine, rows)
        rows.while_streaming = None
        self.assert_right(engine, rows)

    def test_rows_of_another_database_are_not_mistaken_for_its_own(
        self, open_engine: Callable[[ListedRows], VectorIndex], rows: ListedRows
    ) -> None:
        rows.put(range(1, 31), unit_vectors(30, 1))
        engine = open_engine(rows)
        self.rebuild(engine, rows)
        self.assert_right(engine, rows)
        rows.token, rows.number, rows.stored, rows.generations = uuid4().hex, 0, {}, set()
        rows.put(range(1, 31), unit_vectors(30, 2))
        self.assert_right(engine, rows)
        self.assert_right(open_engine(rows), rows)

    def test_a_database_restored_from_before_the_rebuild_is_read_right(
        self, open_engine: Callable[[ListedRows], VectorIndex], rows: ListedRows
    ) -> None:
        rows.put(range(1, 31), unit_vectors(30, 1))
        backup, number = dict(rows.stored), rows.number
        rows.put(range(31, 61), unit_vectors(30, 2))
        engine = open_engine(rows)
        name = self.rebuild(engine, rows)
        rows.stored, rows.number = backup, number
        rows.generations.discard(name)
        rows.put(range(100, 160), unit_vectors(60, 3))
        self.assert_right(open_engine(rows), rows)

    # Together

    def test_readers_are_right_while_one_writes_and_rebuilds(
        self, open_engine: Callable[[ListedRows], VectorIndex], rows: ListedRows
    ) -> None:
        """A reader that begins after a commit finds what was committed, whatever else goes on."""
        rows.put(range(1, 101), unit_vectors(100, 0))
        committed = [(100, rows.stored[100][1])]
        readers, done = [open_engine(rows), open_engine(rows)], Event()

        def read(reader: VectorIndex) -> int:
            searches = 0
            while not (searches and done.is_set()):  # once at least, however late a busy machine begins it
                newest, vector = committed[-1]
                assert reader.search(vector, 1, EVERYTHING).frame_ids.tolist() == [newest]
                assert reader.search(vector, 5, np.array([newest, 1])).frame_ids.tolist() == [newest, 1]
                searches += 1
            return searches

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(read, reader) for reader in readers * 2]
            try:
                for at in range(1, 13):
                    vectors = unit_vectors(40, at)
                    rows.put(range(at * 1000, at * 1000 + 40), vectors)
                    committed.append((at * 1000, vectors[0]))
                    if at % 3 == 0:
                        self.rebuild(readers[0], rows)
            finally:
                done.set()
            assert all(reading.result() > 0 for reading in running)
        for reader in readers:
            self.assert_right(reader, rows)


def _not_within_itself(do: Callable[[], None]) -> Callable[[], None]:
    under_way = False

    def call() -> None:
        nonlocal under_way
        if not under_way:
            under_way = True
            do()
            under_way = False

    return call


def _not_to_be_asked(*_: object) -> None:
    raise AssertionError("The rows were asked.")
