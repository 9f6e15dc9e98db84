"""Words that very many documents hold: ranked by a bounded number of documents, with the very same scores."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from library.models import Asset
from search import keywords
from search.keywords import common, matching, postgresql, query_words, sqlite
from search.models import KeywordDocument
from tests.search.photos import stored

pytestmark = pytest.mark.django_db
_WORDS = """
    dog dogs running runs beach street red table tables cup coffee 2024 \u732b cafe near babies baby
"""


@pytest.fixture
def library(alice: User) -> list[int]:
    """Sixty documents of a few words in every column, newest last."""
    drawn = random.Random(7)
    assets = [stored(alice) for _ in range(60)]
    KeywordDocument.objects.bulk_create(
        KeywordDocument(
            asset=asset,
            names=" ".join(drawn.choices(_WORDS.split(), k=drawn.randint(0, 2))),
            captions=" ".join(drawn.choices(_WORDS.split(), k=drawn.randint(1, 9))),
            auto_tags=" ".join(drawn.choices(_WORDS.split(), k=drawn.randint(0, 2))),
            description=" ".join(drawn.choices(_WORDS.split(), k=drawn.randint(0, 9))),
        )
        for asset in assets
    )
    return [asset.pk for asset in assets]


@pytest.fixture
def common_words(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every word counts as common."""
    common._counted.clear()
    monkeypatch.setattr(matching, "_LOOKED_THROUGH", 0)
    monkeypatch.setattr(postgresql, "_TOGETHER", 4)
    monkeypatch.setattr(postgresql, "_SAMPLED", 40)
    for engine in (sqlite.Fts5, postgresql.TextSearch):
        monkeypatch.setattr(engine, "common_from", 0)
    yield
    common._counted.clear()


def asked(query: str) -> keywords.Question:
    return keywords.ask(query_words(query))


def close(found: list[tuple[int, float]]) -> list[tuple[int, Any]]:
    return [(asset_id, pytest.approx(score, abs=1e-6)) for asset_id, score in found]


@pytest.mark.parametrize(
    "query", ["dog", "red dogs running", "baby at a table", "2024 \u732b cafe", "cup tab"]
)
class TestTheSameScores:
    def test_of_chosen_documents(
        self, library: list[int], query: str, request: pytest.FixtureRequest
    ) -> None:
        expected = asked(query).best(60, among=library[10:40])
        request.getfixturevalue("common_words")
        assert asked(query).best(60, among=library[10:40]) == close(expected)
        assert expected

    def test_of_all_where_plenty_are_asked_for(
        self, library: list[int], query: str, request: pytest.FixtureRequest
    ) -> None:
        expected = asked(query).promising(60)
        request.getfixturevalue("common_words")
        assert asked(query).promising(60) == close(expected)
        assert len(expected) > 10


@pytest.mark.usefixtures("common_words")
class TestABoundedChoice:
    def test_what_holds_all_words_comes_before_newer_ones(self, library: list[int], alice: User) -> None:
        KeywordDocument.objects.filter(asset_id=library[0]).update(
            names="", captions="a giraffe in a harbour", auto_tags="", description=""
        )
        for asset_id in library[1:30]:
            KeywordDocument.objects.filter(asset_id=asset_id).update(captions="giraffe")
        for asset_id in library[30:]:
            KeywordDocument.objects.filter(asset_id=asset_id).update(captions="harbour")
        assert asked("giraffe harbour").promising(3)[0][0] == library[0]

    def test_there_are_as_many_as_asked_for(self, library: list[int]) -> None:
        for limit in (1, 5, 20):
            assert len(asked("red dog running on the beach").promising(limit)) == limit

    def test_others_beside_them_are_told_too(self, library: list[int]) -> None:
        scores = dict(asked("dog").best(60, among=library))
        worst = min(scores, key=lambda asset_id: scores[asset_id])
        found = dict(asked("dog").promising(2, beside=[worst]))
        assert found[worst] == pytest.approx(scores[worst])

    def test_unknown_words_find_nothing(self, library: list[int]) -> None:
        assert asked("zebra").promising(5) == []

    def test_few_documents_are_read_and_not_all(self, library: list[int]) -> None:
        question = asked("dog running")
        with CaptureQueriesContext(connection) as queries:
            question.promising(2)
        assert len(queries) <= 6


class TestCounting:
    def test_common_words_are_counted_once(self, library: list[int], common_words: None) -> None:
        before = asked("dog beach").terms
        with CaptureQueriesContext(connection) as queries:
            assert asked("dog beach").terms == before
        assert not [one for one in queries if "MATCH" in one["sql"] or "to_tsquery" in one["sql"]]

    def test_they_are_counted_anew_when_the_library_has_grown(
        self, library: list[int], common_words: None, alice: User
    ) -> None:
        (before,) = asked("dog").terms
        for asset in [stored(alice) for _ in range(5)]:
            KeywordDocument.objects.create(asset=asset, captions="a dog")
        (after,) = asked("dog").terms
        assert after.holding == before.holding + 5

    def test_other_words_are_counted_each_time(self, library: list[int], alice: User) -> None:
        (before,) = asked("dog").terms
        asset = stored(alice)
        KeywordDocument.objects.create(asset=asset, captions="a dog")
        (after,) = asked("dog").terms
        assert (after.holding, after.total) == (before.holding + 1, before.total + 1)


class TestStatistics:
    """PostgreSQL tells how many documents hold a common word without going through them."""

    @pytest.fixture(autouse=True)
    def many(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(postgresql, "_COUNTED", 2_000)
        assets = Asset.objects.bulk_create(
            Asset(owner=alice, sha256=f"5{at:063x}", size_bytes=1, width_px=1, height_px=1)
            for at in range(2_500)
        )
        KeywordDocument.objects.bulk_create(
            KeywordDocument(asset=asset, captions="a dog running" if at % 10 else "a running cat")
            for at, asset in enumerate(assets)
        )
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE search_keyworddocument")

    def test_they_are_near_enough_and_rare_words_are_counted(self) -> None:
        held = {one.term.word: one.holding for one in asked("dogs runs cat zebra").terms}
        assert held == {"dogs": 2_250, "runs": 2_500, "cat": 250, "zebra": 0}

    def test_what_came_after_them_is_not_counted_among_common_words(self, alice: User) -> None:
        asset = stored(alice)
        KeywordDocument.objects.create(asset=asset, captions="a running cat")
        (runs, cat) = asked("running cat").terms
        assert runs.holding in (2_500, 2_501)
        assert cat.holding == 251


def test_an_old_document_that_holds_all_words_is_not_lost_among_new_ones_that_hold_three(
    alice: User, common_words: None
) -> None:
    held = ["dog beach red street table", *["dog beach red"] * 30, *["street"] * 35, *["table"] * 36]
    assets = [stored(alice) for _ in held]
    KeywordDocument.objects.bulk_create(
        KeywordDocument(asset=asset, captions=words) for asset, words in zip(assets, held, strict=True)
    )
    assert asked("dog beach red street table").promising(2)[0][0] == assets[0].pk
