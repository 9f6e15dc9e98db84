"""Milvus keeps the contract, on milvus-lite, which serves the same protocol from a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pymilvus import DataType, MilvusException

from core import backends
from core.errors import EngineUnavailable
from library.selectors import AssetFilters
from search.checking import check_index
from search.index.base import EVERYTHING, Budget, Rows, VectorIndex
from search.index.milvus import collections
from search.index.milvus import engine as milvus
from search.index.milvus.collections import Collections
from search.index.milvus.engine import MilvusIndex
from search.index.milvus.server import MilvusServer
from search.index.recall import FAR_OFF_THE_ROWS, OFF_THE_ROWS, RecallProbe
from search.index.where import COLUMNS, Comparison, Where
from search.services import rebuild_index, search_text
from tests.search.index_contract import IndexContract
from tests.search.listed_rows import ListedRows, unit_vectors
from tests.search.photos import described, many, photo


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests: starting one costs more than they do. Each test's rows have their own token."""
    file = str(tmp_path_factory.mktemp("milvus") / "milvus.db")
    yield file
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_all()


class TestMilvus(IndexContract):
    recall_floor = 0.95

    @pytest.fixture
    def open_engine(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[ListedRows], VectorIndex]:
        monkeypatch.setattr(milvus, "_LOOK_AGAIN_S", 0.05)
        return lambda rows: MilvusIndex(rows, MilvusServer(uri))


def built(rows: ListedRows, uri: str, **how: Any) -> MilvusIndex:
    rows.generations.add("first")
    engine = MilvusIndex(rows, MilvusServer(uri, **how))
    engine.rebuild("first")
    return engine


@pytest.mark.parametrize(("kind", "far"), [("HNSW", True), ("FLAT", True), ("IVF_FLAT", False)])
def test_what_is_not_made_of_cells_is_asked_from_far_off_its_rows(
    rows: ListedRows, uri: str, monkeypatch: pytest.MonkeyPatch, kind: str, far: bool
) -> None:
    moved: list[float] = []

    def probe(sample: Rows, by: float) -> RecallProbe:
        moved.append(by)
        return RecallProbe(sample, by)

    monkeypatch.setattr(milvus, "RecallProbe", probe)
    built(rows, uri, index=kind, effort=200)
    assert moved == [FAR_OFF_THE_ROWS if far else OFF_THE_ROWS]


def test_what_the_writer_applied_is_in_the_collection_and_no_longer_scanned(
    rows: ListedRows, uri: str
) -> None:
    writer = built(rows, uri)
    rows.put(range(150, 260), unit_vectors(110, 2))
    assert writer.describe().tail_count == 110
    assert writer.apply() == 310
    reader = MilvusIndex(rows, MilvusServer(uri))
    about = reader.describe()
    assert (about.sealed_count, about.tail_count, about.generation) == (259, 0, "first")
    query = unit_vectors(1, 9)[0]
    assert reader.search(query, 10, EVERYTHING).frame_ids.tolist() == rows.truth(query, 10)
    assert reader.differences() == []


