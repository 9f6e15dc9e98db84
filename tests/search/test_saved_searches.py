"""Saved searches, over HTTP: each person's own."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.errors import Conflict, InvalidQuery, NotFound
from search import saved

pytestmark = pytest.mark.django_db
URL = "/api/v1/searches"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_keep_list_and_forget(alice: User, bob: User) -> None:
    client = signed_in(alice)
    body = {"query": " dog tag:sea ", "name": "Dogs", "sort": "date"}
    kept: Any = client.post(URL, body, content_type="application/json")
    assert kept.status_code == 201
    assert client.post(URL, {"query": "cats"}, content_type="application/json").json()["name"] == "cats"
    told = [(one["name"], one["query"], one["sort"]) for one in client.get(URL).json()["results"]]
    assert told == [("Dogs", "dog tag:sea", "date"), ("cats", "cats", "relevance")]
    address = f"{URL}/{kept.json()['id']}"
    assert signed_in(bob).get(URL).json() == {"results": []}
    assert signed_in(bob).delete(address).status_code == 404
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == 404
    assert client.delete(f"{URL}/{2**63}").status_code == 404
    assert len(client.get(URL).json()["results"]) == 1


def test_strangers_keep_nothing(db: None) -> None:
    assert Client().get(URL).status_code == 401
    assert Client().post(URL, {"query": "dog"}, content_type="application/json").status_code == 401


def test_the_same_name_is_overwritten(alice: User) -> None:
    saved.save_search(alice, "dog", name="Pets")
    saved.save_search(alice, "cat", name="Pets")
    assert [one.query for one in saved.saved_searches(alice)] == ["cat"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "before:soon"},
        {"query": "dog", "name": "x" * 81},
        {"query": "dog", "name": "a\u0007b"},
        {"query": "dog", "sort": "size"},
        {"query": "dog", "colour": "red"},
    ],
)
def test_what_nobody_could_ask_is_not_kept(alice: User, body: dict[str, str]) -> None:
    answer: Any = signed_in(alice).post(URL, body, content_type="application/json")
    assert answer.status_code == 400, answer.content
    assert saved.saved_searches(alice) == []


def test_errors_of_the_service(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidQuery, match="no operator"):
        saved.save_search(alice, "colr:red")
    monkeypatch.setattr(saved, "MOST", 1)
    kept = saved.save_search(alice, "dog")
    with pytest.raises(Conflict, match="remove one first"):
        saved.save_search(alice, "cat")
    saved.save_search(alice, "dog")
    with pytest.raises(NotFound):
        saved.forget_search(bob, kept.pk)
