"""Reranking a search: order, pages, reasons, permissions, and what happens where the reranker is away."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from numpy.typing import NDArray

from core.errors import InvalidInput, ModelUnavailable
from library.models import Asset
from search import reranking
from search.evaluation.ingest import Query
from search.evaluation.modes import evaluate_modes
from search.rerankers.base import Candidate
from search.reranking import AWAY, RERANKER
from search.services import SearchPage, Term, search_terms, search_text
from tests.search import tiny_cross_encoder
from tests.search.photos import many, photo, stored

pytestmark = pytest.mark.django_db
FAKE = "tests.search.test_reranking.LongestFirst"
CROSS_ENCODER = "search.rerankers.cross_encoder.CaptionCrossEncoder"


class LongestFirst:
    """Takes the longest caption for the best, and remembers what it was asked."""

    model_id = "longest"
    asked: list[tuple[str, list[Candidate]]] = []

    def score(self, query: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
        """(N,)"""
        self.asked.append((query, list(candidates)))
        return np.array([len(one.caption) / 100 for one in candidates], dtype=np.float32)


@pytest.fixture(autouse=True)
def _reranker(settings: Any) -> Iterator[None]:
    settings.RERANKER, settings.RERANKER_WEIGHT, settings.RERANKED = FAKE, 100.0, 50
    LongestFirst.asked.clear()
    reranking._failed.clear()
    yield
    reranking._failed.clear()


def ids(page: SearchPage) -> list[int]:
    return [match.asset_id for match in page.matches]


def numbered(owner: User, count: int) -> list[Asset]:
    """Photos that fit "red" equally well and whose captions get longer and longer."""
    return [photo(owner, "red" + " picture" * at, looks="red") for at in range(count)]


def pages_of(query: str, limit: int, between: Any = lambda number: None) -> list[int]:
    """All pages, with something done between them."""
    found: list[int] = []
    page = search_text(None, query, limit=limit)
    for number in range(1000):
        found += ids(page)
        if page.next is None:
            return found
        between(number)
        page = search_text(None, query, limit=limit, cursor=page.next)
    raise AssertionError("pages without end")


class TestOrder:
    def test_the_reranker_puts_the_best_in_order_and_says_its_share(self, alice: User, settings: Any) -> None:
        short = photo(alice, "red", looks="red")
        long = photo(alice, "a photo of something, told at some length", looks="blue")
        settings.RERANKER = ""
        plain = search_text(None, "red")
        assert ids(plain) == [short.pk, long.pk]
        assert RERANKER not in plain.matches[0].why
        settings.RERANKER = FAKE
        found = search_text(None, "red")
        assert ids(found) == [long.pk, short.pk]
        before = {match.asset_id: match for match in plain.matches}
        for match in found.matches:
            added = match.why.pop(RERANKER)
            assert match.why == before[match.asset_id].why
            assert match.score == pytest.approx(before[match.asset_id].score + added, abs=1e-6)

    def test_it_adds_no_more_than_its_weight_and_takes_nothing_away(
        self, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.RERANKER_WEIGHT = 0.3
        scores = {"red": -2.0, "a red picture": 0.5, "a red picture that fits too well": 7.0}
        for caption in scores:
            photo(alice, caption, looks="red")

        def beyond(_: Any, __: str, candidates: Sequence[Candidate]) -> NDArray[np.float32]:
            return np.array([scores[one.caption] for one in candidates], dtype=np.float32)

        monkeypatch.setattr(LongestFirst, "score", beyond)
        added = [match.why.get(RERANKER, 0.0) for match in search_text(None, "red").matches]
        assert sorted(added) == [0.0, 0.15, 0.3]

    def test_only_so_many_are_read_and_the_rest_stay_behind(self, alice: User, settings: Any) -> None:
        settings.RERANKED = 3
        photos = [photo(alice, "red", looks="red") for _ in range(3)]
        last = photo(alice, "something long that is nothing of the kind", looks="blue")
        assert ids(search_text(None, "red"))[-1] == last.pk
        ((_, candidates),) = LongestFirst.asked
        assert {one.frame_id for one in candidates} == {one.frames.get().pk for one in photos}

    def test_free_text_alone_is_handed_to_it_with_the_captions_that_stand(
        self, alice: User, bob: User
    ) -> None:
        seen = photo(alice, "a red picture", tags=["sea"])
        photo(bob, "a red secret", visibility="private", tags=["sea"])
        unsaid = stored(alice, tags=["sea"])
        unsaid.frames.get().captions.all().delete()
        search_text(None, "tag:sea red picture -blue text:red after:2000")
        ((query, candidates),) = LongestFirst.asked
        assert query == "red picture"
        assert candidates == [Candidate(seen.frames.get().pk, "a red picture")]

    def test_the_word_as_it_was_read_is_handed_on(self, alice: User) -> None:
        photo(alice, "a strawberry")
        search_text(None, "strawbery")
        assert LongestFirst.asked[0][0] == "strawberry"

    def test_nothing_is_read_for_conditions_alone_for_terms_or_by_date(self, alice: User) -> None:
        photo(alice, "a red picture", tags=["sea"])
        assert search_text(None, "tag:sea").matches
        assert search_text(None, "red", sort="date").matches
        assert search_terms(None, [Term(text="red")]).matches
        assert LongestFirst.asked == []

    def test_an_asset_of_several_frames_counts_by_the_best(self, alice: User) -> None:
        both = photo(alice, "red", looks="red")
        both.frames.create(number=1).captions.create(source="human", text="a long sentence of red")
        (match,) = search_text(None, "red").matches
        assert match.why[RERANKER] == pytest.approx(100 * len("a long sentence of red") / 100)


class TestPages:
    def test_they_neither_repeat_nor_lose_a_photo(self, alice: User, settings: Any) -> None:
        settings.RERANKED = 20
        photos = numbered(alice, 30) + many(alice, 60, "a blue picture")
        found = pages_of("red picture", 7)
        assert sorted(found) == sorted(one.pk for one in photos)
        assert found == ids(search_text(None, "red picture", limit=90))

    def test_neither_do_they_where_photos_come_and_go_meanwhile(self, alice: User, settings: Any) -> None:
        settings.RERANKED = 12
        photos = numbered(alice, 40)
        shown_before = ids(search_text(None, "red", limit=40))
        gone = [shown_before[1], shown_before[9], shown_before[20]]

        def comes_and_goes(number: int) -> None:
            if number < 3:
                Asset.objects.filter(pk=gone[number]).delete()
                photo(alice, "red" + " new" * 20, looks="red")

        found = pages_of("red", 5, comes_and_goes)
        assert len(found) == len(set(found)), "none is shown twice"
        old = {one.pk for one in photos}
        assert old - set(found) <= set(gone), "none is lost"

    def test_a_page_goes_on_as_the_first_one_began(self, alice: User, settings: Any) -> None:
        numbered(alice, 12)
        first = search_text(None, "red", limit=5)
        settings.RERANKER_OPTIONS = {"no": "such"}
        with pytest.raises(InvalidInput, match="another search"):
            search_text(None, "red", limit=5, cursor=first.next)
        settings.RERANKER_OPTIONS = {}
        reranking._failed[reranking.configuration()] = (1e12, "It is away.")
        with pytest.raises(ModelUnavailable, match="It is away"):
            search_text(None, "red", limit=5, cursor=first.next)
        plain = search_text(None, "red", limit=5)
        assert plain.notice == AWAY
        reranking._failed.clear()
        LongestFirst.asked.clear()
        behind = search_text(None, "red", limit=20, cursor=plain.next)
        assert LongestFirst.asked == []
        assert len({*ids(plain), *ids(behind)}) == 12


class TestAway:
    @pytest.mark.parametrize(
        ("reranker", "options", "said"),
        [
            (CROSS_ENCODER, {}, "RERANKER_OPTIONS does not say which"),
            (CROSS_ENCODER, {"model": "/nowhere/at/all"}, "can't be loaded"),
            (CROSS_ENCODER, {"modell": "x"}, "does not take these RERANKER_OPTIONS"),
            ("search.rerankers.nothing.Nothing", {}, "no module search.rerankers.nothing"),
        ],
    )
    def test_the_search_goes_on_and_says_so_in_log_and_answer(
        self,
        alice: User,
        settings: Any,
        client: Client,
        caplog: pytest.LogCaptureFixture,
        reranker: str,
        options: dict[str, str],
        said: str,
    ) -> None:
        settings.RERANKER, settings.RERANKER_OPTIONS = reranker, options
        asset = photo(alice, "a red picture")
        with caplog.at_level(logging.WARNING, logger="search.reranking"):
            answer = client.get("/api/v1/search", {"q": "red"}).json()
            again = client.get("/api/v1/search", {"q": "picture"}).json()
        assert [one["asset"]["id"] for one in answer["results"]] == [asset.pk]
        assert answer["notice"] == again["notice"] == AWAY
        assert said in caplog.text
        assert len(caplog.records) == 1, "it is tried, and told, once a minute"

    def test_it_is_tried_again_after_a_while(self, alice: User, settings: Any, tmp_path: Path) -> None:
        settings.RERANKER, settings.RERANKER_OPTIONS = CROSS_ENCODER, {"model": str(tmp_path / "later")}
        photo(alice, "a red picture")
        assert search_text(None, "red").notice == AWAY
        tiny_cross_encoder.write(tmp_path / "later")
        assert search_text(None, "red").notice == AWAY, "not at every search"
        for asked, (_, why) in list(reranking._failed.items()):
            reranking._failed[asked] = (0.0, why)
        assert search_text(None, "red").notice == ""


def test_the_page_tells_staff_alone_that_it_is_away_and_everybody_its_share(
    alice: User, settings: Any
) -> None:
    photo(alice, "a red picture")
    staff = Client()
    staff.force_login(User.objects.create_user("root", is_staff=True))
    assert "Second look" in Client().get("/", {"q": "red"}).content.decode()
    settings.RERANKER = "search.rerankers.nothing.Nothing"
    assert AWAY.replace("'", "&#x27;") in staff.get("/", {"q": "red"}).content.decode()
    assert "not reranked" not in Client().get("/", {"q": "red"}).content.decode()


def test_a_cross_encoder_reranks_and_evaluation_reports_it(
    alice: User, settings: Any, tmp_path: Path
) -> None:
    folder = tiny_cross_encoder.write(tmp_path / "tiny")
    settings.RERANKER, settings.RERANKER_OPTIONS = CROSS_ENCODER, {"model": str(folder)}
    red, blue = photo(alice, "a red picture"), photo(alice, "a blue picture")
    assert all(match.why[RERANKER] > 0 for match in search_text(None, "a red picture").matches)
    queries = [Query("a red picture", red.pk), Query("blue", blue.pk)]
    assert set(evaluate_modes(queries)["reranked"]) == {"r1", "r5", "r10", "mrr"}
    settings.RERANKER = ""
    assert "reranked" not in evaluate_modes(queries)
    settings.RERANKER, settings.RERANKER_OPTIONS = CROSS_ENCODER, {}
    with pytest.raises(ModelUnavailable, match="RERANKER_OPTIONS does not say which"):
        evaluate_modes(queries)