def test_wide_filters_are_pushed_down_to_the_server(
    rows: ListedRows, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = built(rows, uri)
    rows.put(range(1, 21), unit_vectors(20, 4))
    monkeypatch.setattr(milvus, "EXACT_UP_TO", 0)
    for seed in range(4):
        allowed = np.flatnonzero(np.random.default_rng(seed).random(201) < 0.4).astype(np.int64)
        query = unit_vectors(1, seed + 60)[0]
        assert engine.search(query, 10, allowed).frame_ids.tolist() == rows.truth(query, 10, allowed)


def no_columns(schema: Any) -> None:
    pass


def columns_but_for_labels(schema: Any) -> None:
    for column in ("owner", "public", "moment"):
        schema.add_field(column, DataType.INT64)


@pytest.mark.parametrize("added", [no_columns, columns_but_for_labels])
def test_a_collection_from_before_there_were_columns_lets_all_through_until_the_next_rebuild(
    rows: ListedRows, uri: str, monkeypatch: pytest.MonkeyPatch, added: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(collections, "add_to", added)
    built(rows, uri)
    monkeypatch.undo()
    engine = MilvusIndex(rows, MilvusServer(uri))
    query, nobodys = unit_vectors(1, 3)[0], Where(((Comparison("owner", "==", -1),),))
    assert len(engine.search(query, 10, nobodys)) == 10
    rows.put([201], unit_vectors(1, 9))
    engine.apply()
    assert engine.search(unit_vectors(1, 9)[0], 1, EVERYTHING).frame_ids.tolist() == [201]
    assert engine.differences()[0].endswith("lacks columns to filter by")
    rows.generations.add("second")
    engine.rebuild("second")
    assert not len(engine.search(query, 10, nobodys))
    assert engine.differences() == []


def test_a_rebuild_switches_the_alias_and_keeps_one_former_collection(rows: ListedRows, uri: str) -> None:
    engine = built(rows, uri)
    for name in ("second", "third"):
        rows.generations.add(name)
        engine.rebuild(name)
    stored = Collections(MilvusServer(uri), rows)
    current = stored.current(rows.token)
    assert current is not None
    assert current.endswith("_third")
    assert {name.rsplit("_", 1)[1] for name in stored.names(rows.token)} == {"second", "third"}
    assert MilvusIndex(rows, MilvusServer(uri)).describe().generation == "third"


def test_rebuilds_while_it_is_asked_which_collection_is_live_hide_none(
    rows: ListedRows, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = built(rows, uri)
    stored = Collections(MilvusServer(uri), rows)
    assert stored.current(rows.token)

    class RebuiltMeanwhile:
        """A client after whose first answer the alias has passed on and the collection that it named is gone."""

        def __init__(self, client: Any) -> None:
            self.client, self.names = client, ["second", "third"]

        def __getattr__(self, asked: str) -> Any:
            def ask(*told: Any) -> Any:
                answer = getattr(self.client, asked)(*told)
                while self.names:
                    engine.rebuild(self.names.pop(0))
                return answer

            return ask

    monkeypatch.setattr(stored, "_client", RebuiltMeanwhile(stored._client))
    current = stored.current(rows.token)
    assert current is not None
    assert current.endswith("_third")


def test_two_spaces_and_two_models_keep_apart(uri: str) -> None:
    engines = []
    for seed, (space, model_id) in enumerate([("image", "a"), ("caption", "a"), ("image", "b")]):
        one = ListedRows(space=space, model_id=model_id, token="shared-token-of-this-test")
        one.put(range(1, 31), unit_vectors(30, seed))
        engines.append((built(one, uri), one))
    for engine, one in engines:
        query = unit_vectors(1, 70)[0]
        assert engine.search(query, 5, EVERYTHING).frame_ids.tolist() == one.truth(query, 5)


def test_what_differs_from_the_rows_is_named_and_gone_after_a_rebuild(rows: ListedRows, uri: str) -> None:
    engine = built(rows, uri)
    stored = Collections(MilvusServer(uri), rows)
    current = stored.current(rows.token)
    assert current is not None
    stored.delete(current, np.array([7, 8]))
    rows.stored[9] = (rows.stored[9][0], -rows.stored[9][1])
    rows.told[10] = [1] * len(COLUMNS)
    texts = engine.differences()
    assert len(texts) == 3
    assert "lacks 2 frames" in texts[0]
    assert "another vector than the row of 1 frames" in texts[1]
    assert "other columns than the row of 1 frames" in texts[2]
    rows.generations.add("second")
    engine.rebuild("second")
    assert engine.differences() == []


def test_a_collection_that_finds_too_little_is_not_published(
    rows: ListedRows, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = built(rows, uri)
    search = Collections.search
    monkeypatch.setattr(
        Collections, "search", lambda self, name, query, k, among: search(self, name, query, k // 2, among)
    )
    rows.generations.add("second")
    with pytest.raises(EngineUnavailable, match="not published"):
        engine.rebuild("second")
    monkeypatch.undo()
    assert MilvusIndex(rows, MilvusServer(uri)).describe().generation == "first"


def test_an_empty_library_leaves_no_collection(uri: str) -> None:
    rows = ListedRows()
    rows.put([1], unit_vectors(1, 1))
    engine = built(rows, uri)
    rows.delete(1)
    assert engine.rebuild("second").count == 0
    assert Collections(MilvusServer(uri), rows).names(rows.token) == set()


def test_a_server_that_is_away_is_never_an_empty_answer(rows: ListedRows, tmp_path: Path) -> None:
    engine = MilvusIndex(rows, MilvusServer("http://127.0.0.1:9", timeout_s=0.3), tmp_path, Budget())
    with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1:9"):
        engine.search(unit_vectors(1, 3)[0], 10, EVERYTHING)


@pytest.mark.django_db
class TestOverTheDatabase:
    """VECTOR_ENGINE=milvus, and the way there and back."""

    @pytest.fixture
    def milvus_at(self, settings: Any, uri: str) -> None:
        settings.MILVUS = {**settings.MILVUS, "uri": uri}

    def test_both_spaces_move_to_milvus_and_back_with_nothing_lost(
        self, alice: User, settings: Any, milvus_at: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        many(alice, 40, "a red picture")
        rebuild_index()
        blue = photo(alice, "a blue picture")
        before = [match.asset_id for match in search_text(alice, "blue", limit=30).matches]
        call_command("move_index", to="milvus", verbosity=0)
        assert "Set VECTOR_ENGINE=milvus" in capsys.readouterr().out
        settings.VECTOR_ENGINE = "milvus"
        assert [match.asset_id for match in search_text(alice, "blue", limit=30).matches] == before
        assert described("image") == "milvus, 41 sealed and 0 newer"
        green = photo(alice, "a green picture")
        assert search_text(alice, "green").matches[0].asset_id == green.pk
        assert check_index() == []
        call_command("move_index", to="faiss", verbosity=0)
        settings.VECTOR_ENGINE = "faiss"
        assert search_text(alice, "green").matches[0].asset_id == green.pk
        assert search_text(alice, "blue").matches[0].asset_id == blue.pk
        assert described("caption") == "faiss, 42 sealed and 0 newer"
        assert check_index() == []

    def test_what_the_index_stage_numbers_is_upserted_and_a_narrow_filter_pushed_down(
        self, alice: User, bob: User, settings: Any, milvus_at: None
    ) -> None:
        settings.VECTOR_ENGINE = "milvus"
        many(alice, 40, "a red picture", visibility="private")
        rebuild_index()
        mine = photo(bob, "a red picture")
        assert [match.asset_id for match in search_text(bob, "red").matches] == [mine.pk]
        found = search_text(alice, "red", filters=AssetFilters(mine=False)).matches
        assert [match.asset_id for match in found] == [mine.pk]
        backends.clear()
        assert described("image") == "milvus, 41 sealed and 0 newer"

    def test_a_server_that_is_away_is_said_by_the_command(self, alice: User, settings: Any) -> None:
        photo(alice)
        settings.MILVUS = {**settings.MILVUS, "uri": "http://127.0.0.1:9"}
        with pytest.raises(CommandError, match="can't answer"):
            call_command("move_index", to="milvus", verbosity=0)


def test_a_collection_that_is_dropped_while_all_are_listed_is_no_error() -> None:
    class Stumbling:
        asked = 0

        def list_collections(self) -> list[str]:
            self.asked += 1
            if self.asked < 3:
                raise MilvusException(code=1, message="collection 'gone' does not exist")
            return ["there"]

    assert collections._listed(Stumbling()) == ["there"]
