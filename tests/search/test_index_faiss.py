"""FAISS keeps the contract, exact and approximate, and its files survive what happens to files."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from core.errors import EngineUnavailable
from search.index.base import EVERYTHING, Budget, VectorIndex
from search.index.faiss import engine as engines
from search.index.faiss import rebuilding
from search.index.faiss.engine import FaissIndex
from search.index.faiss.generations import Draft, GenerationStore
from search.index.where import Comparison, Where
from tests.search.index_contract import IndexContract
from tests.search.listed_rows import ListedRows, unit_vectors
from tests.search.sealing import sealed


class TestFlat(IndexContract):
    @pytest.fixture
    def open_engine(self, tmp_path: Path) -> Callable[[ListedRows], VectorIndex]:
        return lambda rows: FaissIndex(rows, tmp_path)


class OfOneKind(IndexContract):
    """A kind for large libraries, at toy size; what it lacks of the recall, the planner would refuse."""

    kind = ""
    recall_floor = 0.95

    @pytest.fixture
    def open_engine(self, tmp_path: Path) -> Callable[[ListedRows], VectorIndex]:
        return lambda rows: FaissIndex(rows, tmp_path, Budget(kind=self.kind))


class TestSq8(OfOneKind):
    kind = "sq8"


class TestIvf(OfOneKind):
    kind = "ivf"


class TestHnsw(OfOneKind):
    kind = "hnsw"


class TestRabitq(OfOneKind):
    kind = "rabitq"


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


@pytest.mark.parametrize("file", ["vectors.f32", "codes.faiss", "frame_ids.npy", "columns.npy", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "removed"])
def test_a_damaged_file_is_an_engine_that_is_away(
    rows: ListedRows, tmp_path: Path, file: str, damage: str
) -> None:
    """Never fewer results, never none: the person asking must learn that search is away."""
    sealed(rows, tmp_path, budget=Budget(kind="ivf"))
    _damage(tmp_path / "first" / file, damage)
    reader = FaissIndex(rows, tmp_path)
    for allowed in (EVERYTHING, np.array([1, 2], dtype=np.int64)):
        with pytest.raises(EngineUnavailable, match="rebuild_index"):
            reader.search(unit_vectors(1, 3)[0], 10, allowed)


def test_a_rebuild_heals_a_damaged_generation(rows: ListedRows, tmp_path: Path) -> None:
    sealed(rows, tmp_path)
    _damage(tmp_path / "first" / "vectors.f32", "cut")
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


def test_a_frame_that_is_numbered_again_and_again_does_not_fill_the_tail(
    rows: ListedRows, tmp_path: Path
) -> None:
    reader = sealed(rows, tmp_path)
    for _ in range(1_000):
        rows.put([1], unit_vectors(1, 4))
        reader.search(unit_vectors(1, 4)[0], 1, EVERYTHING)
    assert reader.describe().tail_count < 300
    assert finds_all(reader, rows)


def test_an_index_folder_that_is_lost_is_made_up_for_by_the_rows(rows: ListedRows, tmp_path: Path) -> None:
    assert finds_all(FaissIndex(rows, tmp_path / "never made"), rows)


class Killed(BaseException):
    """Stands for a process that ends between two system calls."""


@pytest.mark.parametrize(
    "moment",
    ["rebuilding._filled", "draft.describe", "rebuilding._verify", "store.publish", "after publish"],
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
    assert view.search(query, 10, EVERYTHING).frame_ids.tolist() == rows.truth(query, 10)


def test_a_generation_of_another_format_is_passed_over_until_the_next_rebuild(
    rows: ListedRows, tmp_path: Path
) -> None:
    sealed(rows, tmp_path)
    about = tmp_path / "first" / "about.json"
    about.write_text(about.read_text().replace('"format": 2', '"format": 1'))
    reader = FaissIndex(rows, tmp_path)
    assert finds_all(reader, rows)
    assert reader.describe().generation == ""
    sealed(rows, tmp_path, "second")
    assert reader.describe().generation == "second"


@pytest.mark.parametrize("columns_then", [0, 3])
def test_a_generation_from_before_there_were_columns_lets_all_through_until_the_next_rebuild(
    rows: ListedRows, tmp_path: Path, columns_then: int
) -> None:
    sealed(rows, tmp_path)
    file, about = tmp_path / "first" / "columns.npy", tmp_path / "first" / "about.json"
    columns = np.load(file)
    file.unlink()
    if columns_then:
        np.save(file, columns[:columns_then])
    told = json.loads(about.read_text())
    del told["checksums"]["columns.npy"]
    about.write_text(json.dumps(told))
    reader = FaissIndex(rows, tmp_path)
    query, nobodys = unit_vectors(1, 3)[0], Where(((Comparison("owner", "==", -1),),))
    assert reader.search(query, 10, nobodys).frame_ids.tolist() == rows.truth(query, 10)
    assert reader.differences() == ["generation first lacks columns to filter by"]
    sealed(rows, tmp_path, "second")
    assert not len(reader.search(query, 10, nobodys))
    assert reader.differences() == []


def test_while_a_large_generation_is_opened_the_former_one_answers(
    rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sealed(rows, tmp_path)
    assert finds_all(reader, rows)
    rows.put(range(190, 260), unit_vectors(70, 2))
    sealed(rows, tmp_path, "second")
    monkeypatch.setattr(engines, "OPENED_AT_ONCE_BYTES", 0)
    opened, go_on = GenerationStore.open, Event()

    def slow(self: GenerationStore, name: str) -> Any:
        go_on.wait(20)
        return opened(self, name)

    monkeypatch.setattr(GenerationStore, "open", slow)
    assert finds_all(reader, rows)
    assert reader._view is not None
    assert reader._view.sealed is not None
    assert reader._view.sealed.name == "first"
    go_on.set()
    deadline = time.monotonic() + 20
    while reader._view.sealed.name != "second" and time.monotonic() < deadline:
        assert finds_all(reader, rows)
    assert reader.describe().generation == "second"
    assert finds_all(reader, rows)


def test_a_generation_that_is_dropped_while_its_size_is_asked_makes_no_search_fail(
    rows: ListedRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = sealed(rows, tmp_path)
    assert finds_all(reader, rows)
    sealed(rows, tmp_path, "second")
    listed = Path.iterdir

    def dropped_once_listed(self: Path) -> Iterator[Path]:
        files = list(listed(self))
        if self.name == "second":
            monkeypatch.undo()
            for name in ("third", "fourth"):
                sealed(rows, tmp_path, name)
        return iter(files)

    monkeypatch.setattr(Path, "iterdir", dropped_once_listed)
    assert finds_all(reader, rows)
    assert not (tmp_path / "second").exists()
    assert reader.describe().generation == "fourth"


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
        patch.setattr(
            {"rebuilding": rebuilding, "store": GenerationStore, "draft": Draft}[place], name, killed
        )
