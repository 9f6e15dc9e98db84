"""Numbering rows, publishing generations, and the rows as engines read them."""

from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.errors import Conflict, EngineUnavailable
from core.locks import named_lock
from library.models import Frame
from search import embeddings, selectors
from search.active import active_model_id
from search.index.base import Position
from search.models import Embedding, Generation, IndexPosition
from search.rows import EmbeddingRows
from search.selectors import frames_to_index, frames_without_embedding
from search.services import index_frames, rebuild_index, search_text
from tests.query_plans import plan_of
from tests.search.listed_rows import unit_vectors
from tests.search.photos import describe, described, many, photo, stored

pytestmark = pytest.mark.django_db


def frame_of(asset: Any) -> int:
    return int(asset.frames.get().pk)


class TestRecording:
    def test_a_vector_comes_back_as_it_was(self, alice: User) -> None:
        frame_id, vector = frame_of(stored(alice)), unit_vectors(1, 3)
        embeddings.record("image", "fake-image", [frame_id], vector)
        found = selectors.vectors_of([frame_id], "image", active_model_id("image"))
        assert found is not None
        assert np.array_equal(found, vector)

    def test_recording_the_same_again_changes_nothing(self, alice: User) -> None:
        asset = photo(alice)
        before = list(Embedding.objects.values_list("space", "number"))
        describe(asset, caption="a red picture")
        assert list(Embedding.objects.values_list("space", "number")) == before

    def test_another_vector_loses_the_number(self, alice: User) -> None:
        asset = photo(alice, "a red picture")
        describe(asset, caption="a blue picture")
        assert set(Embedding.objects.values_list("number", flat=True)) == {None}

    def test_vectors_of_two_models_stand_side_by_side(self, alice: User) -> None:
        frame_id = frame_of(photo(alice))
        embeddings.record("image", "other", [frame_id], unit_vectors(1, 3))
        assert Embedding.objects.filter(frame=frame_id, space="image").count() == 2
        assert len(search_text(alice, "red").matches) == 1

    def test_frames_that_are_gone_are_left_out(self, alice: User) -> None:
        frame_id = frame_of(stored(alice))
        embeddings.record("image", "fake-image", [frame_id, 999_999], unit_vectors(2, 3))
        assert Embedding.objects.count() == 1

    @pytest.mark.parametrize(
        "vectors", [unit_vectors(1, 1) * 2, np.zeros((1, 4)), np.full((1, 4), np.nan), unit_vectors(2, 1)]
    )
    def test_what_is_no_unit_vector_for_each_frame_is_refused(self, alice: User, vectors: Any) -> None:
        with pytest.raises(ValueError, match="ector"):
            embeddings.record("image", "fake-image", [frame_of(stored(alice))], vectors)


