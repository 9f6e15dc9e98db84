"""FAISS keeps the contract, exact and approximate, and its files survive what happens to files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import EngineUnavailable
from search.index.base import EVERYTHING, VectorIndex
from search.index.faiss import rebuilding, recipes
from search.index.faiss.engine import FaissIndex
from search.index.faiss.generations import GenerationStore
from tests.search.index_contract import DIMENSION, IndexContract, ListedRows, unit_vectors


class TestFlat(IndexContract):
    @pytest.fixture
    def open_engine(self, tmp_path: Path) -> Callable[[ListedRows], VectorIndex]:
        return lambda rows: FaissIndex(rows, tmp_path)


class TestGraph(IndexContract):
    """The recipe of large libraries, at toy size."""

    recall_floor = 0.95

    @pytest.fixture
    def open_engine(self, tmp_path: Path) -> Callable[[ListedRows], VectorIndex]:
        return lambda rows: FaissIndex(rows, tmp_path, flat_up_to=0)


@pytest.fixture
def rows() -> ListedRows:
    filled = ListedRows()
    filled.put(range(1, 201), unit_vectors(200, 1))
    return filled


def sealed(rows: ListedRows, folder: Path, name: str = "first") -> FaissIndex:
    rows.generations.add(name)
    engine = FaissIndex(rows, folder)
    engine.rebuild(name)
    return engine


def finds_all(engine: FaissIndex, rows: ListedRows) -> bool:
    query = unit_vectors(1, 50)[0]
    return bool(engine.search(query, 10, EVERYTHING).frame_ids.tolist() == rows.truth(query, 10))


def test_a_sealed_generation_is_what_answers(rows: ListedRows, tmp_path: Path) -> None:
    sealed(rows, tmp_path)
    about = FaissIndex(rows, tmp_path).describe()
    assert (about.generation, about.sealed_count, about.tail_count) == ("first", 200, 0)


def test_rows_after_it_are_the_tail(rows: ListedRows, tmp_path: Path) -> None:
    engine = sealed(rows, tmp_path)
    rows.put(range(201, 231), unit_vectors(30, 2))
    about = engine.describe()
    assert (about.sealed_count, about.tail_count, about.last_number) == (200, 30, 230)


@pytest.mark.parametrize("file", ["vectors.faiss", "frame_ids.npy", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "removed"])
def test_a_damaged_file_is_an_engine_that_is_away(
    rows: ListedRows, tmp_path: Path, file: str, damage: str
) -> None:
    """Never fewer results, never none: the person asking must learn that search is away."""
    sealed(rows, tmp_path)
    _damage(tmp_path / "first" / file, damage)
    reader = FaissIndex(rows, tmp_path)
    for allowed in (EVERYTHING, np.array([1, 2], dtype=np.int64)):
        with pytest.raises(EngineUnavailable, match="rebuild_index"):
            reader.search(unit_vectors(1, 3)[0], 10, allowed)


def test_a_rebuild_heals_a_damaged_generation(rows: ListedRows, tmp_path: Path) -> None:
    sealed(rows, tmp_path)
    _damage(tmp_path / "first" / "vectors.faiss", "cut")
    reader = FaissIndex(rows, tmp_path)
    with pytest.raises(EngineUnavailable):
        reader.search(unit_vectors(1, 3)[0], 10, EVERYTHING)
    sealed(rows, tmp_path, "second")
    assert finds_all(reader, rows)


@pytest.mark.parametrize("content", [b"", b"../elsewhere", b"\xff\xfe", b"no-such-generation"])
def test_a_damaged_pointer_is_an_engine_that_is_away(
    rows: ListedRows, tmp_path: Path, content: bytes
) -> None:
    sealed(rows, tmp_path)
    (tmp_path / "CURRENT").write_bytes(content)
    with pytest.raises(EngineUnavailable):
        FaissIndex(rows, tmp_path).search(unit_vectors(1, 3)[0], 10, EVERYTHING)


def test_an_index_folder_that_is_lost_is_made_up_for_by_the_rows(rows: ListedRows, tmp_path: Path) -> None:
    assert finds_all(FaissIndex(rows, tmp_path / "never made"), rows)


class Killed(BaseException):
    """Stands for a process that ends between two system calls."""


@pytest.mark.parametrize(
    "moment",
    ["rebuilding._filled", "store.write", "rebuilding._verify", "store.publish", "after publish"],
)
def test_a_rebuild_killed_at_any_moment_leaves_a_right_index(
    rows: ListedRows, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sealed(rows, tmp_path)
    rows.put(range(150, 260), unit_vectors(110, 2))
    with monkeypatch.context() as patch:
        _kill_at(moment, patch)
        with pytest.raises(Killed):
            sealed(rows, tmp_path, "killed")
    for engine in (reader, FaissIndex(rows, tmp_path)):
        assert finds_all(engine, rows)
    sealed(rows, tmp_path, "third")
    for engine in (reader, FaissIndex(rows, tmp_path)):
        assert finds_all(engine, rows)
        assert engine.describe().generation == "third"


def test_a_half_written_generation_is_swept_away(
    rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed(rows, tmp_path)
    with monkeypatch.context() as patch:
        _kill_at("rebuilding._verify", patch)
        with pytest.raises(Killed):
            sealed(rows, tmp_path, "killed")
    assert (tmp_path / "killed").exists()
    sealed(rows, tmp_path, "third")
    assert {entry.name for entry in tmp_path.iterdir()} == {"CURRENT", "first", "third"}


def test_older_generations_are_pruned_but_for_the_last(rows: ListedRows, tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        sealed(rows, tmp_path, name)
    assert {entry.name for entry in tmp_path.iterdir()} == {"CURRENT", "second", "third"}


def test_a_reader_outlives_the_files_it_has_open(rows: ListedRows, tmp_path: Path) -> None:
    reader = sealed(rows, tmp_path)
    view = reader._fresh_view()
    for name in ("second", "third"):
        sealed(rows, tmp_path, name)
    assert not (tmp_path / "first").exists()
    query = unit_vectors(1, 50)[0]
    assert view.search(query, 10).frame_ids.tolist() == rows.truth(query, 10)


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
        def lossy(source: Any, *rest: Any) -> Any:
            index, ids = filled(source, *rest)
            smaller = recipes.empty_index(0, index.d)
            smaller.add(recipes.stored_vectors(index)[:-1])
            return smaller, ids[:-1]

        filled = rebuilding._filled
        self.break_it = lambda patch: patch.setattr(rebuilding, "_filled", lossy)
        self.refused(rows, tmp_path, "missing")

    def test_swapped_ids(self, rows: ListedRows, tmp_path: Path) -> None:
        def swapped(source: Any, *rest: Any) -> Any:
            index, ids = filled(source, *rest)
            other = recipes.empty_index(0, index.d)
            other.add(recipes.stored_vectors(index)[::-1].copy())
            return other, ids

        filled = rebuilding._filled
        self.break_it = lambda patch: patch.setattr(rebuilding, "_filled", swapped)
        self.refused(rows, tmp_path, "not those of the rows")

    def test_an_index_that_finds_too_little(self, rows: ListedRows, tmp_path: Path) -> None:
        def lazy(index: Any, frame_ids: Any, query: Any, k: int, keep: Any = None) -> Any:
            return nearest(index, frame_ids, query, 5, keep)

        nearest = recipes.nearest
        self.break_it = lambda patch: patch.setattr(recipes, "nearest", lazy)
        self.refused(rows, tmp_path, "true nearest")

    def test_rows_of_two_lengths(self, rows: ListedRows, tmp_path: Path) -> None:
        sealed(rows, tmp_path)
        rows.put([999], unit_vectors(1, 2, DIMENSION + 1))
        rows.chunk = 1
        with pytest.raises(EngineUnavailable, match="length"):
            sealed(rows, tmp_path, "second")


def _damage(file: Path, damage: str) -> None:
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    elif damage == "emptied":
        file.write_bytes(b"")
    elif damage == "cut":
        file.write_bytes(content[: len(content) * 2 // 3])
    else:
        at = len(content) // 2
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])


def _kill_at(moment: str, patch: pytest.MonkeyPatch) -> None:
    def killed(*args: Any, **kwargs: Any) -> Any:
        raise Killed

    place, _, name = moment.rpartition(".")
    if moment == "after publish":
        publish = GenerationStore.publish

        def publish_and_die(self: GenerationStore, name: str) -> None:
            publish(self, name)
            raise Killed

        patch.setattr(GenerationStore, "publish", publish_and_die)
    else:
        patch.setattr({"rebuilding": rebuilding, "store": GenerationStore}[place], name, killed)
