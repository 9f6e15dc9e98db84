"""Several texts and photos at once, each with its weight, over HTTP."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.search.answers import ids
from tests.search.photos import many, photo, stored

pytestmark = pytest.mark.django_db


def ask(client: Client, *terms: dict[str, Any], **asked: Any) -> Any:
    return client.post("/api/v1/search", {"terms": list(terms), **asked}, content_type="application/json")


def text(words: str, weight: float = 1.0) -> dict[str, Any]:
    return {"text": words, "weight": weight}


def like(asset_id: int, weight: float = 1.0) -> dict[str, Any]:
    return {"like": asset_id, "weight": weight}


def test_one_text_is_a_search_for_it(client: Client, alice: User) -> None:
    red, blue = photo(alice, "a red picture"), photo(alice, "a blue picture")
    assert ids(ask(client, text("red"))) == [red.pk, blue.pk]
    by_get = client.get("/api/v1/search", {"q": "red"}).json()["results"]
    assert ask(client, text("red")).json()["results"] == by_get


def test_weights_decide_between_terms(client: Client, alice: User) -> None:
    red, blue = photo(alice, "a red picture"), photo(alice, "a blue picture")
    assert ids(ask(client, text("red", 2), text("blue", 1))) == [red.pk, blue.pk]
    assert ids(ask(client, text("red", 1), text("blue", 2))) == [blue.pk, red.pk]
    once, twice = (ask(client, text("red", weight)).json()["results"][0]["score"] for weight in (1, 2))
    assert twice == pytest.approx(2 * once, abs=0.001)


def test_what_is_unwanted_goes_down_and_says_so(client: Client, alice: User) -> None:
    plain, sea = photo(alice, "a red picture"), photo(alice, "a red picture of the sea")
    far = photo(alice, "a blue picture")
    assert ids(ask(client, text("red picture sea")))[0] == sea.pk
    answer = ask(client, text("red picture"), text("sea", -1))
    assert ids(answer) == [plain.pk, sea.pk, far.pk]
    first, second, _ = answer.json()["results"]
    assert "unwanted" not in first["why"]
    assert second["why"]["unwanted"] < 0
    assert second["score"] == pytest.approx(sum(second["why"].values()), abs=0.001)


def test_more_like_a_photo_and_less_like_another(client: Client, alice: User) -> None:
    red, more, blue = photo(alice, "a red dog"), photo(alice, "a red cat"), photo(alice, "a blue dog")
    assert ids(ask(client, like(red.pk)))[0] == red.pk
    assert ids(ask(client, like(red.pk), text("dog", -2))) != ids(ask(client, like(red.pk)))
    assert ids(ask(client, text("dog"), like(red.pk, -1)))[0] == blue.pk
    assert set(ids(ask(client, like(red.pk), text("cat", 3)))[:2]) == {red.pk, more.pk}


def test_conditions_narrow_and_pages_go_on(client: Client, alice: User) -> None:
    tagged = [photo(alice, "a red picture", tags=["sea"]).pk for _ in range(3)]
    many(alice, 5, "a red picture")
    asked = {"conditions": "tag:sea", "limit": 2}
    first = ask(client, text("red"), text("blue", -1), **asked)
    rest = ask(client, text("red"), text("blue", -1), **asked, cursor=first.json()["next"])
    assert sorted([*ids(first), *ids(rest)]) == tagged
    assert rest.json()["next"] is None
    again = ask(client, text("red"), text("blue", -0.5), **asked, cursor=first.json()["next"])
    assert again.status_code == 400
    assert ids(ask(client, text("red"), conditions="by:alice", sort="date", limit=1)) != tagged[:1]
    assert "tag:lake" in ask(client, text("red"), conditions="tag:lake").json()["reason"]


def test_an_operator_in_a_text_is_a_word(client: Client, alice: User) -> None:
    photo(alice, "a red picture")
    assert ids(ask(client, text('tag:nothing "never closed')))


def test_a_photo_that_may_not_be_seen_is_not_found(client: Client, alice: User) -> None:
    secret = photo(alice, "a red picture", visibility="private")
    assert ask(client, like(secret.pk)).status_code == 404
    assert ask(client, like(10**30)).status_code in {400, 404}
    undescribed = stored(alice)
    assert "not described yet" in ask(client, like(undescribed.pk)).json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"terms": []},
        {"terms": [{}]},
        {"terms": [{"text": " "}]},
        {"terms": [{"text": "red", "like": 1}]},
        {"terms": [{"text": "red", "weight": 0}]},
        {"terms": [{"text": "red", "weight": 4.5}]},
        {"terms": [{"text": "red", "weight": -1}]},
        {"terms": [{"text": "x" * 1001}]},
        {"terms": [{"text": "a\u0000b"}]},
        {"terms": [{"text": "red"}] * 9},
        {"terms": [{"text": "red", "colour": 1}]},
        {"terms": [{"text": "red"}], "conditions": "before:soon"},
        {"terms": [{"text": "red"}], "limit": 0},
        {"terms": [{"text": "red"}], "sort": "size"},
        {"terms": [{"text": "red"}], "cursor": "x"},
    ],
)
def test_what_makes_no_sense_is_refused(client: Client, db: None, body: dict[str, Any]) -> None:
    answer = client.post("/api/v1/search", body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