class TestNumbering:
    def test_numbers_rise_in_the_order_of_commits(self, alice: User) -> None:
        first, second = photo(alice), photo(alice)
        numbers = [
            set(Embedding.objects.filter(frame__asset=asset).values_list("number", flat=True))
            for asset in (first, second)
        ]
        assert numbers == [{1, 2}, {3, 4}]

    def test_a_number_is_given_once_though_the_newest_is_deleted(self, alice: User) -> None:
        photo(alice)
        photo(alice).delete()
        asset = photo(alice)
        assert set(Embedding.objects.filter(frame__asset=asset).values_list("number", flat=True)) == {5, 6}

    def test_two_writers_do_not_number_at_once(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        asset = stored(alice)
        describe(asset, caption="a red picture")
        monkeypatch.setattr("search.indexing._WRITER_TIMEOUT_S", 0.1)
        with named_lock("index-writer", 1), pytest.raises(Conflict):
            index_frames([frame_of(asset)])
        assert not IndexPosition.objects.exists()

    def test_what_wants_indexing_is_described_and_unnumbered(self, alice: User) -> None:
        waiting, half, ready = stored(alice), stored(alice), stored(alice)
        embeddings.record("image", "fake-image", [frame_of(half)], unit_vectors(1, 1, 16))
        describe(ready, caption="a red picture")
        photo(alice)
        assert list(frames_to_index().values_list("asset_id", flat=True)) == [ready.pk]
        lacking = frames_without_embedding("caption", active_model_id("caption"))
        assert set(lacking.values_list("asset_id", flat=True)) == {waiting.pk, half.pk}

    def test_after_a_switch_of_models_all_is_to_do_again(self, alice: User, settings: Any) -> None:
        photo(alice)
        settings.EMBEDDER_MODEL_IDS = {**settings.EMBEDDER_MODEL_IDS, "image": "another"}
        assert frames_without_embedding("image", active_model_id("image")).count() == 1
        assert not frames_to_index().exists()


class TestRows:
    def test_rows_come_in_chunks_of_rising_frames(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        many(alice, 25, "a red picture")
        monkeypatch.setattr("search.rows._CHUNK", 10)
        rows = EmbeddingRows("image", "fake-image")
        chunks = list(rows.rows(0, rows.position().number))
        assert [len(chunk) for chunk in chunks] == [10, 10, 5]
        ids = [frame_id for chunk in chunks for frame_id in chunk.frame_ids.tolist()]
        assert ids == sorted(Frame.objects.values_list("pk", flat=True))
        assert all(chunk.vectors.shape[1] == 16 for chunk in chunks)

    def test_only_numbers_in_the_range(self, alice: User) -> None:
        for _ in range(3):
            photo(alice)
        rows = EmbeddingRows("image", "fake-image")
        numbers = sorted(one.number or 0 for one in Embedding.objects.filter(space="image"))
        assert sum(map(len, rows.rows(numbers[0], numbers[1]))) == 1
        assert rows.count(numbers[1]) == 2
        assert len(rows.sample(10, numbers[1])) == 2

    def test_a_chunk_is_fetched_by_key_and_not_by_walking_through_the_space(self, alice: User) -> None:
        many(alice, 3, "a red picture")
        with CaptureQueriesContext(connection) as queries:
            list(EmbeddingRows("image", "fake-image").rows(0, 100))
        (fetched,) = [one["sql"] for one in queries if '"vector"' in one["sql"]]
        assert '"id" IN' in fetched
        if connection.vendor == "sqlite":
            assert "USING INTEGER PRIMARY KEY" in plan_of(fetched)

    def test_what_is_numbered_anew_while_it_is_read_is_left_out(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        many(alice, 3, "a red picture")
        first = Embedding.objects.filter(space="image").order_by("pk")[0]
        fetch = EmbeddingRows._fetched

        def fetched_later(rows: EmbeddingRows, keys: Any, up_to: int) -> Any:
            Embedding.objects.filter(pk=first.pk).update(number=up_to + 1)
            return fetch(rows, keys, up_to)

        monkeypatch.setattr(EmbeddingRows, "_fetched", fetched_later)
        (found,) = EmbeddingRows("image", "fake-image").rows(0, 100)
        assert len(found) == 2
        assert first.frame_id not in found.frame_ids

    def test_nothing_numbered_yet(self, db: None) -> None:
        rows = EmbeddingRows("image", "fake-image")
        assert rows.position() == Position("", 0)
        assert list(rows.rows(0, 10)) == []
        assert len(rows.sample(5, 10)) == 0

    def test_vectors_of_two_lengths_are_an_engine_that_is_away(self, alice: User) -> None:
        photo(alice)
        asset = stored(alice)
        for space in ("image", "caption"):
            embeddings.record(space, active_model_id(space), [frame_of(asset)], unit_vectors(1, 1, 24))
        index_frames([frame_of(asset)])
        with pytest.raises(EngineUnavailable):
            search_text(alice, "red")

    def test_the_position_costs_one_query(self, alice: User, django_assert_num_queries: Any) -> None:
        photo(alice)
        with django_assert_num_queries(1):
            EmbeddingRows("image", "fake-image").position()


class TestRebuilding:
    def test_publishes_each_space_and_retires_the_one_before(self, alice: User) -> None:
        many(alice, 12, "a red picture")
        rebuild_index()
        first = {row.pk for row in Generation.objects.filter(state="live")}
        rows = rebuild_index()
        assert [(row.space, row.count, row.recall_at_10, row.state) for row in rows] == [
            ("image", 12, 1.0, "live"),
            ("caption", 12, 1.0, "live"),
        ]
        assert {row.pk for row in Generation.objects.filter(state="retired")} == first
        assert described("image") == "faiss, 12 sealed and 0 newer"

    def test_budgets_of_the_settings_choose_the_kind_and_the_record_says_why(
        self, alice: User, settings: Any
    ) -> None:
        many(alice, 60, "a red picture")
        settings.INDEX_KIND = "ivf"
        row = rebuild_index("image")[0]
        assert (row.kind, row.why) == ("ivf", "the settings ask for this kind")
        assert row.memory_bytes
        assert row.latency_ms is not None
        settings.INDEX_KIND = "auto"
        assert rebuild_index("image")[0].kind == "flat"
        assert len(search_text(alice, "red").matches) == 20

    def test_of_one_space(self, alice: User) -> None:
        photo(alice)
        assert [row.space for row in rebuild_index("caption")] == ["caption"]

    def test_tells_how_far_it_is_over_all_spaces(self, alice: User) -> None:
        many(alice, 6, "a red picture")
        seen: list[tuple[int, int]] = []
        rebuild_index(progress=lambda done, total: seen.append((done, total)))
        assert list(dict.fromkeys(seen)) == [(6, 12), (12, 12)], "each once more before it is published"

    def test_a_failure_is_recorded_and_the_live_one_stays(
        self, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        photo(alice)
        rebuild_index()
        live = set(Generation.objects.filter(state="live").values_list("pk", flat=True))
        monkeypatch.setattr("search.index.faiss.rebuilding._verify", _refuse)
        with pytest.raises(EngineUnavailable):
            rebuild_index("image")
        assert Generation.objects.first().state == "failed"  # type: ignore[union-attr]
        assert set(Generation.objects.filter(state="live").values_list("pk", flat=True)) == live
        assert len(search_text(alice, "red").matches) == 1

    def test_one_at_a_time(self, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("search.indexing.REBUILD_TIMEOUT_S", 0.1)
        with named_lock("index-rebuild", 1), pytest.raises(Conflict):
            rebuild_index()

    def test_is_due_when_the_tail_is_long(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("search.selectors._TAIL_WORTH_MERGING", 4)
        many(alice, 3, "a red picture")
        assert selectors.spaces_due_for_rebuild() == []
        many(alice, 1, "a red picture")
        assert selectors.spaces_due_for_rebuild() == ["image", "caption"]
        rebuild_index()
        assert selectors.spaces_due_for_rebuild() == []

    def test_the_command_builds_and_says_so(self, alice: User, capsys: pytest.CaptureFixture[str]) -> None:
        photo(alice)
        call_command("rebuild_index", verbosity=0)
        assert "image: 1 vectors of fake-image, recall@10 1.000, live" in capsys.readouterr().out

    def test_the_command_says_what_went_wrong(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        photo(alice)
        monkeypatch.setattr("search.index.faiss.rebuilding._verify", _refuse)
        with pytest.raises(CommandError, match="not good enough"):
            call_command("rebuild_index", verbosity=0, space="image")

    def test_tells_sqlite_what_it_holds(self, alice: User) -> None:
        """Without it, SQLite walks through all public photos to check fifty."""
        if connection.vendor != "sqlite":
            return
        many(alice, 30, "a red picture")
        rebuild_index()
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'library_asset'")
            assert cursor.fetchone()[0] > 0


def test_a_damaged_index_is_never_an_empty_answer(alice: User, settings: Any) -> None:
    photo(alice)
    rebuild_index()
    for file in settings.INDEX_DIR.rglob("vectors.f32"):
        file.write_bytes(file.read_bytes()[:-10])
    from core import backends

    backends.clear()
    with pytest.raises(EngineUnavailable):
        search_text(alice, "red")


def _refuse(*args: Any) -> None:
    raise EngineUnavailable("not good enough")
