"""/api/v1/search as a client sees it."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import backends
from library.models import Asset
from search.services import rebuild_index
from tests.search.answers import ids, refused
from tests.search.photos import many, photo

pytestmark = pytest.mark.django_db
URL = "/api/v1/search"
#: What queries are made of, so that chance puts together what people and machines might.
PIECES = [
    '"',
    "\u201c",
    "-",
    ":",
    " ",
    "tag:",
    "before:",
    "2024",
    "is:",
    "by:me",
    "text:",
    "type:png",
    "red",
    "the",
]
PIECES += [
    "<b>",
    "' OR 1=1 --",
    "*",
    "%",
    "NEAR(",
    "\U0001f389",
    "\u732b",
    "\u00df",
    "\u0345",
    "\u200f",
]


def ask(client: Client, **asked: Any) -> Any:
    return client.get(URL, asked)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_shape_of_an_answer(client: Client, alice: User) -> None:
    asset = photo(alice, "a red picture", title="Poppies")
    answer = ask(client, q="red").json()
    assert answer["next"] is None
    assert isinstance(answer["took_ms"], int)
    (result,) = answer["results"]
    assert result["asset"] == {
        "id": asset.pk,
        "title": "Poppies",
        "caption": "a red picture",
        "thumbnail": f"/media/asset/{asset.pk}/thumbnail/320",
        "width": 400,
        "height": 300,
        "blurhash": "",
        "picture_text": "",
    }
    assert set(result["why"]) == {"image", "caption", "keyword"}
    assert result["score"] == pytest.approx(sum(result["why"].values()), abs=0.001)


def test_strangers_see_public_photos_and_owners_their_own_too(client: Client, alice: User, bob: User) -> None:
    public, private = photo(alice, "a red picture"), photo(alice, "a red picture", visibility="private")
    assert ids(ask(client, q="red")) == [public.pk]
    assert ids(ask(signed_in(bob), q="red")) == [public.pk]
    assert set(ids(ask(signed_in(alice), q="red"))) == {public.pk, private.pk}


def test_a_wrong_key_is_no_stranger(client: Client, alice: User) -> None:
    assert client.get(URL, {"q": "red"}, headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_pages_go_on_where_the_last_one_ended(client: Client, alice: User) -> None:
    many(alice, 130, "a red picture")
    whole = ids(ask(client, q="red", limit=100))
    seen: list[int] = []
    cursor = None
    while True:
        answer = ask(client, q="red", limit=30, **({"cursor": cursor} if cursor else {}))
        seen += ids(answer)
        cursor = answer.json()["next"]
        if cursor is None:
            break
    assert seen[:100] == whole
    assert sorted(seen) == sorted(Asset.objects.values_list("pk", flat=True))


def test_filters(alice: User, bob: User) -> None:
    mine = photo(bob, "a red picture", visibility="private", tags=["sea"], taken_at="2024-05-01T12:00:00Z")
    photo(alice, "a red picture")
    client = signed_in(bob)
    for asked in (
        {"mine": "true"},
        {"visibility": "private"},
        {"tag": "Sea"},
        {"taken_after": "2024-05-01T00:00:00Z", "taken_before": "2024-05-02T00:00:00Z"},
        {"taken_after": "2024-05-01T00:00:00"},
    ):
        assert ids(ask(client, q="red", **asked)) == [mine.pk], asked


class TestBadQuestions:
    @pytest.mark.parametrize("query", ["", " ", "x" * 1001, "x" * 10_240, "a\x00b", "a\x1bb", "a\nb"])
    def test_queries(self, client: Client, db: None, query: str) -> None:
        refused(ask(client, q=query), "q")

    def test_no_query_at_all(self, client: Client, db: None) -> None:
        refused(ask(client), "q")

    @pytest.mark.parametrize("limit", ["-1", "0", "101", "many", "1.5", "9" * 400])
    def test_limits(self, client: Client, db: None, limit: str) -> None:
        refused(ask(client, q="red", limit=limit), "limit")

    @pytest.mark.parametrize("name", ["Mine", "colour", "q[]", "\u00fc"])
    def test_unknown_filters(self, client: Client, db: None, name: str) -> None:
        detail = refused(ask(client, q="red", **{name: "x"}), name)
        assert "tag" in detail

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("mine", "perhaps"),
            ("visibility", "secret"),
            ("tag", "x" * 65),
            ("tag", "a\x00b"),
            ("taken_after", "yesterday"),
            ("taken_after", "0001-01-01T00:00:00+14:00"),
            ("taken_before", "9999-12-31T23:59:59-14:00"),
        ],
    )
    def test_wrong_values(self, client: Client, db: None, name: str, value: str) -> None:
        refused(ask(client, q="red", **{name: value}), name)

    @pytest.mark.parametrize("cursor", ["x", "W10:abc", "a" * 5000, "\u2603", "null", ":::"])
    def test_cursors_that_were_never_given_out(self, client: Client, db: None, cursor: str) -> None:
        refused(ask(client, q="red", cursor=cursor), "cursor")

    def test_a_cursor_of_another_search(self, client: Client, alice: User) -> None:
        many(alice, 3, "a red picture")
        cursor = ask(client, q="red", limit=1).json()["next"]
        assert cursor
        refused(ask(client, q="blue", limit=1, cursor=cursor), "cursor")
        refused(ask(client, q="red", limit=1, tag="x", cursor=cursor), "cursor")

    def test_a_cursor_that_was_tampered_with(self, client: Client, alice: User) -> None:
        many(alice, 3, "a red picture")
        cursor = ask(client, q="red", limit=1).json()["next"]
        refused(ask(client, q="red", cursor=cursor[:-1] + ("a" if cursor[-1] != "a" else "b")), "cursor")


class TestQueryLanguage:
    def test_a_token_that_is_not_understood_is_pointed_at(self, client: Client, db: None) -> None:
        answer = ask(client, q="dog before:yesterdayish")
        refused(answer, "q")
        (error,) = answer.json()["errors"]
        assert (error["token"], error["start"], error["end"]) == ("before:yesterdayish", 4, 23)
        assert "2024-05" in error["allowed"]

    def test_conditions_narrow_and_say_why_nothing_is_left(self, client: Client, alice: User) -> None:
        asset = photo(alice, "a red picture", tags=["sea"])
        photo(alice, "a red picture")
        assert ids(ask(client, q="red tag:sea")) == [asset.pk]
        assert ids(ask(client, q="tag:sea", sort="date")) == [asset.pk]
        answer = ask(client, q="red tag:lake").json()
        assert answer["results"] == []
        assert answer["reason"] == "No photo that you may see fits tag:lake."

    def test_a_cursor_of_other_conditions(self, client: Client, alice: User) -> None:
        many(alice, 3, "a red picture")
        cursor = ask(client, q="red by:alice", limit=1).json()["next"]
        assert ids(ask(client, q=" red  by:alice ", limit=1, cursor=cursor))
        refused(ask(client, q="red -by:bob", limit=1, cursor=cursor), "cursor")
        listed = ask(client, q="by:alice", limit=1).json()["next"]
        refused(ask(client, q="red by:alice", limit=1, cursor=listed), "cursor")

    def test_an_order_that_there_is_not(self, client: Client, db: None) -> None:
        refused(ask(client, q="red", sort="size"), "sort")

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        query=st.one_of(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
            st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
        )
    )
    def test_whatever_is_typed_is_answered_or_refused(self, db: None, query: str) -> None:
        answer = ask(Client(), q=query)
        assert answer.status_code in {200, 400}, (query, answer.content)
        if answer.status_code == 400:
            assert {"token", "start", "end"} <= answer.json()["errors"][0].keys()


class TestAway:
    """What is away is said: 503, and when to come back. Never an empty result."""

    def away(self, answer: Any) -> None:
        assert answer.status_code == 503, answer.content
        assert int(answer["Retry-After"]) > 0
        assert answer["Content-Type"] == "application/problem+json"

    def test_a_damaged_index(self, client: Client, alice: User, settings: Any) -> None:
        photo(alice)
        rebuild_index()
        for file in settings.INDEX_DIR.rglob("frame_ids.npy"):
            file.unlink()
        backends.clear()
        self.away(ask(client, q="red"))

    def test_a_missing_model(self, client: Client, alice: User, settings: Any) -> None:
        photo(alice)
        settings.EMBEDDER_MODEL_IDS = {**settings.EMBEDDER_MODEL_IDS, "image": "one that is not installed"}
        self.away(ask(client, q="red"))

    def test_the_database(self, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def down(*args: object) -> None:
            raise OperationalError("connection refused by 10.0.0.7")

        photo(alice)
        monkeypatch.setattr("search.rows.EmbeddingRows.position", down)
        answer = ask(client, q="red")
        self.away(answer)
        assert b"10.0.0.7" not in answer.content


def test_a_search_costs_few_queries_however_many_photos_there_are(
    client: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    many(alice, 150, "a red picture")
    rebuild_index()
    ask(client, q="warm up")
    # Five of them look for what "something" may be a slip of.
    with django_assert_max_num_queries(20):
        assert len(ids(ask(client, q="a red picture of something", limit=50))) == 50
